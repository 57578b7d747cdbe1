//! The records of the log: one row a record, and what each says of itself.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    Alert, AlertState, DeadLetter, Decision, EpochRecord, Lease, NodeRecord, NodeSnapshot,
    Placement, PodObserved, Request, Resource, Topic, UsageSample,
};

/// A type whose values are records of the log.
pub trait Record: Serialize + DeserializeOwned {
    /// Which record it is.
    const KIND: RecordKind;
    /// The record's short name, which is also its schema's file name.
    const NAME: &'static str = Self::KIND.name();

    /// The current Avro schema, as JSON.
    #[must_use]
    fn schema_json() -> &'static str {
        Self::KIND.schema_json()
    }

    /// An id of this event, made of its own fields: the same event always has the same id.
    fn event_id(&self) -> String;

    /// When it happened, milliseconds since 1970.
    fn event_time_ms(&self) -> i64;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $topic:ident),+ $(,)?) => {
        /// A record of the log. The order is that of the schema table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RecordKind {
            $($(#[$doc])* $kind,)+
        }

        impl RecordKind {
            /// All records.
            pub const ALL: &[RecordKind] = &[$(RecordKind::$kind),+];

            /// The short name, such as `pod_observed`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(RecordKind::$kind => $name,)+ }
            }

            /// The topic that carries it.
            #[must_use]
            pub const fn topic(self) -> Topic {
                match self { $(RecordKind::$kind => Topic::$topic,)+ }
            }

            /// The current Avro schema, as JSON.
            #[must_use]
            pub const fn schema_json(self) -> &'static str {
                match self {
                    $(RecordKind::$kind => include_str!(concat!("../../avro/", $name, ".avsc")),)+
                }
            }
        }
    };
}

kinds! {
    /// [`Request`].
    Request "request" Requests,
    /// [`NodeRecord`].
    Node "node" Nodes,
    /// [`Lease`].
    Lease "lease" Leases,
    /// [`PodObserved`].
    PodObserved "pod_observed" Pods,
    /// [`NodeSnapshot`].
    NodeSnapshot "node_snapshot" Pods,
    /// [`Resource`].
    Desired "desired" Desired,
    /// [`Placement`].
    Placement "placement" Placements,
    /// [`EpochRecord`].
    Epoch "epoch" Epochs,
    /// [`Decision`].
    Decision "decision" Decisions,
    /// [`UsageSample`].
    UsageSample "usage_sample" Telemetry,
    /// [`Alert`].
    Alert "alert" Alerts,
    /// [`DeadLetter`].
    DeadLetter "dead_letter" DeadLetter,
}

macro_rules! record {
    ($type:ty, $kind:ident, $time:ident, |$value:ident| $id:expr) => {
        impl Record for $type {
            const KIND: RecordKind = RecordKind::$kind;
            fn event_id(&self) -> String {
                let $value = self;
                $id
            }
            fn event_time_ms(&self) -> i64 {
                self.$time
            }
        }
    };
}

record!(Request, Request, time_ms, |r| r.id.to_string());
record!(NodeRecord, Node, time_ms, |n| format!("{}/{}/{}", n.node, n.session, n.time_ms));
record!(Lease, Lease, time_ms, |l| format!("{}/{}/{}", l.node, l.session, l.sequence));
record!(PodObserved, PodObserved, time_ms, |p| format!("{}/{}/{}", p.uid, p.session, p.sequence));
record!(NodeSnapshot, NodeSnapshot, time_ms, |s| {
    format!("{}/{}/{}", s.node, s.session, s.sequence)
});
record!(Resource, Desired, created_ms, |r| format!("{}@{}", r.uid, r.version));
record!(Placement, Placement, placed_ms, |p| format!("{}/{}/{}", p.uid, p.epoch, p.generation));
record!(EpochRecord, Epoch, time_ms, |e| format!("{}/{}", e.term, e.number));
record!(Decision, Decision, time_ms, |d| format!("{}/{}/{}", d.term, d.epoch, d.sequence));
record!(UsageSample, UsageSample, time_ms, |u| {
    format!("{}/{}/{}", u.uid, u.container, u.time_ms)
});
record!(DeadLetter, DeadLetter, time_ms, |d| format!("{}/{}@{}", d.topic, d.partition, d.offset));

impl Record for Alert {
    const KIND: RecordKind = RecordKind::Alert;

    fn event_id(&self) -> String {
        format!("{}/{}/{}", self.fingerprint, self.starts_ms, self.ends_ms)
    }

    fn event_time_ms(&self) -> i64 {
        match self.state {
            AlertState::Firing => self.starts_ms,
            AlertState::Resolved => self.ends_ms,
        }
    }
}
