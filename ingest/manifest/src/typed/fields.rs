//! The field table: for every field of every managed kind, whether we act upon it, whether it is
//! without effect on what runs, or whether it changes what runs and we do not act upon it.
//!
//! Guarantee: a test walks the Kubernetes types of every managed kind and fails when a field has
//! no row, so a newer Kubernetes cannot bring a field past this table. A field without a row is
//! taken to change what runs.

use super::effect::Effect::{self, Acted, Changes, Harmless};
use super::effect::When::{self, Filled, Not, Present, Unlike};

/// The effect of a field of a type.
pub(crate) fn effect(owner: &str, field: &str) -> Effect {
    let row = FIELDS.iter().find(|(name, _)| *name == owner);
    let fields = row.map_or(&[][..], |(_, fields)| fields);
    let found = fields.iter().find(|(names, _)| names.split(' ').any(|name| name == field));
    found.map_or(Changes(When::Present, "no rule for this field"), |(_, effect)| *effect)
}

/// Rows of one type: names of fields, and what they do.
type Fields = &'static [(&'static str, Effect)];

const VOLUME: &str = "this type of volume is not supported";
const DRIVEN: &str = "no node mounts it by itself: mount it on a node, and say its path there by local or \
                      hostPath";
const BALANCER: &str = "no load balancer is made";
const NETWORK: &str = "a pod's name follows from its hostname";
const OWNER: &str = "files belong to root";
const SECURITY: &str = "it is not applied";
const TOKEN: &str = "no pod speaks to the API as itself, so none has a token; one of the server's token \
                     file in a Secret does for those that are to speak to it";
const CERTIFICATES: &str = "certificates are not given out";

