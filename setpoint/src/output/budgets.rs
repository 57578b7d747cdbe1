//! The columns of disruption budgets, as kubectl's users know them; what they count with `-o wide`.

use jiff::Timestamp;
use serde_json::Value;

use crate::output::age::age_of;
use crate::output::field::{name, number};

/// What stands for a bound that a budget does not have, as kubectl writes it.
const UNBOUND: &str = "N/A";

/// A budget: its bounds, and how many pods may go now.
pub(crate) fn budget(object: &Value, now: Timestamp) -> Vec<String> {
    vec![
        name(object).to_owned(),
        bound(object, "minAvailable"),
        bound(object, "maxUnavailable"),
        number(object, "/status/disruptionsAllowed").to_string(),
        age_of(object, now),
    ]
}

/// How many pods it covers, how many of them are healthy, and how many must be.
pub(crate) fn budget_wide(object: &Value, _: Timestamp) -> Vec<String> {
    let count = |field: &str| number(object, &format!("/status/{field}")).to_string();
    ["expectedPods", "currentHealthy", "desiredHealthy"].map(count).to_vec()
}

/// A number, or a share such as `50%`.
fn bound(object: &Value, field: &str) -> String {
    match &object["spec"][field] {
        Value::String(share) => share.clone(),
        Value::Number(number) => number.to_string(),
        _ => UNBOUND.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_budget_shows_how_many_pods_may_go() {
        let object = json!({"metadata": {"name": "web"}, "spec": {"minAvailable": "50%"},
            "status": {"disruptionsAllowed": 2, "expectedPods": 4, "currentHealthy": 4,
                "desiredHealthy": 2}});
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(budget(&object, now)[..4], ["web", "50%", "N/A", "2"]);
        assert_eq!(budget_wide(&object, now), ["4", "4", "2"]);
    }
}
