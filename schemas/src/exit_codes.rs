//! A set of exit codes, and those after which a restart does not count.

use std::collections::BTreeMap;

/// The annotation of a pod with the exit codes after which a container is restarted without a wait and
/// without being counted, joined by commas: a program that ends so has not failed.
pub const EXEMPT_CODES: &str = "setpoint.dev/restart-exempt-codes";

/// Exit codes from 0 to 255: what an operating system tells of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExitCodes([u128; 2]);

impl ExitCodes {
    /// The exempt ones by a pod's annotations; none where they do not read.
    #[must_use]
    pub fn exempt(annotations: &BTreeMap<String, String>) -> ExitCodes {
        annotations.get(EXEMPT_CODES).and_then(|text| ExitCodes::parse(text)).unwrap_or_default()
    }

    /// Whether a pod's annotations say them so that they read.
    ///
    /// # Errors
    /// A sentence that names the annotation.
    pub fn check(annotations: &BTreeMap<String, String>) -> Result<(), String> {
        match annotations.get(EXEMPT_CODES) {
            Some(text) if ExitCodes::parse(text).is_none() => Err(format!(
                "annotations[{EXEMPT_CODES}]: {text:?} is not a list of exit codes from 0 to 255 joined by commas"
            )),
            _ => Ok(()),
        }
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn has(self, code: i32) -> bool {
        u8::try_from(code).is_ok_and(|code| self.0[half(code)] & bit(code) != 0)
    }

    fn parse(text: &str) -> Option<ExitCodes> {
        let mut codes = ExitCodes::default();
        for code in text.split(',') {
            let code: u8 = code.trim().parse().ok()?;
            codes.0[half(code)] |= bit(code);
        }
        Some(codes)
    }
}

fn half(code: u8) -> usize {
    usize::from(code / 128)
}

fn bit(code: u8) -> u128 {
    1 << (code % 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_or_named_as_wrong() {
        let says = |text: &str| BTreeMap::from([(EXEMPT_CODES.to_owned(), text.to_owned())]);
        let codes = ExitCodes::exempt(&says("0, 127,128,255"));
        let found: Vec<i32> = (-1..300).filter(|code| codes.has(*code)).collect();
        assert_eq!(found, [0, 127, 128, 255]);
        assert_eq!(ExitCodes::check(&says("0,143")), Ok(()));
        for wrong in ["", "256", "-1", "1;2", "1,"] {
            let error = ExitCodes::check(&says(wrong)).expect_err(wrong);
            assert!(error.contains("restart-exempt-codes"), "{error}");
            assert_eq!(ExitCodes::exempt(&says(wrong)), ExitCodes::default());
        }
    }
}