/// By type, as Kubernetes names it.
pub(crate) const FIELDS: &[(&str, Fields)] = &[
    ("Deployment", OBJECT),
    ("ReplicaSet", OBJECT),
    ("ReplicationController", OBJECT),
    ("DaemonSet", OBJECT),
    ("Job", OBJECT),
    ("CronJob", OBJECT),
    ("StatefulSet", OBJECT),
    ("Pod", OBJECT),
    ("Namespace", &[("apiVersion kind metadata status spec", Harmless)]),
    ("Node", OBJECT),
    ("ConfigMap", &[("apiVersion kind metadata immutable", Harmless), ("data binaryData", Acted)]),
    (
        "Secret",
        &[("apiVersion kind metadata immutable type", Harmless), ("data stringData", Acted)],
    ),
    ("PodDisruptionBudget", OBJECT),
    ("ResourceQuota", OBJECT),
    ("ResourceQuotaSpec", &[("hard scopes scopeSelector", Acted)]),
    ("ScopeSelector", &[("matchExpressions", Acted)]),
    ("ScopedResourceSelectorRequirement", &[("scopeName operator values", Acted)]),
    ("LimitRange", &[("apiVersion kind metadata", Harmless), ("spec", Acted)]),
    ("LimitRangeSpec", &[("limits", Acted)]),
    ("LimitRangeItem", &[("type default defaultRequest min max maxLimitRequestRatio", Acted)]),
    ("Service", OBJECT),
    (
        "ServiceSpec",
        &[
            (
                "type clusterIP clusterIPs externalName externalTrafficPolicy \
                 internalTrafficPolicy ipFamilies ipFamilyPolicy ports publishNotReadyAddresses \
                 selector sessionAffinity sessionAffinityConfig",
                Acted,
            ),
            // Where there is a choice any endpoint will do.
            ("trafficDistribution", Harmless),
            ("externalIPs", Changes(Filled, "nodes listen on their own addresses only")),
            ("loadBalancerClass loadBalancerIP", Changes(Filled, BALANCER)),
            ("loadBalancerSourceRanges", Changes(Filled, BALANCER)),
            ("allocateLoadBalancerNodePorts", Changes(Unlike("true"), BALANCER)),
            ("healthCheckNodePort", Changes(Not("0"), BALANCER)),
        ],
    ),
    (
        "ServicePort",
        // What is spoken there is not looked at.
        &[("name port protocol targetPort nodePort", Acted), ("appProtocol", Harmless)],
    ),
    ("SessionAffinityConfig", &[("clientIP", Acted)]),
    ("ClientIPConfig", &[("timeoutSeconds", Acted)]),
    (
        "PriorityClass",
        &[
            ("apiVersion kind metadata description", Harmless),
            ("value globalDefault preemptionPolicy", Acted),
        ],
    ),
    (
        "PodDisruptionBudgetSpec",
        &[
            ("minAvailable maxUnavailable selector", Acted),
            // Which unhealthy pods may be evicted on request; preemption asks no such thing.
            ("unhealthyPodEvictionPolicy", Acted),
        ],
    ),
    (
        "DeploymentSpec",
        &[(
            "replicas selector template strategy minReadySeconds revisionHistoryLimit paused \
             progressDeadlineSeconds",
            Acted,
        )],
    ),
    ("ReplicaSetSpec", &[("replicas minReadySeconds selector template", Acted)]),
    ("ReplicationControllerSpec", &[("replicas minReadySeconds selector template", Acted)]),
    (
        "DaemonSetSpec",
        &[("selector template updateStrategy minReadySeconds revisionHistoryLimit", Acted)],
    ),
    (
        "JobSpec",
        &[
            (
                "parallelism completions completionMode backoffLimit backoffLimitPerIndex \
                 maxFailedIndexes activeDeadlineSeconds ttlSecondsAfterFinished podFailurePolicy \
                 podReplacementPolicy successPolicy suspend template",
                Acted,
            ),
            // A Job's pods are known by their owner, whatever they are labelled.
            ("selector manualSelector", Harmless),
            (
                "managedBy",
                Changes(Not("kubernetes.io/job-controller"), "Jobs have no other controller here"),
            ),
            ("scheduling", Changes(Filled, "pods are placed one by one")),
        ],
    ),
    ("PodFailurePolicy", &[("rules", Acted)]),
    ("PodFailurePolicyRule", &[("action onExitCodes onPodConditions", Acted)]),
    ("PodFailurePolicyOnExitCodesRequirement", &[("containerName operator values", Acted)]),
    ("PodFailurePolicyOnPodConditionsPattern", &[("type status", Acted)]),
    ("SuccessPolicy", &[("rules", Acted)]),
    ("SuccessPolicyRule", &[("succeededIndexes succeededCount", Acted)]),
    (
        "CronJobSpec",
        &[(
            "schedule timeZone concurrencyPolicy startingDeadlineSeconds suspend jobTemplate \
             successfulJobsHistoryLimit failedJobsHistoryLimit",
            Acted,
        )],
    ),
    ("JobTemplateSpec", &[("metadata", Harmless), ("spec", Acted)]),
    (
        "StatefulSetSpec",
        &[(
            "replicas selector template serviceName podManagementPolicy updateStrategy \
                 minReadySeconds revisionHistoryLimit ordinals volumeClaimTemplates \
                 persistentVolumeClaimRetentionPolicy",
            Acted,
        )],
    ),
    ("StatefulSetPersistentVolumeClaimRetentionPolicy", &[("whenDeleted whenScaled", Acted)]),
    ("StatefulSetOrdinals", &[("start", Acted)]),
    ("StatefulSetUpdateStrategy", &[("type rollingUpdate", Acted)]),
    ("RollingUpdateStatefulSetStrategy", &[("maxUnavailable partition", Acted)]),
    ("DeploymentStrategy", &[("type rollingUpdate", Acted)]),
    ("DaemonSetUpdateStrategy", &[("type rollingUpdate", Acted)]),
    ("RollingUpdateDeployment", &[("maxSurge maxUnavailable", Acted)]),
    ("RollingUpdateDaemonSet", &[("maxSurge maxUnavailable", Acted)]),
    (
        "NodeSpec",
        &[
            ("taints unschedulable", Acted),
            ("podPreemptionPolicy", Changes(Filled, "a node does not say who is preempted on it")),
            ("podCIDR podCIDRs providerID externalID configSource", Harmless),
        ],
    ),
    ("Taint", &[("key value effect timeAdded", Acted)]),
    ("PodTemplateSpec", &[("metadata", Harmless), ("spec", Acted)]),
    ("PodSpec", POD_SPEC),
    ("Container", CONTAINER),
    ("PodSecurityContext", POD_SECURITY),
    ("SecurityContext", SECURITY_CONTEXT),
    ("ContainerPort", &[("name containerPort hostPort hostIP protocol", Acted)]),
    ("EnvVar", &[("name value valueFrom", Acted)]),
    (
        "EnvVarSource",
        &[
            ("configMapKeyRef secretKeyRef fieldRef resourceFieldRef", Acted),
            ("fileKeyRef", Changes(Present, "environment from files is not supported")),
        ],
    ),
    ("ConfigMapKeySelector", &[("name key optional", Acted)]),
    ("SecretKeySelector", &[("name key optional", Acted)]),
    ("EnvFromSource", &[("prefix configMapRef secretRef", Acted)]),
    ("ConfigMapEnvSource", &[("name optional", Acted)]),
    ("SecretEnvSource", &[("name optional", Acted)]),
    (
        "ResourceRequirements",
        &[
            ("limits requests", Acted),
            ("claims", Changes(Filled, "claims on devices are not supported")),
        ],
    ),
    (
        "VolumeMount",
        &[
            ("name mountPath subPath subPathExpr readOnly mountPropagation", Acted),
            ("recursiveReadOnly", Changes(Not("Disabled"), "it is not supported")),
            ("bindMountOptions", Changes(Filled, "it is not supported")),
        ],
    ),
    (
        "Volume",
        &[
            (
                "name configMap secret emptyDir hostPath downwardAPI projected \
                 persistentVolumeClaim ephemeral",
                Acted,
            ),
            (
                "awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume \
                 flocker gcePersistentDisk gitRepo glusterfs image iscsi nfs \
                 photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume",
                Changes(Present, VOLUME),
            ),
        ],
    ),
    ("EmptyDirVolumeSource", &[("medium mode sizeLimit", Acted)]),
    ("EphemeralVolumeSource", &[("volumeClaimTemplate", Acted)]),
    ("PersistentVolumeClaimTemplate", &[("metadata", Harmless), ("spec", Acted)]),
    ("HostPathVolumeSource", &[("path type", Acted)]),
    ("PersistentVolumeClaimVolumeSource", &[("claimName readOnly", Acted)]),
    ("PersistentVolumeClaim", OBJECT),
    (
        "PersistentVolumeClaimSpec",
        &[
            ("accessModes resources selector storageClassName volumeName", Acted),
            ("volumeMode", Changes(Not("Filesystem"), "block devices are not supported")),
            ("dataSource dataSourceRef", Changes(Filled, "a claim begins empty")),
            ("volumeAttributesClassName", Changes(Filled, "a folder has no attributes")),
        ],
    ),
    ("PersistentVolume", OBJECT),
    (
        "PersistentVolumeSpec",
        &[
            (
                "accessModes capacity claimRef hostPath local nodeAffinity \
                 persistentVolumeReclaimPolicy storageClassName",
                Acted,
            ),
            ("volumeMode", Changes(Not("Filesystem"), "block devices are not supported")),
            ("mountOptions", Changes(Filled, "a folder of a node is not mounted")),
            ("volumeAttributesClassName", Changes(Filled, "a folder has no attributes")),
            (
                "awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume flocker \
                 gcePersistentDisk glusterfs iscsi nfs photonPersistentDisk portworxVolume quobyte \
                 rbd scaleIO storageos vsphereVolume",
                Changes(Present, DRIVEN),
            ),
        ],
    ),
    // A type of file system is for a device; what is served is a folder.
    ("LocalVolumeSource", &[("path", Acted), ("fsType", Harmless)]),
    ("VolumeNodeAffinity", &[("required", Acted)]),
    (
        "ObjectReference",
        &[("name namespace uid", Acted), ("apiVersion kind fieldPath resourceVersion", Harmless)],
    ),
    ("VolumeResourceRequirements", &[("limits", Harmless), ("requests", Acted)]),
    (
        "StorageClass",
        &[
            ("apiVersion kind metadata", Harmless),
            // Whose claims are not answered for wait, and say so; what another provisioner is told
            // is its own.
            ("provisioner reclaimPolicy volumeBindingMode allowVolumeExpansion", Acted),
            ("parameters mountOptions allowedTopologies", Harmless),
        ],
    ),
    (
        "DownwardAPIVolumeSource",
        &[("items defaultMode", Acted), ("defaultUser", Changes(Present, OWNER))],
    ),
    (
        "DownwardAPIVolumeFile",
        &[("path fieldRef resourceFieldRef mode", Acted), ("user", Changes(Present, OWNER))],
    ),
    (
        "ProjectedVolumeSource",
        &[("sources defaultMode", Acted), ("defaultUser", Changes(Present, OWNER))],
    ),
    (
        "VolumeProjection",
        &[
            ("configMap secret downwardAPI", Acted),
            ("serviceAccountToken", Changes(Present, TOKEN)),
            ("clusterTrustBundle podCertificate", Changes(Present, CERTIFICATES)),
        ],
    ),
    ("ConfigMapProjection", &[("name items optional", Acted)]),
    ("SecretProjection", &[("name items optional", Acted)]),
    ("DownwardAPIProjection", &[("items", Acted)]),
    // There is only one version of a pod's fields.
    ("ObjectFieldSelector", &[("apiVersion", Harmless), ("fieldPath", Acted)]),
    ("ResourceFieldSelector", &[("containerName resource divisor", Acted)]),
    ("Capabilities", &[("add drop", Acted)]),
    ("SeccompProfile", &[("type localhostProfile", Acted)]),
    ("AppArmorProfile", &[("type localhostProfile", Acted)]),
    ("Sysctl", &[("name value", Acted)]),
    ("PodDNSConfig", &[("nameservers searches options", Acted)]),
    ("PodDNSConfigOption", &[("name value", Acted)]),
    ("HostAlias", &[("ip hostnames", Acted)]),
    (
        "ConfigMapVolumeSource",
        &[("name items optional defaultMode", Acted), ("defaultUser", Changes(Present, OWNER))],
    ),
    (
        "SecretVolumeSource",
        &[
            ("secretName items optional defaultMode", Acted),
            ("defaultUser", Changes(Present, OWNER)),
        ],
    ),
    ("KeyToPath", &[("key path mode", Acted), ("user", Changes(Present, OWNER))]),
    (
        "Probe",
        &[(
            "exec httpGet tcpSocket grpc initialDelaySeconds timeoutSeconds periodSeconds \
             successThreshold failureThreshold terminationGracePeriodSeconds",
            Acted,
        )],
    ),
    (
        "Lifecycle",
        &[
            ("postStart preStop", Acted),
            (
                "stopSignal",
                Changes(Not("SIGTERM"), "a container is asked to end as its image says"),
            ),
        ],
    ),
    (
        "LifecycleHandler",
        &[
            ("exec httpGet sleep", Acted),
            ("tcpSocket", Changes(Present, "no such hook is run; Kubernetes deprecates it")),
        ],
    ),
    ("SleepAction", &[("seconds", Acted)]),
    ("ExecAction", &[("command", Acted)]),
    (
        "HTTPGetAction",
        &[
            ("path port host scheme httpHeaders", Acted),
            ("protocol", Changes(Filled, "probes of HTTP are asked by its version 1.1")),
        ],
    ),
    ("HTTPHeader", &[("name value", Acted)]),
    ("TCPSocketAction", &[("port host", Acted)]),
    (
        "GRPCAction",
        &[
            ("port service", Acted),
            ("mode", Changes(Not("Plaintext"), "probes of gRPC are asked without TLS")),
        ],
    ),
    ("Affinity", &[("nodeAffinity podAffinity podAntiAffinity", Acted)]),
    ("NodeAffinity", &[(BOTH_SCHEDULING, Acted)]),
    ("PodAffinity", &[(BOTH_SCHEDULING, Acted)]),
    ("PodAntiAffinity", &[(BOTH_SCHEDULING, Acted)]),
    ("NodeSelector", &[("nodeSelectorTerms", Acted)]),
    ("NodeSelectorTerm", &[("matchExpressions matchFields", Acted)]),
    ("NodeSelectorRequirement", &[("key operator values", Acted)]),
    ("PreferredSchedulingTerm", &[("weight preference", Acted)]),
    (
        "PodAffinityTerm",
        &[(
            "labelSelector topologyKey namespaces namespaceSelector matchLabelKeys \
             mismatchLabelKeys",
            Acted,
        )],
    ),
    ("WeightedPodAffinityTerm", &[("weight podAffinityTerm", Acted)]),
    ("LabelSelector", &[("matchLabels matchExpressions", Acted)]),
    ("LabelSelectorRequirement", &[("key operator values", Acted)]),
    ("PodSchedulingGate", &[("name", Acted)]),
    ("PodReadinessGate", &[("conditionType", Acted)]),
    ("LocalObjectReference", &[("name", Acted)]),
    ("Toleration", &[("key operator value effect tolerationSeconds", Acted)]),
    (
        "TopologySpreadConstraint",
        &[(
            "maxSkew topologyKey whenUnsatisfiable labelSelector minDomains nodeAffinityPolicy \
             nodeTaintsPolicy matchLabelKeys",
            Acted,
        )],
    ),
];

