//! What Argo CD says of its own cases, file by file: the same word here.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use serde_saphyr::options::DuplicateKeyPolicy;
use setpoint_api::{HealthState, health};
use setpoint_test_support::data;

/// Kinds that Setpoint keeps and does not act upon: nobody writes their status, so it says of none of
/// them how it is, whatever a status that came from elsewhere says.
const KEPT: [(&str, usize, &str); 3] = [
    ("APIService", 2, "Setpoint has no aggregated servers"),
    ("HorizontalPodAutoscaler", 5, "no workload of ours is scaled by measures"),
    ("Ingress", 1, "connections from outside come by Services"),
];
/// Cases of kinds that are acted upon.
const JUDGED: usize = 18;

#[test]
fn every_status_of_a_managed_kind_has_the_health_that_argo_cd_sees() {
    let Some(folder) = data("k8s/argocd-health") else { return };
    let expected = fs::read_to_string(folder.join("EXPECTED.csv")).unwrap();
    let mut judged = 0;
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    for (file, word) in expected.lines().skip(1).filter_map(|line| line.trim().split_once(',')) {
        let object = fs::read_to_string(folder.join(file)).unwrap();
        // One of the cases says a key twice.
        let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
        let object: Value = serde_saphyr::from_str_with_options(&object, options).unwrap();
        let kind = object["kind"].as_str().unwrap();
        let seen = health(kind, Some(&object));
        if KEPT.iter().any(|(known, ..)| *known == kind) {
            assert_eq!(seen.state, HealthState::Unknown, "{file}");
            *kept.entry(kind.to_owned()).or_default() += 1;
            continue;
        }
        assert_eq!(seen.state.word(), word, "{file}: {}", seen.message);
        judged += 1;
    }
    assert_eq!(judged, JUDGED);
    let counted = KEPT.map(|(kind, cases, _)| (kind.to_owned(), cases));
    assert_eq!(kept, BTreeMap::from(counted));
}
