//! A terminal of the kernel's: the agent's end, and the path of the other one.
//!
//! Absent: what is typed and shown; bytes pass as they are.

use std::io;
use std::path::PathBuf;

use rustix::io::ioctl_fionbio;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use setpoint_actuators::session::Input;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::mpsc;

/// What a terminal takes for the end of what is typed.
const END_OF_TYPING: &[u8] = &[4];

/// A terminal. Our end of it is read and written as a pipe is.
pub(crate) struct Terminal {
    /// What the command shows, for whoever takes it: an error is the end, when nobody has the other end
    /// open any more.
    pub(crate) shown: Option<Receiver>,
    typed: Sender,
    /// Where the command opens its end.
    pub(crate) path: PathBuf,
}

impl Terminal {
    /// A new one.
    pub(crate) fn open() -> io::Result<Terminal> {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let path = ptsname(&ours, Vec::new())?;
        let path = path.into_string().map_err(io::Error::other)?;
        ioctl_fionbio(&ours, true)?;
        let typed = Sender::from_owned_fd_unchecked(ours.try_clone()?)?;
        let shown = Receiver::from_owned_fd_unchecked(ours)?;
        Ok(Terminal { shown: Some(shown), typed, path: path.into() })
    }

    /// Passes on what is said to the command, until there is nothing more.
    pub(crate) async fn hear(&self, mut input: mpsc::Receiver<Input>, has_stdin: bool) {
        let mut is_open = has_stdin;
        while let Some(said) = input.recv().await {
            // Who closed its end hears nothing more, and keeps nobody waiting.
            let _ = match said {
                Input::Bytes(bytes) if is_open => self.write(&bytes).await,
                Input::End if is_open => {
                    is_open = false;
                    self.write(END_OF_TYPING).await
                }
                Input::Size(columns, rows) => self.resize(columns, rows),
                Input::Bytes(_) | Input::End => Ok(()),
            };
        }
        if is_open {
            // Who says nothing any more has said the end.
            let _ = self.write(END_OF_TYPING).await;
        }
    }

    async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.typed.writable().await?;
            match self.typed.try_write(bytes) {
                Err(error) if is_passing(&error) => {}
                written => bytes = &bytes[written?..],
            }
        }
        Ok(())
    }

    fn resize(&self, columns: u16, rows: u16) -> io::Result<()> {
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.typed, size)?)
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
