//! Files of the agent: whole or absent, durable once written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::AgentError;

/// Takes the folder for this process; made when it is not there. The lock ends with the file.
pub(crate) fn occupy(folder: &Path) -> Result<File, AgentError> {
    let opened = fs::create_dir_all(folder).and_then(|()| {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600).open(folder.join("lock"))
    });
    let file = opened.map_err(|source| failed(folder, source))?;
    file.try_lock().map_err(|_| AgentError::Occupied { path: folder.to_owned() })?;
    Ok(file)
}

/// Reads a file; `None` when it is not there.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, AgentError> {
    match fs::read(path) {
        Ok(bytes) => {
            let value = serde_json::from_slice(&bytes).map_err(io::Error::from);
            value.map(Some).map_err(|source| failed(path, source))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed(path, source)),
    }
}

/// Writes a file whole and durably, the rename included.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn failed(path: &Path, source: io::Error) -> AgentError {
    AgentError::State { path: path.to_owned(), source }
}
