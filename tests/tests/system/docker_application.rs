//! A real application for the test engines: the Sock Shop of the microservices demo, as its authors
//! published it, with the one change that a machine without a registry needs.
//!
//! The override is the test's own, the product has none: each container's image becomes the local
//! test image, and its command one that lasts, because the authors' programs are in their images; so
//! nobody answers their probes either, and what is asked is whether the stand-in runs. Names, namespaces, labels, environment, ports, resources, node selectors and volumes stay.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use setpoint_actuator_docker::testing::TEST_IMAGE;

const MANIFEST: &str = "k8s/manifests/microservices-demo__deploy__kubernetes__complete-demo.yaml";
/// Ends at once when it is asked to.
const LASTING: &str = "trap 'exit 0' TERM; sleep 1000000 & wait";
/// Asked in a stand-in; the authors' programs take minutes until they can be asked.
const LIVES: &str = "kill -0 1";

/// The application with its images replaced, as a file in this folder; `None`, and says why, when
/// the test data is not on this machine.
///
/// # Panics
/// When it is absent and real parts are required.
pub(crate) fn write(folder: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(setpoint_test_support::data(MANIFEST)?).expect("it reads");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("the manifest parses");
    let mut items: Vec<Value> = documents.into_iter().filter(Value::is_object).collect();
    items.iter_mut().for_each(override_images);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let file = folder.join("sock-shop.json");
    fs::write(&file, list.to_string()).expect("it is written");
    Some(file)
}

fn override_images(object: &mut Value) {
    let containers = object.pointer_mut("/spec/template/spec/containers");
    for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
        container["image"] = json!(TEST_IMAGE);
        container["command"] = json!(["sh", "-c", LASTING]);
        container.as_object_mut().expect("a container").remove("args");
        for name in ["livenessProbe", "readinessProbe"] {
            if let Some(probe) = container.get_mut(name) {
                *probe = json!({"exec": {"command": ["sh", "-c", LIVES]}, "periodSeconds": 3});
            }
        }
    }
}
