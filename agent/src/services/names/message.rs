//! Messages of the Domain Name System, as far as an answerer of Services reads and writes them.
//!
//! Guarantee: any bytes are read or refused, in one pass. Absent: compression beyond the name that was asked
//! for, classes but the Internet's, and records that Services have none of.
//!
//! Source: RFC 1035, section 4; RFC 2782 for SRV; RFC 6891 for the size of packets.

use std::net::Ipv4Addr;

/// A header's bytes.
const HEADER_BYTES: usize = 12;
/// A name's bytes at most, by RFC 1035.
const NAME_BYTES_MAX: usize = 255;
/// The bytes of one label of a name, by RFC 1035: the two bits above are a pointer's.
const LABEL_BYTES_MAX: u8 = 63;
/// Where the name that was asked for stands in every answer, as a pointer to it.
const ASKED: [u8; 2] = [0xc0, 12];
/// What a packet may have where who asks does not say.
const PACKET_BYTES_MIN: u16 = 512;

/// Kinds of records.
pub(super) const A: u16 = 1;
pub(super) const CNAME: u16 = 5;
pub(super) const AAAA: u16 = 28;
pub(super) const SRV: u16 = 33;
pub(super) const ANY: u16 = 255;
const OPT: u16 = 41;
const INTERNET: u16 = 1;

/// The bits of a header.
const IS_ANSWER: u16 = 1 << 15;
const OPERATION: u16 = 0b1111 << 11;
const IS_AUTHORITATIVE: u16 = 1 << 10;
const IS_CUT: u16 = 1 << 9;
const WANTS_RECURSION: u16 = 1 << 8;
const HAS_RECURSION: u16 = 1 << 7;

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Fine = 0,
    Failed = 2,
    Absent = 3,
    Unknown = 4,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    id: u16,
    flags: u16,
    /// The name in lowercase, without a dot at its end.
    pub(super) name: String,
    pub(super) kind: u16,
    /// The name, kind and class as they were asked.
    asked: Vec<u8>,
    /// How large an answer may be in a packet.
    pub(super) packet_bytes: usize,
}

/// A record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) ttl_seconds: u32,
    pub(super) data: Data,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    Address(Ipv4Addr),
    /// An address of six, in its bytes.
    Long(Vec<u8>),
    Alias(String),
    Service {
        weight: u16,
        port: u16,
        target: String,
    },
}

impl Data {
    /// Its kind.
    pub(super) fn kind(&self) -> u16 {
        match self {
            Data::Address(_) => A,
            Data::Long(_) => AAAA,
            Data::Alias(_) => CNAME,
            Data::Service { .. } => SRV,
        }
    }
}

impl Question {
    /// Asks for a name's records of a kind.
    pub(super) fn new(id: u16, name: &str, kind: u16) -> Option<Question> {
        let mut asked = Vec::new();
        put_name(&mut asked, name)?;
        asked.extend(kind.to_be_bytes());
        asked.extend(INTERNET.to_be_bytes());
        let (flags, packet_bytes) = (WANTS_RECURSION, usize::from(PACKET_BYTES_MIN));
        Some(Question { id, flags, name: name.to_owned(), kind, asked, packet_bytes })
    }

    /// Reads a question; `None` of what is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Question> {
        let mut reader = Reader { bytes, at: 0 };
        let (id, flags) = (reader.number()?, reader.number()?);
        let [questions, answers, authorities, others] = reader.counts()?;
        if flags & IS_ANSWER != 0 || questions != 1 {
            return None;
        }
        let name = reader.name()?;
        let (kind, class) = (reader.number()?, reader.number()?);
        let asked = bytes.get(HEADER_BYTES..reader.at)?.to_vec();
        if class != INTERNET {
            return None;
        }
        let mut packet_bytes = PACKET_BYTES_MIN;
        for _ in 0..(u32::from(answers) + u32::from(authorities) + u32::from(others)) {
            let Some(record) = reader.record() else { break };
            if record.kind == OPT {
                packet_bytes = record.class.max(PACKET_BYTES_MIN);
            }
        }
        let packet_bytes = usize::from(packet_bytes);
        Some(Question { id, flags, name, kind, asked, packet_bytes })
    }

    /// Whether it is a question for records, and not another operation.
    pub(super) fn is_query(&self) -> bool {
        self.flags & OPERATION == 0
    }

    /// Its own bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [self.id, self.flags, 1, 0, 0, 0] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(&self.asked);
        bytes
    }

    /// An answer to it, ours, of records and of what belongs to them.
    pub(super) fn answer(&self, code: Code, answers: &[Record], additionals: &[Record]) -> Vec<u8> {
        let mut body = self.asked.clone();
        let mut count = |records: &[Record]| {
            let written = records.iter().filter_map(|record| self.put(&mut body, record)).count();
            u16::try_from(written).unwrap_or(u16::MAX)
        };
        let (answers, additionals) = (count(answers), count(additionals));
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
        let flags = IS_ANSWER
            | IS_AUTHORITATIVE
            | HAS_RECURSION
            | self.flags & (OPERATION | WANTS_RECURSION)
            | code as u16;
        for number in [self.id, flags, 1, answers, 0, additionals] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(body);
        bytes
    }

    /// An answer without records that says that the whole one does not fit.
    pub(super) fn cut(&self) -> Vec<u8> {
        let mut bytes = self.answer(Code::Fine, &[], &[]);
        let flags = u16::from_be_bytes([bytes[2], bytes[3]]) | IS_CUT;
        bytes[2..4].copy_from_slice(&flags.to_be_bytes());
        bytes
    }

    fn put(&self, body: &mut Vec<u8>, record: &Record) -> Option<()> {
        let mut one = Vec::new();
        if record.name == self.name {
            one.extend(ASKED);
        } else {
            put_name(&mut one, &record.name)?;
        }
        one.extend(record.data.kind().to_be_bytes());
        one.extend(INTERNET.to_be_bytes());
        one.extend(record.ttl_seconds.to_be_bytes());
        let mut data = Vec::new();
        match &record.data {
            Data::Address(address) => data.extend(address.octets()),
            Data::Long(bytes) => data.extend(bytes),
            Data::Alias(name) => put_name(&mut data, name)?,
            Data::Service { weight, port, target } => {
                for number in [0, *weight, *port] {
                    data.extend(number.to_be_bytes());
                }
                put_name(&mut data, target)?;
            }
        }
        one.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        one.extend(data);
        body.extend(one);
        Some(())
    }
}

