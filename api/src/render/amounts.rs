//! Amounts of resources as Kubernetes quantities.

use serde_json::{Map, Value, json};
use setpoint_schemas::Resources;

/// `{"cpu": "1500m", "memory": "64Mi", …}`.
pub(crate) fn quantities(amounts: &Resources) -> Value {
    let mut map = Map::new();
    map.insert("cpu".to_owned(), json!(cpu(amounts.cpu_milli)));
    map.insert("memory".to_owned(), json!(bytes(amounts.memory_bytes)));
    map.insert("ephemeral-storage".to_owned(), json!(bytes(amounts.ephemeral_bytes)));
    map.insert("pods".to_owned(), json!(amounts.pods.to_string()));
    for (name, amount) in &amounts.extended {
        map.insert(name.clone(), json!(amount.to_string()));
    }
    Value::Object(map)
}

fn cpu(milli: i64) -> String {
    if milli % 1000 == 0 { (milli / 1000).to_string() } else { format!("{milli}m") }
}

/// The largest binary suffix that leaves a whole number.
fn bytes(amount: i64) -> String {
    let suffixes = [(1 << 40, "Ti"), (1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")];
    let whole = |(unit, _): &&(i64, &str)| amount != 0 && amount % unit == 0;
    match suffixes.iter().find(whole) {
        Some((unit, suffix)) => format!("{}{suffix}", amount / unit),
        None => amount.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_exactly() {
        for (amount, text) in
            [(0, "0"), (1, "1"), (1024, "1Ki"), (64 << 20, "64Mi"), (1025, "1025")]
        {
            assert_eq!(bytes(amount), text);
        }
        assert_eq!((cpu(2000), cpu(250)), ("2".to_owned(), "250m".to_owned()));
    }
}
