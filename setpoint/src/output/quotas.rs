//! The columns of quotas and LimitRanges, as kubectl's users know them.

use jiff::Timestamp;
use serde_json::Value;

use crate::output::age::age_of;
use crate::output::field::name;

/// A quota: what is used of what it bounds, limits apart.
pub(crate) fn quota(object: &Value, now: Timestamp) -> Vec<String> {
    vec![name(object).to_owned(), used(object, false), used(object, true), age_of(object, now)]
}

/// A LimitRange, which has no state.
pub(crate) fn limit_range(object: &Value, _now: Timestamp) -> Vec<String> {
    let created = object["metadata"]["creationTimestamp"].as_str().unwrap_or_default();
    vec![name(object).to_owned(), created.to_owned()]
}

fn used(object: &Value, limits: bool) -> String {
    let text = |amount: &Value| amount.as_str().unwrap_or("0").to_owned();
    let bounds = object["status"]["hard"].as_object().into_iter().flatten();
    let chosen = bounds.filter(|(name, _)| name.starts_with("limits.") == limits);
    let each = chosen.map(|(name, hard)| {
        format!("{name}: {}/{}", text(&object["status"]["used"][name]), text(hard))
    });
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_used_stands_before_what_there_is() {
        let object = json!({"metadata": {"name": "q"}, "status": {
            "hard": {"limits.cpu": "2", "pods": "4", "requests.memory": "1Gi"},
            "used": {"limits.cpu": "500m", "pods": "3"},
        }});
        assert_eq!(used(&object, false), "pods: 3/4, requests.memory: 0/1Gi");
        assert_eq!(used(&object, true), "limits.cpu: 500m/2");
    }
}