/// The addresses of a kind that an answer has, whosever they are: who asked followed its aliases.
pub(super) fn addresses(bytes: &[u8], kind: u16) -> Option<Vec<(u32, Data)>> {
    let mut reader = Reader { bytes, at: 4 };
    let [questions, answers, ..] = reader.counts()?;
    for _ in 0..questions {
        reader.name()?;
        reader.take(4)?;
    }
    let mut found = Vec::new();
    for _ in 0..answers {
        let record = reader.record()?;
        let data = match (record.kind, <[u8; 4]>::try_from(record.data)) {
            (A, Ok(octets)) => Data::Address(Ipv4Addr::from(octets)),
            (AAAA, _) if record.data.len() == 16 => Data::Long(record.data.to_vec()),
            _ => continue,
        };
        if data.kind() == kind {
            found.push((record.ttl_seconds, data));
        }
    }
    Some(found)
}

/// A name's labels; `None` of what is no name.
fn put_name(bytes: &mut Vec<u8>, name: &str) -> Option<()> {
    if name.len() + 2 > NAME_BYTES_MAX {
        return None;
    }
    for label in name.split('.').filter(|_| !name.is_empty()) {
        let length = u8::try_from(label.len()).ok()?;
        if length == 0 || length > LABEL_BYTES_MAX {
            return None;
        }
        bytes.push(length);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    Some(())
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

/// A record that is read.
struct Read<'b> {
    kind: u16,
    class: u16,
    ttl_seconds: u32,
    data: &'b [u8],
}

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn counts(&mut self) -> Option<[u16; 4]> {
        Some([self.number()?, self.number()?, self.number()?, self.number()?])
    }

    /// A name; one that points to another place is passed over, and reads as what stands before that.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        loop {
            let length = *self.take(1)?.first()?;
            match length {
                0 => return Some(name),
                1..=LABEL_BYTES_MAX => {
                    let label = self.take(usize::from(length))?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    // What is no letter of ASCII is in no name of ours.
                    name.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
                    if name.len() > NAME_BYTES_MAX {
                        return None;
                    }
                }
                0xc0.. => {
                    self.take(1)?;
                    return Some(name);
                }
                _ => return None,
            }
        }
    }

    fn record(&mut self) -> Option<Read<'b>> {
        self.name()?;
        let (kind, class) = (self.number()?, self.number()?);
        let ttl = self.take(4)?;
        let ttl_seconds = u32::from_be_bytes([ttl[0], ttl[1], ttl[2], ttl[3]]);
        let length = usize::from(self.number()?);
        Some(Read { kind, class, ttl_seconds, data: self.take(length)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, data: Data) -> Record {
        Record { name: name.to_owned(), ttl_seconds: 5, data }
    }

    #[test]
    fn a_question_is_read_as_it_was_asked_and_its_answer_has_the_records() {
        let mut asked = Question::new(7, "web.shop", A).expect("a name").bytes();
        asked[13] = b'W';
        let question = Question::read(&asked).expect("a question");
        assert_eq!((&*question.name, question.kind), ("web.shop", A));
        assert!(question.is_query());
        let address = Data::Address(Ipv4Addr::new(127, 96, 0, 20));
        let service = Data::Service { weight: 1, port: 80, target: "a.b".to_owned() };
        let records = [record("web.shop", address.clone()), record("other", service)];
        let answer = question.answer(Code::Fine, &records, &records[..1]);
        assert_eq!(addresses(&answer, A), Some(vec![(5, address)]));
        assert_eq!(&answer[..2], 7_u16.to_be_bytes());
        assert_eq!(answer[13], b'W', "as it was asked");
        assert_eq!((answer[7], answer[11]), (2, 1), "two answers and what belongs to them");
        assert_eq!(Question::read(&answer), None, "an answer is no question");
        let cut = question.cut();
        assert_eq!((cut[2] & 2, cut[7]), (2, 0));
    }

    #[test]
    fn who_asks_says_how_large_a_packet_may_be() {
        let mut asked = Question::new(1, "a", A).expect("a name").bytes();
        assert_eq!(Question::read(&asked).map(|q| q.packet_bytes), Some(512));
        asked[11] = 1;
        asked.extend([0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Question::read(&asked).map(|q| q.packet_bytes), Some(4_096));
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let whole = Question::new(1, "web.shop.svc.cluster.local", SRV).expect("a name").bytes();
        for end in 0..whole.len() {
            assert_eq!(Question::read(&whole[..end]), None, "{end}");
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x3f, 0x40, 0xc0, 0xff] {
                let mut broken = whole.clone();
                broken[at] = byte;
                let _ = (Question::read(&broken), addresses(&broken, A));
            }
        }
        assert!(Question::new(1, &"a".repeat(64), A).is_none());
        assert!(Question::new(1, "a..b", A).is_none());
    }
}
