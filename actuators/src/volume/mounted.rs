//! Whether something is mounted below a folder: who removes the folder then would empty what is
//! mounted there, which is not ours.
//!
//! Source: proc_pid_mountinfo(5). A look at the device of each folder is not enough: one that is bound
//! from the same disk has the same one.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The fifth field of a line is where something is mounted.
const FIELD_OF_PATH: usize = 4;
/// A byte that would end the field is written so, in three octal digits behind a backslash.
const OCTAL_DIGITS: usize = 3;

/// Refuses a folder below which something is mounted.
///
/// # Errors
/// Then, with the place; and when the kernel does not say.
pub(super) fn none_below(folder: &Path) -> io::Result<()> {
    let Ok(folder) = folder.canonicalize() else { return Ok(()) };
    let mounted = first_below(&folder, &fs::read("/proc/self/mountinfo")?);
    mounted.map_or(Ok(()), |place| {
        let place = place.display();
        Err(io::Error::other(format!("something is mounted at {place}: unmount it first")))
    })
}

fn first_below(folder: &Path, mounts: &[u8]) -> Option<PathBuf> {
    let lines = mounts.split(|byte| *byte == b'\n');
    let places = lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(FIELD_OF_PATH));
    places.map(plain).find(|place| place.starts_with(folder))
}

fn plain(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        let octal = behind.get(..OCTAL_DIGITS).filter(|_| *first == b'\\');
        let byte =
            octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &behind[OCTAL_DIGITS..] } else { behind };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_below_a_folder_is_found_by_its_path() {
        let mounts = b"22 28 0:21 / /proc rw - proc proc rw\n\
                       40 28 8:1 /data /state/pod-1/volumes/my\\040cache rw - ext4 /dev/a rw\n";
        let table = [
            ("/state/pod-1", Some("/state/pod-1/volumes/my cache")),
            ("/state/pod-1/volumes/my cache", Some("/state/pod-1/volumes/my cache")),
            ("/state/pod-1/volumes/my", None),
            ("/state/pod-10", None),
            ("/pro", None),
        ];
        for (folder, expected) in table {
            let found = first_below(Path::new(folder), mounts);
            assert_eq!(found.as_deref(), expected.map(Path::new), "{folder}");
        }
        assert!(none_below(Path::new("/")).is_err(), "the kernel says what is mounted");
        assert!(none_below(Path::new("/no/such/folder")).is_ok());
    }
}
