//! The quality of service of a pod, from what its containers ask for.
//!
//! Source: <https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/>.

use serde_json::Value;
use setpoint_schemas::Quantity;

/// What quality of service is about.
const COUNTED: [&str; 2] = ["cpu", "memory"];

/// The class of a pod with this spec.
pub(super) fn qos_class(spec: &Value) -> &'static str {
    let each = |list: &'static str| spec[list].as_array().into_iter().flatten();
    let mut containers = each("containers").chain(each("initContainers")).peekable();
    let is_known = containers.peek().is_some();
    let (mut asks_nothing, mut is_bounded) = (true, is_known);
    for container in containers {
        let resources = &container["resources"];
        let amount = |list: &str, name: &str| asked(&resources[list][name]);
        for name in COUNTED {
            let (request, limit) = (amount("requests", name), amount("limits", name));
            asks_nothing &= request.is_none() && limit.is_none();
            // What is not requested is requested as it is limited.
            is_bounded &= limit.is_some() && request.is_none_or(|request| Some(request) == limit);
        }
    }
    match (asks_nothing, is_bounded) {
        (true, _) => "BestEffort",
        (false, true) => "Guaranteed",
        (false, false) => "Burstable",
    }
}

/// An amount, in thousandths; none, and nothing, is not asked for.
fn asked(amount: &Value) -> Option<i64> {
    let number = amount.as_f64().map(|number| number.to_string());
    let text = amount.as_str().map(str::to_owned).or(number)?;
    let milli = Quantity::parse(&text).ok()?.milli();
    (milli > 0).then_some(milli)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_of_the_class_that_kubernetes_gives_it() {
        let both = |amount: &str| json!({"cpu": amount, "memory": amount});
        let whole = || json!({"requests": both("1"), "limits": both("1000m")});
        let table = [
            (json!([{}]), "BestEffort"),
            (json!([{"resources": {"requests": {"cpu": "0"}}}]), "BestEffort"),
            (json!([{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]), "BestEffort"),
            (json!([{"resources": {"requests": {"cpu": "1"}}}]), "Burstable"),
            (json!([{"resources": {"limits": both("1")}}]), "Guaranteed"),
            (json!([{"resources": {"limits": {"cpu": 1, "memory": 1}}}]), "Guaranteed"),
            (json!([{"resources": whole()}]), "Guaranteed"),
            (json!([{"resources": whole()}, {}]), "Burstable"),
            (json!([{"resources": {"requests": both("1"), "limits": both("2")}}]), "Burstable"),
            (json!([{"resources": {"limits": {"cpu": "1"}}}]), "Burstable"),
        ];
        for (containers, class) in table {
            let spec = json!({"containers": containers});
            assert_eq!(qos_class(&spec), class, "{containers}");
        }
        let mixed = json!({"containers": [{"resources": whole()}], "initContainers": [{}]});
        assert_eq!(qos_class(&mixed), "Burstable", "init containers count");
    }
}
