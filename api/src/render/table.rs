//! `meta.k8s.io/v1` Tables: what `kubectl get` prints.

use serde_json::{Value, json};

use super::columns::{Column, columns_of};

/// The objects of one kind as a table, each row with the object's metadata.
pub(crate) fn table(
    group: &str,
    kind: &str,
    objects: &[Value],
    list: &Value,
    now_ms: i64,
) -> Value {
    let columns = columns_of(group, kind);
    let rows: Vec<Value> = objects.iter().map(|object| row(columns, object, now_ms)).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": list,
        "columnDefinitions": columns.iter().map(definition).collect::<Vec<_>>(),
        "rows": rows,
    })
}

fn definition(column: &Column) -> Value {
    let format = if column.name == "Name" { "name" } else { "" };
    json!({
        "name": column.name, "type": column.kind, "format": format, "description": "",
        "priority": column.priority,
    })
}

fn row(columns: &[Column], object: &Value, now_ms: i64) -> Value {
    json!({
        "cells": columns.iter().map(|column| (column.cell)(object, now_ms)).collect::<Vec<_>>(),
        "object": {
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": object["metadata"],
        },
    })
}
