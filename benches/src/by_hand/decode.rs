//! A pod's status read from its bytes in place: one record, one schema, in the order of its fields.
//!
//! Source: the Avro specification, "Binary encoding"; `schemas/avro/pod_observed.avsc`.

/// Marker and fingerprint of Avro's single-object encoding.
pub(super) const HEADER_BYTES: usize = 10;

/// A pod's status, borrowed from its bytes: what the engine by hand looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Observed<'a> {
    pub(super) uid: &'a [u8],
    pub(super) node: &'a [u8],
    pub(super) session: &'a [u8],
    pub(super) sequence: i64,
    pub(super) phase: Phase,
    pub(super) ready: bool,
    pub(super) started_ms: i64,
    pub(super) restarts: i32,
}

/// The phases in the order of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Pending,
    Running,
    Succeeded,
    Failed,
    Unknown,
    Gone,
}

/// Reads the datum behind the header; `None` when it is not the record.
pub(super) fn observed(datum: &[u8]) -> Option<Observed<'_>> {
    let mut from = Cursor(datum);
    let (uid, node, session) = (from.bytes()?, from.bytes()?, from.bytes()?);
    let sequence = from.long()?;
    let _time_ms = from.long()?;
    let (_namespace, _name) = (from.bytes()?, from.bytes()?);
    let _generation = from.long()?;
    let phase = phase(from.long()?)?;
    let ready = from.boolean()?;
    let (_reason, _message, _address) = (from.bytes()?, from.bytes()?, from.bytes()?);
    let started_ms = from.long()?;
    let restarts = from.containers()?;
    from.0.is_empty().then_some(Observed {
        uid,
        node,
        session,
        sequence,
        phase,
        ready,
        started_ms,
        restarts,
    })
}

fn phase(symbol: i64) -> Option<Phase> {
    use Phase::{Failed, Gone, Pending, Running, Succeeded, Unknown};
    let all = [Pending, Running, Succeeded, Failed, Unknown, Gone];
    all.get(usize::try_from(symbol).ok()?).copied()
}

/// The bytes that are left.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Seven bits a byte, the lowest first, zigzag.
    fn long(&mut self) -> Option<i64> {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
            shift += 7;
        }
    }

    fn boolean(&mut self) -> Option<bool> {
        Some(self.byte()? == 1)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.long()?).ok()?;
        let (found, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(found)
    }

    /// The blocks of the containers: how often they were restarted in all.
    fn containers(&mut self) -> Option<i32> {
        let mut restarts = 0;
        loop {
            let count = match self.long()? {
                0 => return Some(restarts),
                count if count < 0 => {
                    self.long()?;
                    count.checked_neg()?
                }
                count => count,
            };
            for _ in 0..count {
                restarts += self.container()?;
            }
        }
    }

    fn container(&mut self) -> Option<i32> {
        let (_name, _id, _image) = (self.bytes()?, self.bytes()?, self.bytes()?);
        let _state = self.long()?;
        let _ready = self.boolean()?;
        let restarts = i32::try_from(self.long()?).ok()?;
        if self.long()? == 1 {
            let _exit_code = self.long()?;
        }
        let (_reason, _message) = (self.bytes()?, self.bytes()?);
        let (_started_ms, _finished_ms) = (self.long()?, self.long()?);
        let _started = self.boolean()?;
        if self.long()? == 1 {
            let (_id, _exit_code) = (self.bytes()?, self.long()?);
            let (_reason, _message) = (self.bytes()?, self.bytes()?);
            let (_started_ms, _finished_ms) = (self.long()?, self.long()?);
        }
        Some(restarts)
    }
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::avro::Codec;
    use setpoint_schemas::{ContainerObserved, samples};

    use super::*;

    #[test]
    fn what_the_codec_writes_is_read_in_place() {
        let mut record = samples::pod_observed();
        let container =
            ContainerObserved { restarts: 3, exit_code: Some(-7), ..record.containers[0].clone() };
        record.containers = vec![container.clone(), container];
        record.sequence = 1 << 40;
        let bytes = Codec::single_object().encode(&record).unwrap();
        let found = observed(&bytes[HEADER_BYTES..]).unwrap();
        assert_eq!(found.uid, record.uid.text().as_bytes());
        assert_eq!(found.node, record.node.as_str().as_bytes());
        assert_eq!((found.sequence, found.ready), (record.sequence, record.ready));
        assert_eq!((found.started_ms, found.restarts), (record.started_ms, 6));
        assert_eq!(found.phase as usize, record.phase as usize);
    }

    #[test]
    fn bytes_that_end_early_or_late_are_no_record() {
        let bytes = Codec::single_object().encode(&samples::pod_observed()).unwrap();
        let datum = &bytes[HEADER_BYTES..];
        assert!((0..datum.len()).all(|end| observed(&datum[..end]).is_none()));
        assert!(observed(&[datum, &[0]].concat()).is_none());
    }
}