const OBJECT: Fields = &[("apiVersion kind metadata status", Harmless), ("spec", Acted)];

const BOTH_SCHEDULING: &str = "requiredDuringSchedulingIgnoredDuringExecution \
                               preferredDuringSchedulingIgnoredDuringExecution";

const POD_SPEC: Fields = &[
    (
        "containers volumes restartPolicy terminationGracePeriodSeconds nodeSelector nodeName \
         affinity tolerations topologySpreadConstraints schedulingGates priority priorityClassName \
         preemptionPolicy hostNetwork hostname securityContext dnsPolicy dnsConfig hostAliases \
         subdomain setHostnameAsFQDN hostIPC hostPID shareProcessNamespace",
        Acted,
    ),
    // The account's name is told to who asks for it.
    ("serviceAccount serviceAccountName", Acted),
    // No pod speaks to an API as itself: it says nothing about what runs.
    ("automountServiceAccountToken", Harmless),
    ("enableServiceLinks initContainers activeDeadlineSeconds", Acted),
    ("ephemeralContainers", Changes(Filled, "ephemeral containers are not supported")),
    ("hostnameOverride", Changes(Filled, NETWORK)),
    ("hostUsers", Changes(Unlike("true"), "user namespaces are not supported")),
    ("imagePullSecrets", Acted),
    ("os", Changes(Filled, "the operating system is not looked at")),
    ("overhead", Changes(Filled, "the overhead of a runtime is not counted")),
    ("runtimeClassName", Changes(Filled, "runtime classes are not supported")),
    ("readinessGates", Acted),
    ("schedulingGroup", Changes(Filled, "pods are placed one by one")),
    ("evictionResponders", Changes(Filled, "nobody is asked before an eviction")),
    ("schedulerName", Changes(Not("default-scheduler"), "there is only one scheduler")),
    ("resourceClaims", Changes(Filled, "claims on devices are not supported")),
    ("resources", Changes(Filled, "resources are counted by container only")),
];

