//! The files of a pod's volumes, from what was looked up and from the pod itself.

use std::collections::BTreeMap;

use setpoint_actuators::{ActuatorError, DesiredPod, FileToMount};
use setpoint_schemas::{DownwardSource, ObjectFiles, ProjectedSource, Volume};

use super::downward::{self, Node};
use super::sources::{Source, Sources, file};

/// The files of each volume that is made of files.
///
/// # Errors
/// When something that must be there is not.
pub(super) fn volumes(
    pod: &DesiredPod,
    sources: &Sources,
    node: &Node,
) -> Result<BTreeMap<String, Vec<FileToMount>>, ActuatorError> {
    let of_files = pod.spec.volumes.iter().filter(|volume| volume.has_files());
    let from = Told { pod, sources, node };
    of_files.map(|volume| Ok((volume.name.clone(), once(from.volume(volume)?)))).collect()
}

/// Of two files of one path the later one counts.
fn once(files: Vec<FileToMount>) -> Vec<FileToMount> {
    let named = |file: FileToMount| {
        let path = plain(&file.path);
        (path.clone(), FileToMount { path, ..file })
    };
    files.into_iter().map(named).collect::<BTreeMap<_, _>>().into_values().collect()
}

/// The same path in the one way in which it is written without detours; one that leaves its volume
/// stays as it is, and is refused where it is written.
fn plain(path: &str) -> String {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    let is_within = !path.starts_with('/');
    if is_within { parts.collect::<Vec<_>>().join("/") } else { path.to_owned() }
}

/// What files are made from.
struct Told<'a> {
    pod: &'a DesiredPod,
    sources: &'a Sources,
    node: &'a Node,
}

impl Told<'_> {
    fn volume(&self, volume: &Volume) -> Result<Vec<FileToMount>, ActuatorError> {
        if let Some(map) = &volume.config_map {
            let (source, optional) = (Source::ConfigMap(map.name.clone()), map.optional);
            return self.sources.files(&source, &map.items, is(optional), map.default_mode);
        }
        if let Some(secret) = &volume.secret {
            let source = Source::Secret(secret.secret_name.clone());
            let (optional, mode) = (is(secret.optional), secret.default_mode);
            return self.sources.files(&source, &secret.items, optional, mode);
        }
        if let Some(told) = &volume.downward_api {
            return self.told(told, told.default_mode);
        }
        volume.projected.as_ref().map_or(Ok(Vec::new()), |projected| self.projected(projected))
    }

    fn projected(&self, projected: &ProjectedSource) -> Result<Vec<FileToMount>, ActuatorError> {
        let mode = projected.default_mode;
        let mut files = Vec::new();
        for source in &projected.sources {
            let object = |source: Source, from: &ObjectFiles| {
                self.sources.files(&source, &from.items, is(from.optional), mode)
            };
            let found = match (&source.config_map, &source.secret, &source.downward_api) {
                (Some(map), ..) => object(Source::ConfigMap(map.name.clone()), map)?,
                (_, Some(secret), _) => object(Source::Secret(secret.name.clone()), secret)?,
                (.., Some(told)) => self.told(told, mode)?,
                (None, None, None) => Vec::new(),
            };
            files.extend(found);
        }
        Ok(files)
    }

    fn told(
        &self,
        from: &DownwardSource,
        mode: Option<i32>,
    ) -> Result<Vec<FileToMount>, ActuatorError> {
        let (pod, node) = (self.pod, self.node);
        let one = |item: &setpoint_schemas::DownwardFile| {
            let text = match (&item.field_ref, &item.resource_field_ref) {
                (Some(from), _) => downward::field(pod, node, from)?,
                (None, Some(from)) => downward::resource(&pod.spec, node, "", from)?,
                (None, None) => String::new(),
            };
            Ok(file(&item.path, text.as_bytes(), item.mode.or(mode)))
        };
        from.items.iter().map(one).collect()
    }
}

fn is(optional: Option<bool>) -> bool {
    optional.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_files_of_one_path_the_later_one_counts() {
        let of = |path: &str, text: &str| file(path, text.as_bytes(), None);
        let files = once(vec![of("x", "1"), of("a//b", "1"), of("./x", "2"), of("a/b", "2")]);
        let told: Vec<(&str, &[u8])> = files.iter().map(|f| (&*f.path, &*f.bytes)).collect();
        assert_eq!(told, [("a/b", &b"2"[..]), ("x", &b"2"[..])]);
        for path in ["../x", "a/../x", "/etc/x"] {
            assert_eq!(plain(path), path, "it is refused as it is");
        }
    }
}
