//! Whether two engines decide the same.

use setpoint_dataflow::Outcome;

/// Two engines over the same epoch decide the same.
pub(super) fn same(who: &str, one: &Outcome, other: &Outcome) -> Result<(), String> {
    let decided = |o: &Outcome| {
        let verdicts = o.verdicts.clone();
        (o.hash, o.ledger(), o.placements.clone(), verdicts, o.resources.clone())
    };
    if decided(one) == decided(other) {
        return Ok(());
    }
    let told = |o: &Outcome| {
        let (ledger, resources) = (o.ledger(), &o.resources);
        format!("{ledger:#?}\n{:#?}\ndue {:?}\n{resources:#?}", o.placements, o.due_ms)
    };
    let (one_told, other_told) = (told(one), told(other));
    Err(format!("{who} decides otherwise in epoch {}:\n{one_told}\nnot\n{other_told}", one.number))
}
