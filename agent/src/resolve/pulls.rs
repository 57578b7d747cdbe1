//! The logins in the Secrets that a pod's images are pulled with.
//!
//! A Secret that is not there or does not read keeps nothing from starting: the registry may ask for nobody,
//! as the kubelet has it. Guarantee: what does not read is told without what it holds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use setpoint_actuators::{Credentials, Login};
use setpoint_schemas::PodSpec;
use std::collections::BTreeMap;
use tracing::warn;

use super::sources::{Source, Sources};

/// The key of a Secret of type `kubernetes.io/dockerconfigjson`.
const CONFIG: &str = ".dockerconfigjson";
/// The key of one of type `kubernetes.io/dockercfg`.
const CONFIG_OLD: &str = ".dockercfg";

/// Docker's own file.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

/// What it says of one registry.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    username: String,
    password: String,
    /// `user:password` in base64.
    auth: String,
    #[serde(rename = "identitytoken")]
    identity_token: String,
}

/// The Secrets that a spec names for it.
pub(super) fn named_in(spec: &PodSpec) -> impl Iterator<Item = Source> {
    spec.image_pull_secrets.iter().map(|secret| Source::Secret(secret.name.clone()))
}

/// The logins in what was looked up, in the order of the Secrets.
pub(super) fn credentials(spec: &PodSpec, sources: &Sources) -> Credentials {
    let mut all = Credentials::default();
    for source in named_in(spec) {
        let entries = sources.raw(&source).and_then(entries);
        match entries {
            Some(entries) => {
                for (registry, entry) in entries {
                    if let Some(login) = entry.login() {
                        all.add(&registry, login);
                    }
                }
            }
            None => warn!(?source, "images are pulled without this: it is absent or does not read"),
        }
    }
    all
}

fn entries(data: &BTreeMap<String, Vec<u8>>) -> Option<BTreeMap<String, Entry>> {
    if let Some(bytes) = data.get(CONFIG) {
        return serde_json::from_slice::<Config>(bytes).ok().map(|config| config.auths);
    }
    serde_json::from_slice(data.get(CONFIG_OLD)?).ok()
}

impl Entry {
    /// What is written out wins over what is coded; nothing where there is neither.
    fn login(self) -> Option<Login> {
        let Entry { mut username, mut password, auth, identity_token } = self;
        if username.is_empty() && password.is_empty() {
            let coded = STANDARD.decode(auth.trim()).unwrap_or_default();
            let text = String::from_utf8(coded).unwrap_or_default();
            if let Some((user, secret)) = text.split_once(':') {
                // Some writers fill it up with zeros.
                (username, password) = (user.to_owned(), secret.trim_end_matches('\0').to_owned());
            }
        }
        let is_any = !username.is_empty() || !identity_token.is_empty();
        is_any.then_some(Login { username, password, identity_token })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn logins(key: &str, file: &Value, image: &str) -> Vec<(String, String)> {
        let data = BTreeMap::from([(key.to_owned(), file.to_string().into_bytes())]);
        let sources = Sources::of(BTreeMap::from([(Source::Secret("keys".into()), data)]));
        let spec =
            json!({"containers": [], "imagePullSecrets": [{"name": "no"}, {"name": "keys"}]});
        let spec: PodSpec = serde_json::from_value(spec).expect("a spec");
        let all = credentials(&spec, &sources);
        let of = |login: &Login| (login.username.clone(), login.password.clone());
        all.for_image(image).into_iter().map(of).collect()
    }

    #[test]
    fn both_forms_are_read_and_what_does_not_read_says_nothing() {
        let me = vec![("me".to_owned(), "s3:cret".to_owned())];
        let coded = json!({"a.b": {"auth": STANDARD.encode("me:s3:cret")}});
        let plain = json!({"a.b": {"username": "me", "password": "s3:cret", "email": "m@a.b"}});
        for entries in [&coded, &plain] {
            assert_eq!(logins(CONFIG, &json!({"auths": entries}), "a.b/c"), me);
            assert_eq!(logins(CONFIG_OLD, entries, "a.b/c"), me);
        }
        for broken in [json!({"auths": 1}), json!([]), json!({"auths": {"a.b": {"auth": "§"}}})] {
            assert_eq!(logins(CONFIG, &broken, "a.b/c"), [], "{broken}");
        }
        assert_eq!(logins("other", &json!({"auths": coded}), "a.b/c"), []);
    }
}
