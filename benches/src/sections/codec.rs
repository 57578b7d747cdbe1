//! Decoding a pod's status: as the engine takes it and to a struct, beside the reference library of
//! Avro. Each checks all that the record says, texts and grammars of ids included.

use std::hint::black_box;
use std::time::Duration;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use setpoint_schemas::avro::{Codec, RecordKind};
use setpoint_schemas::{Observation, PodObserved};

use crate::clock::{per_second, timed};
use crate::measurement::{Aim, Measurement, RATE};
use crate::plant::status;
use crate::rounds;
use crate::sizes::Sizes;

/// Marker and fingerprint of a single-object encoding: the reference library is given the datum.
const HEADER_BYTES: usize = 10;
/// Turns of either side, so that a disturbance of the machine meets both.
const TURNS: usize = 10;
/// What a decoder that knows its record is to do better by than one that asks its schema.
const DECODE_RATIO: f64 = 5.0;

const OURS: &str = "avro decode of an observed pod/setpoint, as the engine takes it";
const TO_STRUCT: &str = "avro decode to a struct/setpoint codec";
const THEIRS: &str = "avro decode to a struct/apache-avro";

/// Measures both on the same bytes, in turns.
pub(crate) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let codec = Codec::single_object();
    let record = status("pod-1", "node-1", "web-1-1", 1)?;
    let bytes = codec.encode(&record)?;
    let schema = Schema::parse_str(RecordKind::PodObserved.schema_json())?;
    let reader = GenericDatumReader::builder(&schema).build()?;
    let ours = || -> anyhow::Result<Observation> { Ok(codec.observation(&bytes)?) };
    let to_struct = || -> anyhow::Result<PodObserved> { Ok(codec.decode(&bytes)?) };
    let theirs = || -> anyhow::Result<PodObserved> {
        let value = reader.read_value(&mut &bytes[HEADER_BYTES..])?;
        Ok(apache_avro::from_value(&value)?)
    };
    anyhow::ensure!(ours()?.whole() == record, "an observation is something else than was written");
    anyhow::ensure!(to_struct()? == record, "our codec reads something else than was written");
    anyhow::ensure!(theirs()? == record, "apache-avro reads something else than was written");

    let each = (sizes.records / TURNS / sizes.rounds).max(1);
    rounds::measured(sizes.rounds, |_| {
        let (mut by_ours, mut by_codec) = (Duration::ZERO, Duration::ZERO);
        let mut by_theirs = Duration::ZERO;
        for _ in 0..TURNS {
            by_ours += times(each, ours)?;
            by_codec += times(each, to_struct)?;
            by_theirs += times(each, theirs)?;
        }
        let encoded = encoding(&codec, &record, each * TURNS)?;
        let rate = |took| per_second(each * TURNS, took);
        let ours = Measurement::new(OURS, rate(by_ours), RATE);
        Ok(vec![
            ours.beside(THEIRS).aiming(Aim::RatioAtLeast, DECODE_RATIO),
            Measurement::new(TO_STRUCT, rate(by_codec), RATE).beside(THEIRS),
            Measurement::new(THEIRS, rate(by_theirs), RATE),
            Measurement::new("avro encode of a struct/setpoint codec", rate(encoded), RATE),
        ])
    })
}

fn times<T>(count: usize, decode: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<Duration> {
    let (done, took) =
        timed(|| (0..count).try_for_each(|_| decode().map(|record| drop(black_box(record)))));
    done.map(|()| took)
}

fn encoding(codec: &Codec, record: &PodObserved, count: usize) -> anyhow::Result<Duration> {
    let mut out = Vec::new();
    let (done, took) = timed(|| {
        (0..count).try_for_each(|_| {
            out.clear();
            codec.encode_into(black_box(record), &mut out)
        })
    });
    done?;
    Ok(took)
}
