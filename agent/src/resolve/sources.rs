//! ConfigMaps and Secrets of a pod, as bytes by key and as files.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use setpoint_actuators::{ActuatorError, FileToMount};
use setpoint_schemas::{
    EnvFromSource, EnvVarSource, KeyToPath, Namespace, PodSpec, Projection, Volume,
};

use crate::client::Api;

/// One that is missing may be applied any moment: Kubernetes looks again as often.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Kubernetes' `defaultMode`.
const MODE_DEFAULT: i32 = 0o644;
const MODE_MASK: i32 = 0o777;

/// A ConfigMap or a Secret of the pod's namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    ConfigMap(String),
    Secret(String),
}

/// The bytes of a source, by key.
type Data = BTreeMap<String, Vec<u8>>;

/// What was looked up; one that does not exist is not in it.
pub(super) struct Sources {
    found: BTreeMap<Source, Data>,
}

/// What one look at many pods has seen so far, absences too: pods that share a source ask for it once.
#[derive(Default)]
pub(crate) struct Seen(BTreeMap<(Namespace, Source), Option<Data>>);

/// A ConfigMap or Secret as the API answers it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Object {
    data: BTreeMap<String, String>,
    binary_data: BTreeMap<String, String>,
}

/// All that a spec names.
pub(super) fn named_in(spec: &PodSpec) -> BTreeSet<Source> {
    let mut named = mounted_in(spec);
    for container in spec.every_container() {
        named.extend(container.env_from.iter().filter_map(Source::of_env_from));
        let refs = container.env.iter().filter_map(|variable| variable.value_from.as_ref());
        named.extend(refs.filter_map(|from| Source::of_env(from).map(|(source, ..)| source)));
    }
    named
}

/// All that its volumes name.
pub(super) fn mounted_in(spec: &PodSpec) -> BTreeSet<Source> {
    spec.volumes.iter().flat_map(Source::of_volume).collect()
}

impl Source {
    fn of_volume(volume: &Volume) -> Vec<Self> {
        let map = volume.config_map.iter().map(|m| Source::ConfigMap(m.name.clone()));
        let secret = volume.secret.iter().map(|s| Source::Secret(s.secret_name.clone()));
        let projected = volume.projected.iter().flat_map(|projected| &projected.sources);
        map.chain(secret).chain(projected.filter_map(Source::of_projection)).collect()
    }

    fn of_projection(from: &Projection) -> Option<Self> {
        let map = from.config_map.as_ref().map(|m| Source::ConfigMap(m.name.clone()));
        map.or_else(|| from.secret.as_ref().map(|s| Source::Secret(s.name.clone())))
    }

    fn of_env_from(from: &EnvFromSource) -> Option<Self> {
        let map = from.config_map_ref.as_ref().map(|r| Source::ConfigMap(r.name.clone()));
        map.or_else(|| from.secret_ref.as_ref().map(|r| Source::Secret(r.name.clone())))
    }

    /// The source, the key and whether it may be absent.
    fn of_env(from: &EnvVarSource) -> Option<(Self, &str, bool)> {
        let is_optional = |optional: Option<bool>| optional.unwrap_or(false);
        if let Some(key) = &from.config_map_key_ref {
            let source = Source::ConfigMap(key.name.clone());
            return Some((source, &key.key, is_optional(key.optional)));
        }
        let key = from.secret_key_ref.as_ref()?;
        Some((Source::Secret(key.name.clone()), &key.key, is_optional(key.optional)))
    }

    fn path(&self, namespace: &Namespace) -> String {
        let (kind, name) = match self {
            Source::ConfigMap(name) => ("configmaps", name),
            Source::Secret(name) => ("secrets", name),
        };
        format!("/api/v1/namespaces/{namespace}/{kind}/{name}")
    }

    fn missing(&self) -> ActuatorError {
        let what = match self {
            Source::ConfigMap(name) => format!("configmap {name:?} not found"),
            Source::Secret(name) => format!("secret {name:?} not found"),
        };
        not_ready(what)
    }

    /// Its bytes as they are now; `None` when it does not exist.
    async fn look_up(
        &self,
        api: &Api,
        namespace: &Namespace,
    ) -> Result<Option<Data>, ActuatorError> {
        match api.get::<Object>(&self.path(namespace)).await {
            Ok(object) => self.decode(object).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(not_ready(format!("failed to look up {self:?}: {error}"))),
        }
    }

    fn decode(&self, object: Object) -> Result<Data, ActuatorError> {
        let text = |(key, value): (String, String)| Ok((key, value.into_bytes()));
        let coded = |(key, value): (String, String)| {
            let bytes = STANDARD.decode(value.as_bytes());
            let bytes = bytes.map_err(|_| not_ready(format!("key {key:?} is not base64")))?;
            Ok((key, bytes))
        };
        match self {
            Source::ConfigMap(_) => {
                let binary = object.binary_data.into_iter().map(coded);
                object.data.into_iter().map(text).chain(binary).collect()
            }
            Source::Secret(_) => object.data.into_iter().map(coded).collect(),
        }
    }
}

