//! An EndpointSlice, with one field more than Kubernetes': `ferry`, where the endpoint's node takes
//! connections of other nodes to it.

use serde_json::{Map, Value, json};
use setpoint_schemas::PodUid;

use super::rfc3339;
use crate::model::{Endpoint, Slice};

/// The EndpointSlice object.
pub(crate) fn render(slice: &Slice) -> Value {
    let port = |port: &crate::model::SlicePort| json!({"name": port.name, "protocol": port.protocol, "port": port.port});
    let ports: Vec<Value> = slice.ports.iter().map(port).collect();
    let endpoints = slice.endpoints.iter();
    let endpoints: Vec<Value> = endpoints.map(|(uid, one)| endpoint(slice, uid, one)).collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": slice.name,
            "namespace": slice.namespace,
            "resourceVersion": slice.version.to_string(),
            "creationTimestamp": rfc3339(slice.created_ms),
            "labels": slice.labels(),
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Service", "name": slice.service,
                "uid": slice.service_uid, "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": endpoints,
    })
}

fn endpoint(slice: &Slice, uid: &PodUid, endpoint: &Endpoint) -> Value {
    let mut fields = Map::new();
    fields.insert("addresses".to_owned(), json!([endpoint.address]));
    let conditions = json!({
        "ready": endpoint.ready, "serving": endpoint.serving, "terminating": endpoint.terminating,
    });
    fields.insert("conditions".to_owned(), conditions);
    fields.insert("nodeName".to_owned(), json!(endpoint.node));
    if let Some(hostname) = &endpoint.hostname {
        fields.insert("hostname".to_owned(), json!(hostname));
    }
    if let Some(ferry) = &endpoint.ferry {
        fields.insert("ferry".to_owned(), json!(ferry));
    }
    let target = json!({
        "kind": "Pod", "namespace": slice.namespace, "name": endpoint.pod, "uid": uid,
    });
    fields.insert("targetRef".to_owned(), target);
    Value::Object(fields)
}
