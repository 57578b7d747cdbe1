//! The nouns of the house: ids, resources, events, placements, decisions, and their Avro schemas.
//!
//! Guarantee: a value of these types is well formed; it was parsed at the door.
//! Absent: I/O, clocks, randomness, decisions.

mod bounds;
mod id;
mod pod_uid;
mod position;
mod topic;

mod quantity;
mod threshold;
mod resources;

mod resource;
mod server_fields;
mod pod_spec;
mod qos;
mod pod_condition;
mod readiness_gate;
mod pull_secret;
mod restart_policy;
mod retries;
mod leaving;
mod lifecycle;
mod volume;
mod claim;
mod persistent_volume;
mod downward;
mod security;
mod names;
mod probe;
mod scheduling;
mod priority;
mod workload;
mod job;
mod dependency;

mod request;
mod device;
mod device_ask;
mod node;
mod observed;
mod placement;
mod decision;
mod epoch;
mod exit_codes;
mod telemetry;
mod alert;
mod dead_letter;
mod observation;
mod input;
mod policy;
mod service_range;
mod wire;
pub mod call;

pub mod avro;
pub mod cloudevents;
pub mod samples;

pub use alert::{Alert, AlertState};
pub use bounds::{
    CAUSE_BYTES_MAX, HISTORY_BYTES_MAX, REASON_BYTES_MAX, RECORD_BYTES_MAX, RESOURCE_BYTES_MAX, cut,
};
pub use claim::{
    CLAIM_FINALIZER, ClaimStatus, LOCAL_CLASS, LOCAL_PROVISIONER, MadeWith, SELECTED_NODE,
    VOLUME_FINALIZER, VolumeStatus,
};
pub use dead_letter::DeadLetter;
pub use decision::{Action, Alternative, Cause, Decision};
pub use dependency::{DEPENDENCIES_MAX, DEPENDS_ON, Dependency, DependsCondition};
pub use device::{
    DEVICE_MILLI, DEVICES_MAX, Device, GPU, GPU_MILLI, GPU_MODEL, GPU_PRODUCT, InvalidDeviceText,
    InvalidDevices, TakenDevice, add_devices, check_devices,
};
pub use device_ask::{DeviceAsk, InvalidDeviceAsk, models_of};
pub use downward::{FieldRef, ResourceFieldRef};
pub use epoch::{CutEntry, EpochRecord, RefusedEntry};
pub use exit_codes::{EXEMPT_CODES, ExitCodes};
pub use id::{
    FleetId, InvalidId, LABEL_BYTES_MAX, NAME_BYTES_MAX, Namespace, NodeName, RequestId,
    ResourceName, SessionId,
};
pub use input::{Input, Sourced};
pub use job::{
    CATCH_UP, COMPLETION_INDEX, COMPLETION_INDEX_ENV, CronJobSpec, FINISHED, INDEX_FAILURES,
    JOB_NAME_LABELS, JobSpec, OnExitCodes, OnPodCondition, PodFailurePolicy, PodFailureRule,
    SCHEDULED_AT, SuccessPolicy, SuccessRule,
};
pub use leaving::LEAVING;
pub use lifecycle::{Hook, Lifecycle, SleepAction};
pub use names::{DnsConfig, DnsOption, HostAlias};
pub use node::{
    AMOUNT_MAX, Condition, ConditionStatus, DISK_PRESSURE, FENCE_LABEL, FERRY_LABEL, InvalidNode,
    Lease, MEMORY_PRESSURE, NodeRecord, PID_PRESSURE, RUNTIME_LABEL, WATCHED_LABEL,
};
pub use observation::{ContainerDetails, Containers, Details, EndDetails, Observation};
pub use observed::{
    ContainerEnd, ContainerObserved, ContainerState, DEADLINE_EXCEEDED, EVICTED, NodeSnapshot,
    PodObserved, PodPhase,
};
pub use persistent_volume::{
    ClaimRef, LocalSource, PersistentVolumeSpec, VOLUME_SOURCE, VolumeNodeAffinity, VolumeSource,
    is_made_folder,
};
pub use placement::{Pattern, Placement, WorkloadRef};
pub use pod_condition::{
    CONDITIONS_GONE_BY, OBSERVED_CONDITIONS, POD_CONDITIONS, POD_CONDITIONS_MAX, PodCondition,
    gates_are_open,
};
pub use pod_spec::{
    Container, ContainerPort, EnvFromSource, EnvVar, EnvVarSource, KeyRef, ObjectRef, PodSpec,
    ResourceRequirements,
};
pub use pod_uid::{PodUid, UidText};
pub use policy::Policy;
pub use position::{Cut, Position};
pub use priority::{PRIORITY_MAX, SYSTEM_PRIORITIES, system_priority};
pub use probe::{
    ExecAction, GrpcAction, HttpGetAction, HttpHeader, IMAGE_CHECK, IMAGE_CHECK_OFF, Probe,
    ProbePort, TcpSocketAction,
};
pub use pull_secret::PullSecret;
pub use quantity::{InvalidQuantity, Quantity};
pub use readiness_gate::ReadinessGate;
pub use request::{REQUEST_BYTES_MAX, Request, RequestItem, Verb};
pub use resource::{GroupKind, Resource, ResourceKey, Standing};
pub use resources::Resources;
pub use restart_policy::RestartPolicy;
pub use retries::{RESCHEDULE, RESTART, Retries};
pub use scheduling::{
    Affinity, LabelSelector, LabelSelectorRequirement, NodeAffinity, NodeSelector,
    NodeSelectorRequirement, NodeSelectorTerm, PodAffinity, PodAffinityTerm,
    PreferredSchedulingTerm, SchedulingGate, SelectorOperator, Taint, TaintEffect, Toleration,
    TolerationOperator, TopologySpreadConstraint, WeightedPodAffinityTerm, WhenUnsatisfiable,
};
pub use security::{Capabilities, PodSecurity, Profile, Security, Sysctl};
pub use server_fields::{strip_server_fields, strip_server_metadata};
pub use service_range::{InvalidServiceRange, ServiceRange};
pub use telemetry::UsageSample;
pub use threshold::{InvalidThreshold, Threshold};
pub use topic::{Cleanup, Topic};
pub use volume::{
    ClaimSource, ConfigMapSource, DownwardFile, DownwardSource, EmptyDirSource, EphemeralSource,
    HostPathSource, KeyToPath, ObjectFiles, ProjectedSource, Projection, SecretSource, Volume,
    VolumeMount,
};
pub use wire::{NodeAnswer, NodeReport, PlacementList};
pub use workload::{
    ClaimRetention, ClaimTemplate, DeploymentStrategy, IntOrPercent, ObjectMeta, Ordinals,
    PodManagement, PodTemplate, RollingUpdate, StrategyKind, UpdateOrder, WorkloadSpec,
};
