//! The record of an observed pod read from its bytes in place, in one pass: the current schema, field
//! by field.
//!
//! Guarantee: it takes exactly the bytes that the codec takes, and says of each field what the codec
//! says; `schemas/tests/observation.rs` holds both to each other. Absent: reasons for what is refused,
//! which the codec knows.
//!
//! Source: `schemas/avro/pod_observed.avsc`.

use super::cursor::Cursor;
use super::details::{PHASES, container};
use crate::id::{label, path_segment, subdomain, token};
use crate::{PodPhase, PodUid};

/// What decides, and where texts stand.
#[derive(Clone)]
pub(super) struct Fields {
    pub(super) uid: PodUid,
    pub(super) sequence: i64,
    pub(super) time_ms: i64,
    /// Its first byte, and the byte behind it.
    pub(super) reason: (u32, u32),
    pub(super) uid_text: Span,
    pub(super) node: Span,
    pub(super) session: Span,
    pub(super) namespace: Span,
    pub(super) name: Span,
    pub(super) phase: PodPhase,
    pub(super) ready: bool,
}

/// Where an id stands in its record. Before the last of them there are only ids and numbers, so that
/// sixteen bits are enough.
#[derive(Clone, Copy)]
pub(super) struct Span {
    start: u16,
    bytes: u16,
}

impl Span {
    /// Its first byte.
    pub(super) fn start(self) -> usize {
        usize::from(self.start)
    }

    /// The byte behind it.
    pub(super) fn end(self) -> usize {
        usize::from(self.start) + usize::from(self.bytes)
    }
}

/// Reads a datum that stands behind so many bytes of its record; `None` when it is none.
pub(super) fn fields(datum: &[u8], header: usize) -> Option<Fields> {
    let mut from = Reader { cursor: Cursor(datum), bytes: header + datum.len() };
    let (uid, uid_text) = from.uid()?;
    let (node, session) = (from.id(subdomain)?, from.id(token)?);
    let (sequence, time_ms) = (from.cursor.long()?, from.cursor.long()?);
    let (namespace, name) = (from.id(label)?, from.id(path_segment)?);
    let _generation = from.cursor.long()?;
    let (phase, ready) = (from.cursor.symbol(&PHASES)?, from.cursor.boolean()?);
    let reason = from.reason()?;
    let (_message, _address) = (from.cursor.text()?, from.cursor.text()?);
    let _started_ms = from.cursor.long()?;
    containers(&mut from.cursor)?;
    from.cursor.0.is_empty().then_some(Fields {
        uid,
        sequence,
        time_ms,
        reason,
        uid_text,
        node,
        session,
        namespace,
        name,
        phase,
        ready,
    })
}

/// The grammar of an id.
type Grammar = fn(&str) -> Result<(), &'static str>;

/// A cursor that knows how many bytes its record has.
struct Reader<'a> {
    cursor: Cursor<'a>,
    bytes: usize,
}

impl Reader<'_> {
    fn uid(&mut self) -> Option<(PodUid, Span)> {
        let text = self.cursor.text()?;
        Some((PodUid::parse(text).ok()?, self.behind(text)?))
    }

    #[inline]
    fn id(&mut self, grammar: Grammar) -> Option<Span> {
        let text = self.cursor.text()?;
        grammar(text).ok()?;
        self.behind(text)
    }

    fn reason(&mut self) -> Option<(u32, u32)> {
        let text = self.cursor.text()?;
        let end = self.position();
        Some((u32::try_from(end - text.len()).ok()?, u32::try_from(end).ok()?))
    }

    /// Where the text stands that was read last.
    fn behind(&self, text: &str) -> Option<Span> {
        let bytes = u16::try_from(text.len()).ok()?;
        let end = u16::try_from(self.position()).ok()?;
        Some(Span { start: end - bytes, bytes })
    }

    fn position(&self) -> usize {
        self.bytes - self.cursor.0.len()
    }
}

/// All containers, block by block.
fn containers(from: &mut Cursor<'_>) -> Option<()> {
    loop {
        match from.block()? {
            0 => return Some(()),
            count => (0..count).try_for_each(|_| container(from).map(|_| ()))?,
        }
    }
}
