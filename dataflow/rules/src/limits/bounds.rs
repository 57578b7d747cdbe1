//! Whether containers, pods and claims keep within a LimitRange, and what is said when they do not.

use std::collections::BTreeMap;

use setpoint_schemas::{Container, PodSpec, Quantity};

use super::amounts::{Amount, Use};
use super::{Amounts, Limit};

/// Amounts by name.
type Shown = BTreeMap<String, Amount>;

/// What is wrong with a pod's containers: those that run on, then those before them.
pub(super) fn of_containers(limit: &Limit, spec: &PodSpec) -> Vec<String> {
    let all = spec.containers.iter().chain(&spec.init_containers);
    all.flat_map(|container| whys(limit, &Use::of(container))).collect()
}

/// What is wrong with all of them together.
pub(super) fn of_pod(limit: &Limit, spec: &PodSpec) -> Vec<String> {
    whys(limit, &Use::of_pod(spec))
}

/// What is wrong with a claim: it has no limits.
pub(super) fn of_claim(limit: &Limit, requests: &Amounts) -> Vec<String> {
    let asked = Use::asked(requests);
    let min = limit.min.iter().filter_map(|(name, least)| below(limit, name, least, &asked));
    let max = limit.max.iter().filter_map(|(name, most)| {
        let (begin, most) = begin("maximum", limit, name, most);
        let why = match asked.requests.get(name) {
            None => ".  No request is specified".to_owned(),
            Some(asked) if asked.milli > most => format!(", but request is {}", asked.text),
            Some(_) => return None,
        };
        Some(begin + &why)
    });
    min.chain(max).collect()
}

fn whys(limit: &Limit, used: &Use) -> Vec<String> {
    let min = limit.min.iter().filter_map(|(name, least)| below(limit, name, least, used));
    let max = limit.max.iter().filter_map(|(name, most)| above(limit, name, most, used));
    let ratios = limit.max_limit_request_ratio.iter();
    let apart = ratios.filter_map(|(name, ratio)| too_far(limit, name, ratio, used));
    min.chain(max).chain(apart).collect()
}

fn begin(which: &str, limit: &Limit, name: &str, bound: &Quantity) -> (String, i128) {
    let bound = Amount::of(bound);
    (format!("{which} {name} usage per {} is {}", limit.of, bound.text), bound.milli)
}

fn below(limit: &Limit, name: &str, least: &Quantity, used: &Use) -> Option<String> {
    let (begin, least) = begin("minimum", limit, name, least);
    let Some(request) = used.requests.get(name) else {
        return Some(format!("{begin}.  No request is specified"));
    };
    if request.milli < least {
        return Some(format!("{begin}, but request is {}", request.text));
    }
    let allowed = used.limits.get(name).filter(|allowed| allowed.milli < least)?;
    Some(format!("{begin}, but limit is {}", allowed.text))
}

fn above(limit: &Limit, name: &str, most: &Quantity, used: &Use) -> Option<String> {
    let (begin, most) = begin("maximum", limit, name, most);
    let Some(allowed) = used.limits.get(name) else {
        return Some(format!("{begin}.  No limit is specified"));
    };
    if allowed.milli > most {
        return Some(format!("{begin}, but limit is {}", allowed.text));
    }
    let request = used.requests.get(name).filter(|request| request.milli > most)?;
    Some(format!("{begin}, but request is {}", request.text))
}

fn too_far(limit: &Limit, name: &str, most: &Quantity, used: &Use) -> Option<String> {
    let most = Amount::of(most);
    let begin =
        format!("{name} max limit to request ratio per {} is {}, but ", limit.of, most.text);
    let some = |amounts: &Shown| amounts.get(name).map(|a| a.milli).filter(|milli| *milli != 0);
    let Some(request) = some(&used.requests) else {
        return Some(begin + "no request is specified or request is 0");
    };
    let Some(allowed) = some(&used.limits) else {
        return Some(begin + "no limit is specified or limit is 0");
    };
    // Without division nothing is rounded away.
    let is_too_far = allowed.saturating_mul(1_000) > request.saturating_mul(most.milli);
    let ratio = allowed as f64 / request as f64;
    is_too_far.then(|| format!("{begin}provided ratio is {ratio:.6}"))
}

/// The first container that asks for more than it may use, in the words of Kubernetes' validation.
pub(super) fn contradicted(spec: &PodSpec) -> Option<String> {
    let first = |list: &str, containers: &[Container]| {
        let all = containers.iter().enumerate();
        all.filter_map(|(index, container)| contradiction(list, index, container)).next()
    };
    let of_init = || first("initContainers", &spec.init_containers);
    first("containers", &spec.containers).or_else(of_init)
}

fn contradiction(list: &str, index: usize, container: &Container) -> Option<String> {
    let Use { requests, limits } = Use::of(container);
    let (name, request, allowed) = requests.iter().find_map(|(name, request)| {
        let allowed = limits.get(name).filter(|allowed| request.milli > allowed.milli)?;
        Some((name, request, allowed))
    })?;
    Some(format!(
        "spec.{list}[{index}].resources.requests: Invalid value: \"{}\": must be less than or \
         equal to {name} limit of {}",
        request.text, allowed.text
    ))
}
