//! Putting the settings together.

use std::path::Path;

use figment::error::Kind;
use figment::providers::{Format, Serialized, Toml, Yaml};
use figment::value::{Dict, Map, Value};
use figment::{Error, Figment, Metadata, Profile, Provider};

use crate::check::check;
use crate::coerce::{coerce, list};
use crate::source::PREFIX;
use crate::unknown::unknown;
use crate::{Problem, Settings, SettingsError, Sources, Token, Unknown};

/// Keys that the environment knows without a section.
const TOP_KEYS: [&str; 2] = ["fleet", "data_dir"];
/// The key of the API's tokens, which a variable writes as lines of `role:name:token`.
const TOKENS: &str = "api.tokens";
/// The key of Kafka's properties, which a variable names with `_` for each `.`.
const KAFKA: &str = "log.kafka";
/// What the origin of a flag's value begins with.
const FLAG: &str = "flag";
/// What follows a variable's name when it holds the path of a file with the value.
const FILE_SUFFIX: &str = "_FILE";

/// Settings, and where each came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Variables that look like settings and are none.
    pub unknown: Vec<Unknown>,
    figment: Figment,
}

impl Loaded {
    /// Where the value of a key such as `api.address` came from, in words.
    #[must_use]
    pub fn origin(&self, key: &str) -> String {
        self.figment.find_metadata(key).map_or("defaults".to_owned(), |m| m.name.to_string())
    }
}

/// Puts the settings together and checks them.
///
/// # Errors
/// [`SettingsError`] that names the key and where its value came from.
pub fn load(sources: &Sources) -> Result<Loaded, SettingsError> {
    let shape = Value::serialize(Settings::default()).expect("settings are plain data");
    let mut figment = Figment::from(Serialized::defaults(Settings::default()));
    if let Some(path) = &sources.file {
        figment = figment.merge(read(path)?);
    }
    for layer in environment(&shape, &sources.environment)? {
        figment = figment.merge(layer);
    }
    for flag in &sources.flags {
        let origin = format!("{FLAG} {}", flag.flag);
        figment = figment.merge(layer(&shape, &flag.key, &flag.value, origin)?);
    }
    let settings: Settings = figment.extract().map_err(invalid)?;
    let loaded = Loaded { settings, unknown: unknown(&shape, &sources.environment), figment };
    let problem = |(key, why): (&str, String)| Problem {
        key: key.to_owned(),
        origin: loaded.origin(key),
        why,
    };
    let mut problems: Vec<Problem> = check(&loaded.settings).into_iter().map(problem).collect();
    // A flag that sets two keys is wrong once.
    problems.dedup_by(|later, first| {
        (&later.origin, &later.why) == (&first.origin, &first.why) && first.origin.starts_with(FLAG)
    });
    if problems.is_empty() { Ok(loaded) } else { Err(SettingsError::Invalid(problems)) }
}

/// Part of the settings, from one origin.
struct Layer {
    origin: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

fn read(path: &Path) -> Result<Layer, SettingsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
    let origin = format!("file {}", path.display());
    let values = match path.extension().and_then(|end| end.to_str()) {
        Some("toml") => Toml::from_str::<Dict>(&text).map_err(|error| error.to_string()),
        Some("yaml" | "yml") if text.trim().is_empty() => Ok(Dict::new()),
        Some("yaml" | "yml") => Yaml::from_str::<Dict>(&text).map_err(|error| error.to_string()),
        _ => {
            return Err(SettingsError::Format { path: path.to_owned() });
        }
    };
    match values {
        Ok(values) => Ok(Layer { origin, values }),
        Err(why) => Err(problem("", origin, why)),
    }
}

/// The layers of the environment, by variable name so that their order does not matter. A
/// variable without `__` is a setting only when it is one of [`TOP_KEYS`]: of others the caller is
/// told ([`Loaded::unknown`]).
fn environment(shape: &Value, variables: &[(String, String)]) -> Result<Vec<Layer>, SettingsError> {
    let mut ours: Vec<(&str, &str, &str)> = variables
        .iter()
        .filter_map(|(name, value)| {
            Some((name.strip_prefix(PREFIX)?, name.as_str(), value.as_str()))
        })
        .filter(|(short, ..)| short.contains("__") || is_top(short))
        .collect();
    ours.sort_unstable();
    ours.iter().map(|(short, name, value)| variable(shape, short, name, value, &ours)).collect()
}

