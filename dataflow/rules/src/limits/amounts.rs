//! What containers ask for and may use, alone and together, and how amounts are shown.

use std::collections::BTreeMap;

use setpoint_schemas::{Container, PodSpec, Quantity};

use super::Amounts;
use crate::quota::{Measure, Milli};

/// A thousand thousandths.
const ONE: Milli = 1_000;
/// What a whole decimal amount is shown with, by powers of a thousand.
const DECIMAL: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
/// What a whole amount of bytes is shown with, by powers of 1024.
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// An amount that is compared, and as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) milli: Milli,
    pub(super) text: String,
}

/// What is asked for, and the most that may be used.
#[derive(Debug, Default)]
pub(super) struct Use {
    pub(super) requests: BTreeMap<String, Amount>,
    pub(super) limits: BTreeMap<String, Amount>,
}

impl Amount {
    pub(super) fn of(quantity: &Quantity) -> Amount {
        Amount { milli: Milli::from(quantity.milli()), text: canonical(quantity) }
    }
}

impl Use {
    /// Of one container; a limit stands in for an absent request.
    pub(super) fn of(container: &Container) -> Use {
        Use { requests: shown(&requests_of(container)), limits: shown(&limits_of(container)) }
    }

    /// Of a pod at its hungriest.
    pub(super) fn of_pod(spec: &PodSpec) -> Use {
        Use { requests: together(spec, requests_of), limits: together(spec, limits_of) }
    }

    /// Of these requests alone.
    pub(super) fn asked(requests: &Amounts) -> Use {
        Use { requests: shown(requests), limits: BTreeMap::new() }
    }
}

fn requests_of(container: &Container) -> Amounts {
    let mut requests = container.resources.limits.clone();
    requests.extend(container.resources.requests.clone());
    requests
}

fn limits_of(container: &Container) -> Amounts {
    container.resources.limits.clone()
}

fn shown(amounts: &Amounts) -> BTreeMap<String, Amount> {
    amounts.iter().map(|(name, amount)| (name.clone(), Amount::of(amount))).collect()
}

/// Sidecars run beside what follows them, each other init container alone, and the containers together.
fn together(spec: &PodSpec, of: fn(&Container) -> Amounts) -> BTreeMap<String, Amount> {
    type Sums = BTreeMap<String, Milli>;
    let add = |sums: &mut Sums, container: &Container| {
        for (name, amount) in of(container) {
            *sums.entry(name).or_default() += Milli::from(amount.milli());
        }
    };
    let (mut sidecars, mut begin) = (Sums::new(), Sums::new());
    for container in &spec.init_containers {
        let mut now = sidecars.clone();
        add(&mut now, container);
        for (name, amount) in &now {
            let most = begin.entry(name.clone()).or_default();
            *most = (*most).max(*amount);
        }
        if container.is_sidecar() {
            sidecars = now;
        }
    }
    let mut sums = sidecars;
    spec.containers.iter().for_each(|container| add(&mut sums, container));
    for (name, amount) in begin {
        let most = sums.entry(name).or_default();
        *most = (*most).max(amount);
    }
    let shown = |(name, milli): (String, Milli)| {
        let text = Measure::Requests(name.clone()).shown(milli);
        (name, Amount { milli, text })
    };
    sums.into_iter().map(shown).collect()
}

/// A quantity as Kubernetes writes it: whole, with the largest suffix.
fn canonical(quantity: &Quantity) -> String {
    let milli = Milli::from(quantity.milli());
    let is_whole = milli % ONE == 0;
    let is_binary = quantity.as_str().ends_with('i') && is_whole && milli.abs() >= 1_024 * ONE;
    let (base, suffixes) = if is_binary { (1_024, BINARY) } else { (1_000, DECIMAL) };
    if !is_whole {
        return format!("{milli}m");
    }
    let (mut whole, mut power) = (milli / ONE, 0);
    while whole != 0 && whole % base == 0 && power + 1 < suffixes.len() {
        (whole, power) = (whole / base, power + 1);
    }
    format!("{whole}{}", suffixes[power])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_shown_as_kubernetes_writes_them() {
        let table = [
            ("1.5", "1500m"),
            ("1000m", "1"),
            ("0", "0"),
            ("2000", "2k"),
            ("1024Mi", "1Gi"),
            ("1536Mi", "1536Mi"),
            ("0.5Gi", "512Mi"),
            ("500M", "500M"),
            ("1Ki", "1Ki"),
            ("64", "64"),
        ];
        for (written, expected) in table {
            let quantity = Quantity::parse(written).expect(written);
            assert_eq!(canonical(&quantity), expected, "{written}");
        }
    }
}
