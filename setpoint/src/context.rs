//! What every client verb is given: settings, the API, and where the answer goes.

use std::io::{self, Write};

use setpoint_settings::Settings;

use crate::client::Client;
use crate::failure::Failure;

/// What a client verb works with.
pub(crate) struct Context {
    /// The settings.
    pub(crate) settings: Settings,
    /// The API.
    pub(crate) client: Client,
    /// Where the answer goes.
    pub(crate) out: Printer,
}

impl Context {
    /// A context that answers on standard output.
    pub(crate) fn new(settings: Settings) -> Result<Self, Failure> {
        let client = Client::new(&settings.client)?;
        Ok(Context { settings, client, out: Printer(Box::new(io::stdout())) })
    }

    /// The namespace that is meant when the user names none.
    pub(crate) fn namespace(&self, named: Option<&str>) -> String {
        named.unwrap_or(&self.settings.client.namespace).to_owned()
    }
}

/// Where an answer goes, line by line.
pub(crate) struct Printer(pub(crate) Box<dyn Write + Send>);

impl Printer {
    /// Writes a text and ends its line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.0, "{}", text.as_ref().trim_end_matches('\n'))?;
        self.0.flush()
    }

    /// Writes a text as it is.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes())?;
        self.0.flush()
    }
}

/// Tells the user something beside the answer, on stderr.
pub(crate) fn note(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

/// Warns the user, on stderr.
pub(crate) fn warn(text: impl AsRef<str>) {
    eprintln!("warning: {}", text.as_ref());
}
