//! Where a value stands within its object, so that tables can say what holds there.

use serde_json::Value;

use crate::kinds;

/// Where a value stands: the kind, then fields by name, and `*` for an element of a list.
///
/// Of a kind that Kubernetes does not know there is no place, and no row of any table holds.
pub(super) struct Place(Option<String>);

/// Where amounts stand: maps whose every value is one, and single fields.
const AMOUNTS: &[&str] = &[
    "resources/limits/*",
    "resources/requests/*",
    "overhead/*",
    "capacity/*",
    "hard/*",
    "emptyDir/sizeLimit",
    "resourceFieldRef/divisor",
    "limits/*/max/*",
    "limits/*/min/*",
    "limits/*/default/*",
    "limits/*/defaultRequest/*",
    "limits/*/maxLimitRequestRatio/*",
];

impl Place {
    /// The place of a whole object.
    pub(super) fn of(object: &Value) -> Self {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let known = kinds::known(text("apiVersion"), text("kind"));
        Place(known.map(|kind| kind.kind.to_owned()))
    }

    pub(super) fn field(&self, name: &str) -> Self {
        Place(self.0.as_ref().map(|path| format!("{path}/{name}")))
    }

    pub(super) fn element(&self) -> Self {
        self.field("*")
    }

    /// Whether the place is, or ends as, the pattern says. Without a star at its end a pattern is by names.
    pub(super) fn is(&self, pattern: &str) -> bool {
        self.0.as_deref().is_some_and(|path| ends(path, pattern))
    }

    /// Whether an amount such as `100m` stands here.
    pub(super) fn is_amount(&self) -> bool {
        let Some(path) = self.0.as_deref() else { return false };
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        AMOUNTS.iter().any(|pattern| match pattern.strip_suffix("/*") {
            Some(map) => ends(above, map),
            None => ends(path, pattern),
        })
    }

    pub(super) fn is_known(&self) -> bool {
        self.0.is_some()
    }
}

fn ends(path: &str, pattern: &str) -> bool {
    path.strip_suffix(pattern).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}
