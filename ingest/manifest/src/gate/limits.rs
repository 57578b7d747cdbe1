//! LimitRanges: of what they are, and that what they say of the same fits together.
//!
//! Source: `SetDefaults_LimitRangeItem` and `ValidateLimitRange` of Kubernetes. Its types with a domain, of
//! which nothing is made here, are refused: they would limit nothing.

use std::collections::BTreeSet;

use setpoint_schemas::Quantity;

use super::cursor::{Checker, Cursor};
use super::resources;

/// What is limited.
const TYPES: &[&str] = &["Container", "Pod", "PersistentVolumeClaim"];
/// What one limit says, by resource.
const SAID: &[&str] = &["min", "max", "default", "defaultRequest", "maxLimitRequestRatio"];
/// A thousand thousandths.
const ONE: i64 = 1_000;

/// A LimitRange's spec.
pub(crate) fn check(checker: &mut Checker, spec: &Cursor<'_>) {
    let limits = spec.field("limits");
    let mut types = BTreeSet::new();
    if limits.items().is_empty() {
        checker.refuse(&limits, "is required: without limits nothing is limited");
    }
    for limit in limits.items() {
        let of = limit.field("type");
        if !checker.required(&of) {
            continue;
        }
        checker.one_of(&of, TYPES);
        if !types.insert(of.text()) {
            checker.refuse(&of, format!("{} is there twice", of.text()));
        }
        check_limit(checker, &limit, of.text());
    }
}

fn check_limit(checker: &mut Checker, limit: &Cursor<'_>, of: &str) {
    let mut names = BTreeSet::new();
    for (name, amount) in SAID.iter().flat_map(|said| limit.field(said).entries()) {
        names.insert(name);
        check_name(checker, of, name, &amount);
        if let Some(quantity) = resources::quantity(&amount).filter(Quantity::is_negative) {
            checker.refuse(&amount, format!("is {quantity} and must not be negative"));
        }
    }
    for said in ["default", "defaultRequest"].map(|said| limit.field(said)) {
        if of == "Pod" && !said.entries().is_empty() {
            checker.refuse(&said, "may not be specified when `type` is 'Pod'");
        }
    }
    let bounds_storage = ["min", "max"].map(|said| limit.field(said).get("storage").is_some());
    if of == "PersistentVolumeClaim" && bounds_storage == [false, false] {
        let why = "either minimum or maximum storage value is required, but neither was provided";
        checker.refuse(limit, why);
    }
    names.into_iter().for_each(|name| Said::of(limit, of, name).check(checker, limit, name));
}

fn check_name(checker: &mut Checker, of: &str, name: &str, at: &Cursor<'_>) {
    match of {
        "PersistentVolumeClaim" if name != "storage" => {
            checker.refuse(at, "a claim asks for storage alone");
        }
        "PersistentVolumeClaim" => {}
        _ => resources::check_name(checker, name, at),
    }
}

/// What is said of one resource, with what follows from it.
struct Said<'v> {
    min: Option<Amount<'v>>,
    max: Option<Amount<'v>>,
    limit: Option<Amount<'v>>,
    request: Option<Amount<'v>>,
    ratio: Option<Amount<'v>>,
}

#[derive(Clone)]
struct Amount<'v> {
    at: Cursor<'v>,
    quantity: Quantity,
}

impl Amount<'_> {
    fn milli(&self) -> i64 {
        self.quantity.milli()
    }
}

impl<'v> Said<'v> {
    fn of(limit: &Cursor<'v>, of: &str, name: &str) -> Said<'v> {
        let amount = |said: &str| -> Option<Amount<'v>> {
            let at = limit.field(said).get(name)?;
            let quantity = resources::quantity(&at)?;
            Some(Amount { at, quantity })
        };
        let (min, max) = (amount("min"), amount("max"));
        let derived = |from: &Option<Amount<'v>>| from.clone().filter(|_| of == "Container");
        let default = amount("default").or_else(|| derived(&max));
        let request = amount("defaultRequest").or_else(|| derived(&default));
        let request = request.or_else(|| derived(&min));
        Said { min, max, limit: default, request, ratio: amount("maxLimitRequestRatio") }
    }

    fn check(&self, checker: &mut Checker, limit: &Cursor<'_>, name: &str) {
        let Said { min, max, limit: default, request, .. } = self;
        // What must not be greater than what, and what each is called.
        let pairs = [
            (min, max, "min value", "max value"),
            (default, max, "default value", "max value"),
            (min, request, "min value", "default request value"),
            (request, max, "default request value", "max value"),
            (request, default, "default request value", "default limit value"),
            (min, default, "min value", "default value"),
        ];
        for (low, high, low_name, high_name) in pairs {
            if let (Some(low), Some(high)) = (low, high)
                && low.milli() > high.milli()
            {
                let (less, more) = (&high.quantity, &low.quantity);
                let why = format!("{low_name} {more} is greater than {high_name} {less}");
                return checker.refuse(&low.at, why);
            }
        }
        self.check_ratio(checker);
        if let (Some(default), Some(request)) = (default, request)
            && resources::is_extended(name)
            && default.milli() != request.milli()
        {
            let (default, request) = (&default.quantity, &request.quantity);
            let why = format!(
                "default value {default} must equal to defaultRequest value {request} in {name}"
            );
            checker.refuse(&limit.field("defaultRequest").field(name), why);
        }
    }

    fn check_ratio(&self, checker: &mut Checker) {
        let Some(ratio) = &self.ratio else { return };
        if ratio.milli() < ONE {
            return checker.refuse(&ratio.at, format!("ratio {} is less than 1", ratio.quantity));
        }
        let (Some(min), Some(max)) = (&self.min, &self.max) else { return };
        let (least, most) = (i128::from(min.milli()), i128::from(max.milli()));
        if i128::from(ratio.milli()) * least > most * i128::from(ONE) {
            let apart = max.milli() as f64 / min.milli() as f64;
            let ratio_amount = &ratio.quantity;
            let why = format!("ratio {ratio_amount} is greater than max/min = {apart:.6}");
            checker.refuse(&ratio.at, why);
        }
    }
}
