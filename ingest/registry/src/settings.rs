//! How the registry is reached.

use std::fmt;
use std::time::Duration;

/// Where the registry is and who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its address, such as `https://registry:8081`; with a path where the API is not at the root.
    pub url: String,
    /// Name and password (HTTP Basic), if it wants any.
    pub credentials: Option<(String, String)>,
    /// Certificates to trust beside the system's, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// How long one call may take.
    pub timeout: Duration,
}

impl Settings {
    /// Without credentials; the system's certificates; calls of ten seconds at most.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let timeout = Duration::from_secs(10);
        Settings { url: url.to_owned(), credentials: None, ca_pem: None, timeout }
    }
}

/// Without the password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.credentials.as_ref().map(|(user, _)| user);
        let mut shown = f.debug_struct("Settings");
        shown.field("url", &self.url).field("user", &user).field("timeout", &self.timeout);
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_shown() {
        let mut settings = Settings::new("http://registry:8081");
        settings.credentials = Some(("ada".to_owned(), "hunter2".to_owned()));
        let shown = format!("{settings:?}");
        assert!(shown.contains("ada") && !shown.contains("hunter2"), "{shown}");
    }
}
