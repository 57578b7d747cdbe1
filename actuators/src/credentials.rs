//! What a pod's images are pulled with: logins, each for some registries.
//!
//! Guarantee: nothing of a login is shown, by whatever prints it. Absent: where they come from; the agent
//! reads them from Secrets.
//! Source of the matching: the kubelet's keyring (`credentialprovider`): hosts by parts with `*`, ports
//! alike, paths by their beginning, the longest entry first.

use std::fmt;

/// Logins that are tried for one image: a registry locks out who tries many.
const TRIED_MAX: usize = 8;
/// Where images without a host are, in the words in which people write it.
const HUB: &str = "docker.io";
const HUB_NAMES: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// The logins of a pod.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials(Vec<(Place, Login)>);

/// Who pulls.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Login {
    /// The user; empty with a token.
    pub username: String,
    /// The password.
    pub password: String,
    /// A token of a registry, instead of a password.
    pub identity_token: String,
}

/// Which images a login is for.
#[derive(Clone, PartialEq, Eq)]
struct Place {
    host: String,
    port: String,
    /// The beginning of the path, without `/` at its ends.
    path: String,
}

impl Credentials {
    /// A login for a registry as people write it: `registry.example.com`, `*.example.com:5000/team`, or
    /// `https://index.docker.io/v1/`.
    pub fn add(&mut self, registry: &str, login: Login) {
        self.0.push((Place::of_entry(registry), login));
        // Stable: of entries as long as each other the first stays first.
        self.0.sort_by_key(|(place, _)| std::cmp::Reverse(place.length()));
    }

    /// The logins for an image, in the order in which they are to be tried.
    #[must_use]
    pub fn for_image(&self, image: &str) -> Vec<&Login> {
        let wanted = Place::of_image(image);
        let fitting = self.0.iter().filter(|(place, _)| place.covers(&wanted));
        let mut logins: Vec<&Login> = Vec::new();
        for (_, login) in fitting {
            if !logins.contains(&login) {
                logins.push(login);
            }
        }
        logins.truncate(TRIED_MAX);
        logins
    }
}

impl Login {
    /// A text in which nothing of this login is left.
    #[must_use]
    pub fn hidden_in(&self, text: &str) -> String {
        let secrets = [&self.password, &self.identity_token].into_iter();
        let secrets = secrets.filter(|secret| !secret.is_empty());
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "…"))
    }
}

impl Place {
    fn of_entry(registry: &str) -> Place {
        let scheme = ["https://", "http://"].iter().find_map(|s| registry.strip_prefix(s));
        let rest = scheme.unwrap_or(registry).trim_end_matches('/');
        let rest = ["/v1", "/v2"].iter().find_map(|end| rest.strip_suffix(end)).unwrap_or(rest);
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        Place::at(host, path)
    }

    /// A name's first part is a host when it looks like one.
    fn of_image(image: &str) -> Place {
        let name = image.split_once('@').map_or(image, |(name, _)| name);
        match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
                Place::at(host, path)
            }
            _ => Place::at(HUB, name),
        }
    }

    fn at(authority: &str, path: &str) -> Place {
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (authority, ""),
        };
        let host = if HUB_NAMES.contains(&host) { HUB } else { host };
        let path = path.trim_matches('/').to_owned();
        Place { host: host.to_owned(), port: port.to_owned(), path }
    }

    fn length(&self) -> usize {
        self.host.len() + self.port.len() + self.path.len()
    }

    fn covers(&self, image: &Place) -> bool {
        let parts: Vec<&str> = self.host.split('.').collect();
        let found: Vec<&str> = image.host.split('.').collect();
        let fits = |(pattern, part): (&&str, &&str)| matches(pattern, part);
        self.port == image.port
            && parts.len() == found.len()
            && parts.iter().zip(&found).all(fits)
            && image.path.starts_with(&self.path)
    }
}

/// Whether a part of a host fits a pattern, in which `*` stands for any letters.
fn matches(pattern: &str, part: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == part };
    let Some(mut left) = part.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

impl fmt::Debug for Credentials {
    /// How many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.0.len())
    }
}

impl fmt::Debug for Login {
    /// Nothing of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: &str) -> Login {
        let (username, password) = (user.to_owned(), format!("{user}'s s3cret"));
        Login { username, password, ..Login::default() }
    }

    #[test]
    fn the_longest_entry_that_fits_an_image_comes_first() {
        let mut all = Credentials::default();
        for (registry, user) in [
            ("registry.example.com", "host"),
            ("https://registry.example.com/team/", "team"),
            ("*.example.com", "any"),
            ("https://index.docker.io/v1/", "hub"),
            ("localhost:5000", "local"),
        ] {
            all.add(registry, of(user));
        }
        for (image, expected) in [
            ("registry.example.com/team/app:1", &["team", "host", "any"][..]),
            ("registry.example.com/other/app", &["host", "any"]),
            ("other.example.com/app@sha256:00", &["any"]),
            ("a.b.example.com/app", &[]),
            ("registry.example.com:5000/app", &[]),
            ("localhost:5000/app:1", &["local"]),
            ("nginx", &["hub"]),
            ("library/nginx:1", &["hub"]),
            ("docker.io/library/nginx", &["hub"]),
        ] {
            let found: Vec<&str> =
                all.for_image(image).into_iter().map(|login| login.username.as_str()).collect();
            assert_eq!(found, expected, "{image}");
        }
    }

    #[test]
    fn a_star_stands_for_letters_of_one_part() {
        for (pattern, part, fits) in [
            ("*", "abc", true),
            ("a*", "abc", true),
            ("a*c", "abc", true),
            ("*b*", "abc", true),
            ("a*b", "abc", false),
            ("b*", "abc", false),
            ("abc", "abc", true),
            ("abc", "abd", false),
        ] {
            assert_eq!(matches(pattern, part), fits, "{pattern} {part}");
        }
    }

    #[test]
    fn nothing_of_a_login_is_shown() {
        let mut all = Credentials::default();
        all.add("a.b", of("me"));
        let shown = format!("{all:?} {:?}", all.for_image("a.b/c"));
        assert!(!shown.contains("s3cret") && !shown.contains("me"), "{shown}");
        assert_eq!(of("me").hidden_in("bad: me's s3cret"), "bad: …");
    }
}
