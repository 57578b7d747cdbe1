//! Amounts of cpu and memory for people.

/// Cpu in thousandths: `250m`, `2`.
pub(crate) fn cpu(milli: i64) -> String {
    if milli % 1000 == 0 { (milli / 1000).to_string() } else { format!("{milli}m") }
}

/// Bytes in the largest binary unit that leaves a whole number of at least 1, else in the nearest
/// smaller one: `512Mi`, `3Gi`.
pub(crate) fn bytes(bytes: i64) -> String {
    const UNITS: [(&str, i64); 4] =
        [("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
    for (name, size) in UNITS {
        // From ten on a unit is exact enough; below it the next smaller one tells more.
        if bytes >= size && (bytes % size == 0 || bytes >= 10 * size) {
            return format!("{}{name}", bytes / size);
        }
    }
    bytes.to_string()
}

/// An amount with its share: `560m (28%)`.
pub(crate) fn share(shown: &str, part: i64, whole: i64) -> String {
    match whole {
        ..=0 => shown.to_owned(),
        whole => format!("{shown} ({}%)", i128::from(part) * 100 / i128::from(whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short_and_true() {
        assert_eq!(cpu(560), "560m");
        assert_eq!(cpu(2000), "2");
        assert_eq!(bytes(512 << 20), "512Mi");
        assert_eq!(bytes(3 << 29), "1536Mi");
        assert_eq!(bytes(25_000_000_000), "23Gi");
        assert_eq!(bytes(100), "100");
        assert_eq!(share("560m", 560, 2000), "560m (28%)");
        assert_eq!(share("1", 1000, 0), "1");
    }
}
