//! The cases that we do not run, and for want of what.

/// Case and feature.
pub(crate) const LACKING: &[(&str, &str)] = &[
    ("PreemptionPodGroupDisruptionMode", "pod groups"),
    ("SchedulingSecrets", "volumes"),
    ("SchedulingInTreePVs", "volume claims and attach limits"),
    ("SchedulingMigratedInTreePVs", "volume claims and attach limits"),
    ("SchedulingCSIPVs", "volume claims and attach limits"),
    ("GangScheduling", "pod groups"),
    ("BasicScheduling", "pod groups"),
    ("TopologyAwareScheduling", "pod groups"),
    ("ExtendedResource_25Classes", "device classes"),
    ("ExtendedResource_50Classes", "device classes"),
    ("SchedulingWithResourceClaimTemplate", "device claims"),
    ("SteadyStateClusterResourceClaimTemplate", "device claims"),
    ("NodeDeclaredFeatures", "features declared by nodes"),
    ("EventHandlingPodDelete", "volume claims and attach limits"),
    ("EventHandlingPodUpdate", "resizing in place"),
];
