//! A pod as it was observed, as the bytes that it came in.
//!
//! Guarantee: the bytes are a whole record of the current schema; every text, number and grammar in
//! them was checked when they were read, so that nothing of it can fail later. Absent: owned fields.
//! What decides is read out once; all else stays where it stands.
//!
//! Why there is a reader by hand beside the codec:
//! `docs/decisions/0024-an-observation-stays-its-bytes.md`.

mod cursor;
mod details;
mod reader;

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::avro::{Codec, DecodeError, Record, read_datum, single_object_header};
use crate::{Namespace, NodeName, PodObserved, PodPhase, PodUid, ResourceName, SessionId};

pub use details::{ContainerDetails, Containers, Details, EndDetails};
use reader::{Fields, Span};

/// One observed pod as it stands on the log. A clone shares its bytes.
#[derive(Clone)]
pub struct Observation {
    /// In Avro's single-object encoding.
    record: Arc<[u8]>,
    fields: Fields,
}

impl Observation {
    /// The observation that these bytes are, by the reader by hand: only the current schema in
    /// single-object encoding. [`Codec::observation`] reads all that there is.
    #[must_use]
    pub fn read(record: &[u8]) -> Option<Self> {
        Some(Observation { fields: fields(record)?, record: Arc::from(record) })
    }

    /// The same of bytes that are shared already.
    #[must_use]
    pub fn of_record(record: Arc<[u8]>) -> Option<Self> {
        Some(Observation { fields: fields(&record)?, record })
    }

    /// As a node with this to say would write it.
    ///
    /// # Panics
    /// Never: what has these fields is written, and what is written is read. A property test holds
    /// that.
    #[must_use]
    pub fn of(observed: &PodObserved) -> Self {
        let record = Codec::single_object().encode(observed);
        let read = record.ok().and_then(|record| Observation::read(&record));
        read.expect("what is observed is written, and what is written is read")
    }

    /// Its record in Avro's single-object encoding, whatever it came in.
    #[must_use]
    pub fn record(&self) -> &Arc<[u8]> {
        &self.record
    }

    /// The pod.
    #[must_use]
    pub fn uid(&self) -> &PodUid {
        &self.fields.uid
    }

    /// The pod's uid as text, where it stands.
    #[must_use]
    pub fn uid_text(&self) -> &str {
        self.text(self.fields.uid_text)
    }

    /// The node that observes, as text.
    #[must_use]
    pub fn node(&self) -> &str {
        self.text(self.fields.node)
    }

    /// The life of its agent, as text.
    #[must_use]
    pub fn session(&self) -> &str {
        self.text(self.fields.session)
    }

    /// Whether this node observes.
    #[must_use]
    pub fn is_by(&self, node: &NodeName) -> bool {
        self.bytes(self.fields.node) == node.as_str().as_bytes()
    }

    /// Whether it is of this life of an agent.
    #[must_use]
    pub fn is_in(&self, session: &SessionId) -> bool {
        self.bytes(self.fields.session) == session.as_str().as_bytes()
    }

    /// Rises with every observation of a session.
    #[must_use]
    pub fn sequence(&self) -> i64 {
        self.fields.sequence
    }

    /// When it was observed, by the node's clock, milliseconds since 1970.
    #[must_use]
    pub fn time_ms(&self) -> i64 {
        self.fields.time_ms
    }

    /// The pod's namespace, as text.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.text(self.fields.namespace)
    }

    /// The pod's name, as text.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text(self.fields.name)
    }

    /// The phase.
    #[must_use]
    pub fn phase(&self) -> PodPhase {
        self.fields.phase
    }

    /// Whether all containers are ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.fields.ready
    }

    /// One word, in camel case; empty when there is nothing to say.
    #[must_use]
    pub fn reason(&self) -> &str {
        let (start, end) = self.fields.reason;
        text(self.record.get(start as usize..end as usize))
    }

    /// The node that observes, as its id.
    ///
    /// # Panics
    /// Never: its grammar was checked.
    #[must_use]
    pub fn node_name(&self) -> NodeName {
        self.node().parse().expect(CHECKED)
    }

    /// The life of its agent, as its id.
    ///
    /// # Panics
    /// Never: its grammar was checked.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.session().parse().expect(CHECKED)
    }

    /// The pod's namespace and name, as their ids.
    ///
    /// # Panics
    /// Never: their grammars were checked.
    #[must_use]
    pub fn full_name(&self) -> (Namespace, ResourceName) {
        (self.namespace().parse().expect(CHECKED), self.name().parse().expect(CHECKED))
    }

    /// What decides nothing, read where it stands.
    #[must_use]
    pub fn details(&self) -> Details<'_> {
        details::of(self.record.get(self.fields.name.end()..).unwrap_or_default())
    }

    /// All of it with fields of its own, by the codec.
    ///
    /// # Panics
    /// Never: what the reader takes the codec takes. A property test holds that.
    #[must_use]
    pub fn whole(&self) -> PodObserved {
        Codec::single_object().decode(&self.record).expect(CHECKED)
    }

    fn text(&self, span: Span) -> &str {
        text(Some(self.bytes(span)))
    }

    fn bytes(&self, span: Span) -> &[u8] {
        self.record.get(span.start()..span.end()).unwrap_or_default()
    }
}

impl Codec {
    /// The observation that these bytes are, whichever of the two formats and of our schema versions
    /// they were written with.
    ///
    /// # Errors
    /// As [`Codec::decode`], in the same words.
    pub fn observation(&self, bytes: &[u8]) -> Result<Observation, DecodeError> {
        match Observation::read(bytes) {
            Some(read) => Ok(read),
            None => self.observation_otherwise(bytes),
        }
    }

    /// Of another format, of an earlier schema, or none at all.
    #[cold]
    fn observation_otherwise(&self, bytes: &[u8]) -> Result<Observation, DecodeError> {
        let datum = self.datum_of::<PodObserved>(bytes)?;
        match Observation::read(&[HEADER.as_slice(), &datum].concat()) {
            Some(read) => Ok(read),
            // The codec has the last word.
            None => read_datum(&datum).map(|observed| Observation::of(&observed)),
        }
    }
}

/// What stands before the datum.
static HEADER: LazyLock<Vec<u8>> = LazyLock::new(|| single_object_header(PodObserved::KIND));

/// What decides in the bytes of a record.
fn fields(record: &[u8]) -> Option<Fields> {
    let datum = record.strip_prefix(HEADER.as_slice())?;
    reader::fields(datum, record.len() - datum.len())
}

/// Why a text that stands in an observation follows its grammar.
const CHECKED: &str = "an observation was checked when it was read";

/// The text of bytes that were read as one.
fn text(bytes: Option<&[u8]>) -> &str {
    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

impl From<PodObserved> for Observation {
    fn from(observed: PodObserved) -> Self {
        Observation::of(&observed)
    }
}

/// By the bytes of their records.
impl PartialEq for Observation {
    fn eq(&self, other: &Self) -> bool {
        self.record == other.record
    }
}

impl Eq for Observation {}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.whole(), f)
    }
}

/// As the bytes of its record.
impl Serialize for Observation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.record)
    }
}

impl<'de> Deserialize<'de> for Observation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Observation;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of an observation")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Observation, E> {
                Codec::single_object().observation(bytes).map_err(E::custom)
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}