const CONTAINER: Fields = &[
    (
        "name image imagePullPolicy command args workingDir env envFrom ports resources \
         volumeMounts securityContext stdin stdinOnce tty terminationMessagePath \
         terminationMessagePolicy",
        Acted,
    ),
    // How a resize would go: nothing of what runs.
    ("resizePolicy", Harmless),
    ("livenessProbe readinessProbe startupProbe", Acted),
    // The policy is an init container's; the gate refuses it elsewhere.
    ("lifecycle restartPolicy", Acted),
    (
        "restartPolicyRules",
        Changes(Filled, "a container restarts by one policy, whatever its exit code"),
    ),
    ("volumeDevices", Changes(Filled, "block devices are not supported")),
];

const POD_SECURITY: Fields = &[
    (
        "runAsUser runAsGroup runAsNonRoot fsGroup supplementalGroups sysctls seccompProfile \
         appArmorProfile",
        Acted,
    ),
    // The group is given when a volume is made, and only to volumes that begin empty.
    ("fsGroupChangePolicy", Harmless),
    ("supplementalGroupsPolicy", Changes(Not("Merge"), "an image's own groups count, too")),
    ("seLinuxOptions", Changes(Filled, SECURITY)),
    ("seLinuxChangePolicy", Changes(Filled, SECURITY)),
    ("windowsOptions", Changes(Filled, SECURITY)),
];

const SECURITY_CONTEXT: Fields = &[
    (
        "runAsUser runAsGroup runAsNonRoot allowPrivilegeEscalation privileged \
         readOnlyRootFilesystem capabilities procMount seccompProfile appArmorProfile",
        Acted,
    ),
    ("seLinuxOptions", Changes(Filled, SECURITY)),
    ("windowsOptions", Changes(Filled, SECURITY)),
];
