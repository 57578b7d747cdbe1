//! Percent-encoding, taken apart (RFC 3986, 2.1).

/// The bytes that are meant; a sign that begins no code stands for itself.
pub(crate) fn decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        let code = (first == b'%').then(|| hexadecimal(rest)).flatten();
        if code.is_some() {
            rest = &rest[2..];
        }
        bytes.push(code.unwrap_or(first));
    }
    bytes
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digits = digits.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_bytes_and_other_signs_themselves() {
        for (text, wanted) in [
            ("a%26b", &b"a&b"[..]),
            ("%C3%a4%zz%", "ä%zz%".as_bytes()),
            ("%+f%-1", b"%+f%-1"),
            ("%4", b"%4"),
            ("", b""),
        ] {
            assert_eq!(decoded(text.as_bytes()), wanted, "{text}");
        }
    }
}