fn is_top(short: &str) -> bool {
    TOP_KEYS.contains(&short.to_ascii_lowercase().as_str())
}

fn variable(
    shape: &Value,
    short: &str,
    name: &str,
    value: &str,
    ours: &[(&str, &str, &str)],
) -> Result<Layer, SettingsError> {
    let origin = format!("environment variable {name}");
    let Some(plain) = short.strip_suffix(FILE_SUFFIX).filter(|_| !is_known(shape, short)) else {
        return layer(shape, &key_of(short), value, origin);
    };
    let key = key_of(plain);
    if ours.iter().any(|(other, ..)| *other == plain) {
        let why = format!("{PREFIX}{plain} is set too; keep one of them");
        return Err(problem(&key, origin, why));
    }
    let text = std::fs::read_to_string(value).map_err(|error| {
        problem(&key, origin.clone(), format!("failed to read {value}: {error}"))
    })?;
    layer(shape, &key, text.trim_end(), format!("{origin} (file {value})"))
}

fn is_known(shape: &Value, short: &str) -> bool {
    shape.find_ref(&key_of(short)).is_some()
}

/// `LOG__KAFKA__BOOTSTRAP_SERVERS` is `log.kafka.bootstrap.servers`, `API__TLS_CERT` is
/// `api.tls_cert`.
fn key_of(short: &str) -> String {
    let key = short.to_ascii_lowercase().replace("__", ".");
    match key.strip_prefix(KAFKA).and_then(|rest| rest.strip_prefix('.')) {
        Some(property) => format!("{KAFKA}.{}", property.replace('_', ".")),
        None => key,
    }
}

fn layer(shape: &Value, key: &str, text: &str, origin: String) -> Result<Layer, SettingsError> {
    let value = match key {
        TOKENS => tokens(text),
        _ => coerce(shape.find_ref(key), text),
    };
    let value = value.map_err(|why| problem(key, origin.clone(), why))?;
    Ok(Layer { origin, values: nest(key, value) })
}

fn tokens(text: &str) -> Result<Value, String> {
    let token = |line: &str| {
        let token = Token::parse(line)?;
        let role = line.trim().split(':').next().unwrap_or_default().to_owned();
        let secret = token.token.reveal().to_owned();
        let fields = [("role", role), ("name", token.name), ("token", secret)];
        Ok(Value::from(
            fields.map(|(k, v)| (k.to_owned(), Value::from(v))).into_iter().collect::<Dict>(),
        ))
    };
    list(text).map(token).collect::<Result<Vec<Value>, String>>().map(Value::from)
}

/// `a.b.c` as nested tables; what lies under Kafka's properties is one name with dots.
fn nest(key: &str, value: Value) -> Dict {
    let mut parts: Vec<&str> = match key.strip_prefix(KAFKA).and_then(|k| k.strip_prefix('.')) {
        Some(property) => KAFKA.split('.').chain([property]).collect(),
        None => key.split('.').collect(),
    };
    let last = parts.pop().unwrap_or_default();
    let innermost = Dict::from([(last.to_owned(), value)]);
    parts
        .into_iter()
        .rev()
        .fold(innermost, |inner, part| Dict::from([(part.to_owned(), Value::from(inner))]))
}

fn problem(key: &str, origin: String, why: String) -> SettingsError {
    SettingsError::Invalid(vec![Problem { key: key.to_owned(), origin, why }])
}

fn invalid(error: Error) -> SettingsError {
    let problem = |error: Error| Problem {
        key: error.path.join("."),
        origin: error.metadata.as_ref().map_or("defaults".to_owned(), |m| m.name.to_string()),
        why: why(&error.kind),
    };
    SettingsError::Invalid(error.into_iter().map(problem).collect())
}

fn why(kind: &Kind) -> String {
    match kind {
        Kind::UnknownField(found, known) => {
            format!("no setting is called {found:?}; here are {}", known.join(", "))
        }
        Kind::UnknownVariant(found, known) => {
            format!("{found:?} is none of {}", known.join(", "))
        }
        kind => kind.to_string(),
    }
}
