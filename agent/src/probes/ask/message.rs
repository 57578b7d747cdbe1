//! The two messages of `grpc.health.v1.Health/Check`, as gRPC frames them.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>,
//! <https://protobuf.dev/programming-guides/encoding/>, and gRPC's "Length-Prefixed-Message".

/// Before each message: whether it is compressed, and its length in four bytes.
const FRAME_BYTES: usize = 5;
/// Of protobuf: the field's number and how its value is written.
const SERVICE: u8 = 1 << 3 | LENGTH;
const STATUS: u64 = 1 << 3;
const VARINT: u64 = 0;
const LENGTH: u8 = 2;
/// The most bytes of a number.
const VARINT_BYTES_MAX: usize = 10;

/// A question about a service; the empty one is the whole server.
pub(super) fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(SERVICE);
        write_number(&mut message, service.len());
        message.extend(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut frame = vec![0];
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    frame
}

/// The status in an answer, by its number; `None` when it is no answer.
pub(super) fn status(frame: &[u8]) -> Option<u64> {
    let (head, message) = frame.split_at_checked(FRAME_BYTES)?;
    let (compressed, length) = head.split_first()?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    if *compressed != 0 || usize::try_from(length).ok()? != message.len() {
        return None;
    }
    let (mut status, mut rest) = (0, message);
    while !rest.is_empty() {
        let tag = read_number(&mut rest)?;
        let value = match tag & 7 {
            VARINT => read_number(&mut rest)?,
            of_bytes => {
                skip(&mut rest, of_bytes)?;
                continue;
            }
        };
        if tag == STATUS {
            status = value;
        }
    }
    Some(status)
}

/// A status' name.
pub(super) fn name(status: u64) -> &'static str {
    match status {
        1 => "SERVING",
        2 => "NOT_SERVING",
        3 => "SERVICE_UNKNOWN",
        _ => "UNKNOWN",
    }
}

fn skip(rest: &mut &[u8], kind: u64) -> Option<()> {
    let bytes = match kind {
        1 => 8,
        5 => 4,
        2 => usize::try_from(read_number(rest)?).ok()?,
        _ => return None,
    };
    *rest = rest.get(bytes..)?;
    Some(())
}

/// Seven bits a byte, the lowest first.
fn write_number(message: &mut Vec<u8>, number: usize) {
    let mut left = number;
    while left > 0x7f {
        message.push(u8::try_from(left & 0x7f).unwrap_or(0) | 0x80);
        left >>= 7;
    }
    message.push(u8::try_from(left).unwrap_or(0));
}

fn read_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for index in 0..VARINT_BYTES_MAX {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f).checked_shl(u32::try_from(7 * index).ok()?)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_framed_as_protobuf_says() {
        assert_eq!(request(""), [0, 0, 0, 0, 0]);
        assert_eq!(request("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = request(&"x".repeat(300));
        assert_eq!(&long[..8], [0, 0, 0, 0x01, 0x2f, 0x0a, 0xac, 0x02]);
    }

    #[test]
    fn an_answer_is_read_and_nonsense_is_none() {
        let table: [(&[u8], Option<u64>); 9] = [
            (&[0, 0, 0, 0, 2, 8, 1], Some(1)),
            (&[0, 0, 0, 0, 2, 8, 2], Some(2)),
            (&[0, 0, 0, 0, 0], Some(0)),
            (&[0, 0, 0, 0, 6, 0x12, 2, 9, 9, 8, 1], Some(1)),
            (&[1, 0, 0, 0, 2, 8, 1], None),
            (&[0, 0, 0, 0, 3, 8, 1], None),
            (&[0, 0, 0], None),
            (&[0, 0, 0, 0, 1, 8], None),
            (&[0, 0, 0, 0, 3, 0x12, 9, 9], None),
        ];
        for (frame, expected) in table {
            assert_eq!(status(frame), expected, "{frame:?}");
        }
    }
}