impl Sources {
    /// Looks them all up.
    pub(super) async fn load(
        api: &Api,
        namespace: &Namespace,
        wanted: BTreeSet<Source>,
        seen: &mut Seen,
    ) -> Result<Self, ActuatorError> {
        let mut found = BTreeMap::new();
        for source in wanted {
            let name = (namespace.clone(), source.clone());
            let data = match seen.0.get(&name) {
                Some(data) => data.clone(),
                None => seen.0.entry(name).or_insert(source.look_up(api, namespace).await?).clone(),
            };
            found.extend(data.map(|data| (source, data)));
        }
        Ok(Sources { found })
    }

    #[cfg(test)]
    pub(super) fn of(found: BTreeMap<Source, Data>) -> Self {
        Sources { found }
    }

    /// A source's bytes by key, where it is there.
    pub(super) fn raw(&self, source: &Source) -> Option<&BTreeMap<String, Vec<u8>>> {
        self.found.get(source)
    }

    /// Every key of an `envFrom`. Keys that are no names of variables are left out, as Kubernetes
    /// does.
    pub(super) fn whole(
        &self,
        from: &EnvFromSource,
    ) -> Result<Vec<(String, String)>, ActuatorError> {
        let Some(source) = Source::of_env_from(from) else { return Ok(Vec::new()) };
        let reference = from.config_map_ref.as_ref().or(from.secret_ref.as_ref());
        let is_optional = reference.and_then(|r| r.optional).unwrap_or(false);
        match self.found.get(&source) {
            Some(data) => {
                let named = data.iter().filter(|(key, _)| is_variable(key));
                Ok(named.map(|(key, bytes)| (key.clone(), text(bytes))).collect())
            }
            None if is_optional => Ok(Vec::new()),
            None => Err(source.missing()),
        }
    }

    /// One key as a value; `None` when it is optional and not there.
    pub(super) fn key(&self, from: &EnvVarSource) -> Result<Option<String>, ActuatorError> {
        let Some((source, key, is_optional)) = Source::of_env(from) else { return Ok(None) };
        match self.found.get(&source).map(|data| data.get(key)) {
            Some(Some(bytes)) => Ok(Some(text(bytes))),
            _ if is_optional => Ok(None),
            Some(None) => Err(not_ready(format!("couldn't find key {key} in {source:?}"))),
            None => Err(source.missing()),
        }
    }

    /// Its keys as files: those that are chosen, all when none is.
    pub(super) fn files(
        &self,
        source: &Source,
        items: &[KeyToPath],
        is_optional: bool,
        mode: Option<i32>,
    ) -> Result<Vec<FileToMount>, ActuatorError> {
        match self.found.get(source) {
            Some(data) if items.is_empty() => Ok(all_files(data, mode)),
            Some(data) => chosen_files(source, data, items, is_optional, mode),
            None if is_optional => Ok(Vec::new()),
            None => Err(source.missing()),
        }
    }
}

fn all_files(data: &BTreeMap<String, Vec<u8>>, mode: Option<i32>) -> Vec<FileToMount> {
    data.iter().map(|(key, bytes)| file(key, bytes, mode)).collect()
}

fn chosen_files(
    source: &Source,
    data: &BTreeMap<String, Vec<u8>>,
    items: &[KeyToPath],
    is_optional: bool,
    mode: Option<i32>,
) -> Result<Vec<FileToMount>, ActuatorError> {
    let mut files = Vec::new();
    for item in items {
        match data.get(&item.key) {
            Some(bytes) => files.push(file(&item.path, bytes, item.mode.or(mode))),
            None if is_optional => {}
            None => {
                return Err(not_ready(format!("couldn't find key {} in {source:?}", item.key)));
            }
        }
    }
    Ok(files)
}

/// A file with this mode, or Kubernetes' own.
pub(super) fn file(path: &str, bytes: &[u8], mode: Option<i32>) -> FileToMount {
    let mode = u32::try_from(mode.unwrap_or(MODE_DEFAULT) & MODE_MASK).unwrap_or(0o644);
    FileToMount { path: path.to_owned(), bytes: bytes.to_vec(), mode }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Kubernetes' rule for names of variables, the strict one.
fn is_variable(key: &str) -> bool {
    let mut bytes = key.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    starts && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

pub(super) fn not_ready(message: String) -> ActuatorError {
    ActuatorError::transient("CreateContainerConfigError", message).after(RETRY_AFTER)
}
