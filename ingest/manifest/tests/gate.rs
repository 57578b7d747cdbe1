//! The gate's judgements, as data: a manifest and what is said of it.

use expect_test::{Expect, expect};
use setpoint_ingest_manifest::{LoadOptions, Source, load};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n";

fn judged(text: &str, options: &LoadOptions) -> String {
    let source = Source::Text { name: "web.yaml".into(), text: text.into() };
    let lines = match load(&[source], options) {
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
        Ok(accepted) => accepted
            .iter()
            .flat_map(|(_, gated)| {
                let ignored =
                    gated.ignored.iter().map(|i| format!("ignored {}: {}", i.path, i.reason));
                let warnings = gated.warnings.iter().map(|warning| format!("warning: {warning}"));
                std::iter::once(format!("{:?} {}", gated.standing, gated.key))
                    .chain(ignored)
                    .chain(warnings)
                    .collect::<Vec<_>>()
            })
            .collect::<Vec<_>>(),
    };
    lines.join("\n") + "\n"
}

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&judged(text, &LoadOptions::default()));
}

fn deployment(spec: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  selector: \
         {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    \
         spec: {{containers: [{{name: web, image: web}}]}}\n{spec}"
    )
}

#[test]
fn a_sound_manifest_is_managed_and_its_namespace_is_set() {
    check(
        &deployment("  replicas: 6\n"),
        &expect![[r"
        Managed apps/Deployment/default/web
    "]],
    );
}

#[test]
fn each_problem_names_file_document_path_and_reason() {
    let text = format!("{}---\n{}", deployment(""), deployment("  replicass: 6\n  paused: 3\n"));
    check(
        &text,
        &expect![[r"
        web.yaml: document 2: spec.replicass: unknown field
        web.yaml: document 2: spec.paused: expected true or false, found a number
    "]],
    );
    check(
        &format!("{POD}spec: {{containers: [{{name: a, image: 1.5}}]}}\n"),
        &expect![[r"
        web.yaml: document 1: spec.containers[0].image: expected a string, found a number
    "]],
    );
}

#[test]
fn a_field_that_changes_what_runs_is_refused_unless_it_may_be_ignored() {
    let text = format!(
        "{POD}spec:\n  containers: [{{name: a, image: a, stdin: false, volumeDevices: [{{name: b, \
         devicePath: /b}}]}}]\n  volumes: [{{name: v, nfs: {{server: s, path: /}}}}]\n  \
         serviceAccountName: me\n  hostPID: false\n"
    );
    check(
        &text,
        &expect![[r#"
            web.yaml: document 1: spec.containers[0].volumeDevices: block devices are not supported; it changes what runs (--allow-ignored accepts it without effect)
            web.yaml: document 1: spec.volumes[0].nfs: this type of volume is not supported; it changes what runs (--allow-ignored accepts it without effect)
        "#]],
    );
    let mut options = LoadOptions::default();
    options.gate.allow_ignored = true;
    expect![[r#"
        Managed core/Pod/default/web
        ignored spec.containers[0].volumeDevices: block devices are not supported
        ignored spec.volumes[0].nfs: this type of volume is not supported
    "#]]
    .assert_eq(&judged(&text, &options));
}

#[test]
fn values_are_held_to_what_the_api_server_holds_them_to() {
    let text = format!(
        "{POD}spec:\n  restartPolicy: Sometimes\n  nodeSelector: {{\"a b\": c}}\n  containers:\n  - \
         name: A\n    image: a\n    ports: [{{containerPort: 70000}}, {{containerPort: 80, \
         protocol: HTTP}}]\n    env: [{{name: \"A=B\"}}]\n    resources:\n      requests: {{cpu: 2, \
         memory: -1}}\n      limits: {{cpu: 1500m}}\n    volumeMounts: [{{name: gone, mountPath: \
         /x}}]\n"
    );
    check(
        &text,
        &expect![[r#"
        web.yaml: document 1: spec.containers[0].name: "A" must be lowercase letters, digits and '-', and begin and end with a letter or digit
        web.yaml: document 1: spec.containers[0].ports[0].containerPort: must be a port from 1 to 65535
        web.yaml: document 1: spec.containers[0].ports[1].protocol: "HTTP" is none of TCP, UDP, SCTP
        web.yaml: document 1: spec.containers[0].env[0].name: "A=B" must be printable ASCII without '='
        web.yaml: document 1: spec.containers[0].resources.requests.memory: is -1 and must not be negative
        web.yaml: document 1: spec.containers[0].resources.requests.cpu: is above its limit 1500m
        web.yaml: document 1: spec.containers[0].volumeMounts[0].name: no volume has this name
        web.yaml: document 1: spec.restartPolicy: "Sometimes" is none of Always, OnFailure, Never
        web.yaml: document 1: spec.nodeSelector[a b]: the key "a b" must be at most 63 letters, digits, '-', '_' and '.', and begin and end with a letter or digit
    "#]],
    );
}

#[test]
fn a_namespace_has_its_name_as_a_label() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team, labels: {a: b}}\n";
    let source = Source::Text { name: "web.yaml".into(), text: text.into() };
    let accepted = load(&[source], &LoadOptions::default()).expect("it is sound");
    let (_, gated) = accepted.first().expect("one object");
    let labels = &gated.object["metadata"]["labels"];
    assert_eq!(*labels, serde_json::json!({"a": "b", "kubernetes.io/metadata.name": "team"}));
}

#[test]
fn no_more_than_all_pods_may_be_unavailable() {
    for (unavailable, judgement) in [
        ("100%", "Managed apps/Deployment/default/web\n"),
        ("200", "Managed apps/Deployment/default/web\n"),
        (
            "101%",
            "web.yaml: document 1: spec.strategy.rollingUpdate.maxUnavailable: must not be greater than 100%\n",
        ),
    ] {
        let spec = format!(
            "  strategy: {{type: RollingUpdate, rollingUpdate: {{maxSurge: 200%, \
             maxUnavailable: {unavailable}}}}}\n"
        );
        let found = judged(&deployment(&spec), &LoadOptions::default());
        assert_eq!(found, judgement, "{unavailable}");
    }
}

#[test]
fn a_daemon_set_starts_no_pod_before_the_one_that_it_replaces_stops() {
    let set = |amounts: &str| {
        let spec = format!("  updateStrategy: {{rollingUpdate: {{{amounts}}}}}\n");
        deployment(&spec).replace("kind: Deployment", "kind: DaemonSet")
    };
    for amounts in ["maxUnavailable: 2", "maxUnavailable: 10%, maxSurge: 0"] {
        let found = judged(&set(amounts), &LoadOptions::default());
        assert_eq!(found, "Managed apps/DaemonSet/default/web\n", "{amounts}");
    }
    check(
        &set("maxUnavailable: 0, maxSurge: 1"),
        &expect![[r"
        web.yaml: document 1: spec.updateStrategy.rollingUpdate.maxSurge: must be 0: a node never has two pods of a DaemonSet here; maxUnavailable says how many nodes at once
    "]],
    );
}

#[test]
fn a_workload_needs_sound_numbers_and_a_selector_that_matches() {
    let spec = "  replicas: -1\n  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 0, \
                maxUnavailable: 0%}}\n  progressDeadlineSeconds: 10\n  minReadySeconds: 10\n";
    check(
        &deployment(spec),
        &expect![[r#"
        web.yaml: document 1: spec.replicas: is -1 and must not be negative
        web.yaml: document 1: spec.strategy.rollingUpdate.maxUnavailable: must not be 0 when maxSurge is 0
        web.yaml: document 1: spec.progressDeadlineSeconds: must be above minReadySeconds
    "#]],
    );
    check(
        &deployment("").replace("labels: {app: web}", "labels: {app: other}"),
        &expect![[r"
        web.yaml: document 1: spec.template.metadata.labels: the selector does not match the template's labels
    "]],
    );
    check(
        &deployment("").replace("spec: {containers", "spec: {restartPolicy: Never, containers"),
        &expect![[r"
        web.yaml: document 1: spec.template.spec.restartPolicy: must be Always in a Deployment, which keeps its pods running
    "]],
    );
}

#[test]
fn unknown_kinds_are_refused_and_say_what_there_is_instead() {
    check(
        "apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: a}\n",
        &expect![[r"
        web.yaml: document 1: apiVersion: apps/v1beta1 has no Deployment; it is served as apps/v1
    "]],
    );
    check(
        "apiVersion: example.com/v1\nkind: Job\nmetadata: {name: a}\n",
        &expect![[r"
        web.yaml: document 1: kind: example.com/v1 Job is unknown: no built-in kind and no custom resource definition names it
    "]],
    );
    check(
        "hello: world\n",
        &expect![[r"
        web.yaml: document 1: apiVersion: is required: neither a Kubernetes object nor a Compose file with services
    "]],
    );
}

#[test]
fn a_custom_resource_is_kept_when_its_definition_is_there() {
    let text = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec: {size: 3}\n\
                ---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
                metadata: {name: widgets.example.com}\nspec: {group: example.com, scope: \
                Namespaced, names: {plural: widgets, kind: Widget}, versions: [{name: v1, served: \
                true, storage: true}]}\n";
    check(
        text,
        &expect![[r"
        Kept example.com/Widget/default/a
        warning: Widget is kept as applied and has no effect here yet
        Kept apiextensions.k8s.io/CustomResourceDefinition/-/widgets.example.com
        warning: CustomResourceDefinition is kept as applied and has no effect here yet
    "]],
    );
}

#[test]
fn a_list_is_taken_apart_and_its_items_are_named() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: \
                {name: a}}\n- {apiVersion: v1, kind: Namespace, metadata: {name: A}}\n";
    check(
        text,
        &expect![[r#"
        web.yaml: document 1: items[1].metadata.name: "A" must be lowercase letters, digits and '-', and begin and end with a letter or digit
    "#]],
    );
}

#[test]
fn a_secrets_value_is_in_no_message() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {key: \"hunter2!\"}\n";
    let said = judged(text, &LoadOptions::default());
    assert!(said.contains("data.key") && !said.contains("hunter2"), "{said}");
}

#[test]
fn the_same_object_twice_is_refused_when_it_differs() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
    check(
        &format!("{map}---\n{map}data: {{a: b}}\n"),
        &expect![[r"
        web.yaml: document 2: metadata.name: core/ConfigMap/default/c is given at web.yaml: document 1 already, differently
    "]],
    );
}

#[test]
fn the_same_object_twice_and_alike_is_taken_once_and_told() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
    let source = Source::Text { name: "web.yaml".into(), text: format!("{map}---\n{map}") };
    let accepted = load(&[source], &LoadOptions::default()).expect("it is accepted");
    let warnings: Vec<&String> = accepted.iter().flat_map(|(_, gated)| &gated.warnings).collect();
    assert_eq!(accepted.len(), 1);
    assert_eq!(warnings, ["the same is given at web.yaml: document 2 again, and is taken once"]);
}

#[test]
fn a_class_has_a_value_that_a_user_may_give_and_a_name_that_is_not_the_systems() {
    let class = |name: &str, rest: &str| {
        format!(
            "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {{name: {name}}}\n{rest}"
        )
    };
    let all = [
        class("high", "value: 1000000000\nglobalDefault: true\npreemptionPolicy: Never\n"),
        class("higher", "value: 1000000001\n"),
        class("system-mine", "value: 1\npreemptionPolicy: Always\n"),
        class("system-node-critical", "value: 2000001001\n"),
        class("none", "description: without a value\n"),
    ];
    let judged: String =
        all.iter().map(|text| judged(text, &LoadOptions::default())).collect::<Vec<_>>().join("");
    expect![[r#"
        Managed scheduling.k8s.io/PriorityClass/-/high
        web.yaml: document 1: value: must be at most 1000000000: what is above is the system's
        web.yaml: document 1: preemptionPolicy: "Always" is none of PreemptLowerPriority, Never
        web.yaml: document 1: metadata.name: names that begin with "system-" are reserved for the classes of Kubernetes
        web.yaml: document 1: value: must be 2000001000, as this class has it
        Managed scheduling.k8s.io/PriorityClass/-/none
    "#]]
    .assert_eq(&judged);
}

#[test]
fn a_budget_says_one_of_two_things() {
    let budget = |spec: &str| {
        format!(
            "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: web}}\nspec:\n{spec}"
        )
    };
    let all = [
        budget("  minAvailable: 50%\n  selector: {matchLabels: {app: web}}\n"),
        budget("  minAvailable: 1\n  maxUnavailable: 1\n"),
        budget("  maxUnavailable: 101%\n"),
        budget("  minAvailable: -1\n  unhealthyPodEvictionPolicy: Never\n"),
    ];
    let judged: String =
        all.iter().map(|text| judged(text, &LoadOptions::default())).collect::<Vec<_>>().join("");
    expect![[r#"
        Managed policy/PodDisruptionBudget/default/web
        web.yaml: document 1: spec: minAvailable and maxUnavailable cannot be both set
        web.yaml: document 1: spec.maxUnavailable: must not be greater than 100%
        web.yaml: document 1: spec.minAvailable: must be a number of at least 0, or a percentage such as 25%
        web.yaml: document 1: spec.unhealthyPodEvictionPolicy: "Never" is none of IfHealthyBudget, AlwaysAllow
    "#]]
    .assert_eq(&judged);
}

#[test]
fn a_quota_bounds_what_is_measured_and_chooses_pods_that_there_can_be() {
    let quota = |spec: &str| {
        format!("apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: q}}\nspec: {{{spec}}}\n")
    };
    let all = [
        "hard: {pods: 4, requests.cpu: 500m, count/jobs.batch: 2, requests.a.b/gpu: 1}",
        "hard: {deployments: 1}",
        "hard: {pods: 1500m, secrets: -1, cpu: 1500m}",
        "hard: {pods: 1}, scopes: [BestEffort, NotBestEffort]",
        "hard: {cpu: 1}, scopes: [BestEffort]",
        "hard: {pods: 1}, scopes: [CrossNamespacePodAffinity]",
        "scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In}]}",
        "scopeSelector: {matchExpressions: [{scopeName: Terminating, operator: In, values: [a]}]}",
        "scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: Exists}]}",
    ];
    let judged: String =
        all.iter().map(|spec| judged(&quota(spec), &LoadOptions::default())).collect();
    expect![[r#"
        Managed core/ResourceQuota/default/q
        web.yaml: document 1: spec.hard.deployments: nothing is measured by this name: bound cpu, memory or ephemeral-storage with requests. or limits. before it, pods, requests.storage, persistentvolumeclaims, requests.DOMAIN/RESOURCE, or count/RESOURCE.GROUP
        web.yaml: document 1: spec.hard.pods: is 1500m and must be a whole number
        web.yaml: document 1: spec.hard.secrets: is -1 and must not be negative
        web.yaml: document 1: spec: no pod is both BestEffort and NotBestEffort
        web.yaml: document 1: spec.hard.cpu: is not of pods that a scope could choose: leave the scope out
        web.yaml: document 1: spec.scopes[0]: pods are not told apart by whose affinity looks into other namespaces
        web.yaml: document 1: spec.scopeSelector.matchExpressions[0].values: is required with In and NotIn
        web.yaml: document 1: spec.scopeSelector.matchExpressions[0].operator: must be Exists for this scope
        Managed core/ResourceQuota/default/q
    "#]]
    .assert_eq(&judged);
}

#[test]
fn a_limit_range_limits_what_there_is_and_does_not_contradict_itself() {
    let range = |limits: &str| {
        format!(
            "apiVersion: v1\nkind: LimitRange\nmetadata: {{name: l}}\nspec: {{limits: [{limits}]}}\n"
        )
    };
    let all = [
        "{type: Container, min: {cpu: 100m}, max: {cpu: 1}, default: {cpu: 500m}, maxLimitRequestRatio: {cpu: 4}}",
        "{type: PersistentVolumeClaim, max: {storage: 2Gi}}, {type: Pod, max: {memory: 1Gi}}",
        "{type: example.com/Image, max: {cpu: 1}}",
        "{type: Pod, max: {cpu: 1}}, {type: Pod, max: {cpu: 1}}",
        "{type: Pod, default: {cpu: 1}}",
        "{type: PersistentVolumeClaim}",
        "{type: Container, max: {gpu: 1}}",
        "{type: Container, min: {cpu: 2}, max: {cpu: 1}}",
        "{type: Container, min: {cpu: 1}, default: {cpu: 500m}}",
        "{type: Container, max: {cpu: 1}, default: {cpu: 1500m}}",
        "{type: Container, max: {cpu: 1}, defaultRequest: {cpu: 1500m}}",
        "{type: Container, maxLimitRequestRatio: {cpu: 500m}}",
        "{type: Container, min: {cpu: 1}, max: {cpu: 2}, maxLimitRequestRatio: {cpu: 4}}",
    ];
    let judged: String =
        all.iter().map(|limits| judged(&range(limits), &LoadOptions::default())).collect();
    expect![[r#"
        Managed core/LimitRange/default/l
        Managed core/LimitRange/default/l
        web.yaml: document 1: spec.limits[0].type: "example.com/Image" is none of Container, Pod, PersistentVolumeClaim
        web.yaml: document 1: spec.limits[1].type: Pod is there twice
        web.yaml: document 1: spec.limits[0].default: may not be specified when `type` is 'Pod'
        web.yaml: document 1: spec.limits[0]: either minimum or maximum storage value is required, but neither was provided
        web.yaml: document 1: spec.limits[0].max.gpu: is none of cpu, memory, ephemeral-storage, nor a resource with a domain
        web.yaml: document 1: spec.limits[0].min.cpu: min value 2 is greater than max value 1
        web.yaml: document 1: spec.limits[0].min.cpu: min value 1 is greater than default request value 500m
        web.yaml: document 1: spec.limits[0].default.cpu: default value 1500m is greater than max value 1
        web.yaml: document 1: spec.limits[0].defaultRequest.cpu: default request value 1500m is greater than max value 1
        web.yaml: document 1: spec.limits[0].maxLimitRequestRatio.cpu: ratio 500m is less than 1
        web.yaml: document 1: spec.limits[0].maxLimitRequestRatio.cpu: ratio 4 is greater than max/min = 2.000000
    "#]]
    .assert_eq(&judged);
}

#[test]
fn what_a_container_can_be_given_is_taken_without_leave() {
    let text = format!(
        "{POD}spec:
  securityContext: {{runAsUser: 1000, runAsGroup: 3000, runAsNonRoot: true, fsGroup: 2000,
    fsGroupChangePolicy: OnRootMismatch, supplementalGroups: [4000], supplementalGroupsPolicy: Merge,
    seccompProfile: {{type: RuntimeDefault}}, sysctls: [{{name: net.core.somaxconn, value: '512'}}]}}
  dnsPolicy: None
  dnsConfig: {{nameservers: [10.0.0.2], searches: [a.example, .], options: [{{name: ndots, value: '2'}}]}}
  hostAliases: [{{ip: 10.1.2.3, hostnames: [db, db.local]}}]
  hostname: web-0
  subdomain: web
  setHostnameAsFQDN: true
  shareProcessNamespace: true
  hostIPC: true
  serviceAccountName: web
  automountServiceAccountToken: false
  enableServiceLinks: false
  containers:
  - name: a
    image: a
    stdin: true
    tty: true
    terminationMessagePolicy: FallbackToLogsOnError
    securityContext: {{privileged: false, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true,
      capabilities: {{drop: [ALL], add: [NET_BIND_SERVICE]}}, procMount: Default,
      appArmorProfile: {{type: Localhost, localhostProfile: tight}}}}
    env:
    - {{name: NAME, valueFrom: {{fieldRef: {{fieldPath: metadata.name, apiVersion: v1}}}}}}
    - {{name: APP, valueFrom: {{fieldRef: {{fieldPath: \"metadata.labels['app.kubernetes.io/name']\"}}}}}}
    - {{name: IP, valueFrom: {{fieldRef: {{fieldPath: status.podIP}}}}}}
    - {{name: CPU, valueFrom: {{resourceFieldRef: {{resource: limits.cpu, divisor: 1m}}}}}}
    - {{name: MEMORY, valueFrom: {{resourceFieldRef: {{resource: limits.memory, divisor: '0'}}}}}}
    volumeMounts:
    - {{name: cache, mountPath: /cache, subPathExpr: $(NAME)}}
    - {{name: sys, mountPath: /host/sys, readOnly: true, mountPropagation: HostToContainer}}
    - {{name: told, mountPath: /told}}
    - {{name: all, mountPath: /all, mountPropagation: None}}
    - {{name: memory, mountPath: /dev/shm}}
  volumes:
  - {{name: cache, emptyDir: {{}}}}
  - {{name: memory, emptyDir: {{medium: Memory, sizeLimit: 64Mi}}}}
  - {{name: sys, hostPath: {{path: /sys, type: Directory}}}}
  - {{name: told, downwardAPI: {{items: [{{path: labels, fieldRef: {{fieldPath: metadata.labels}}}}]}}}}
  - name: all
    projected:
      defaultMode: 288
      sources:
      - configMap: {{name: conf, items: [{{key: a, path: b}}]}}
      - secret: {{name: keys, optional: true}}
      - downwardAPI: {{items: [{{path: cpu, resourceFieldRef: {{containerName: a, resource: requests.cpu}}}}]}}
"
    );
    check(
        &text,
        &expect![[r#"
        Managed core/Pod/default/web
    "#]],
    );
}

#[test]
fn what_a_container_cannot_be_given_is_refused_by_its_field() {
    let text = format!(
        "{POD}spec:
  securityContext: {{runAsUser: -1, sysctls: [{{name: Net.x, value: a}}, {{name: net.a, value: b}}],
    seccompProfile: {{type: Localhost, localhostProfile: ../x}}, seLinuxOptions: {{level: s0}}}}
  hostNetwork: true
  hostPID: true
  shareProcessNamespace: true
  dnsPolicy: None
  hostAliases: [{{ip: host, hostnames: [a b]}}]
  imagePullSecrets: [{{name: registry}}]
  containers:
  - name: a
    image: a
    securityContext: {{privileged: true, allowPrivilegeEscalation: false, procMount: All}}
    env:
    - {{name: A, valueFrom: {{fieldRef: {{fieldPath: spec.containers}}}}}}
    - {{name: B, valueFrom: {{fieldRef: {{fieldPath: \"spec.labels['a']\"}}}}}}
    - {{name: C, valueFrom: {{resourceFieldRef: {{resource: limits.cpu, divisor: 1Mi}}}}}}
    - {{name: D, valueFrom: {{resourceFieldRef: {{resource: cpu}}}}}}
    volumeMounts:
    - {{name: cache, mountPath: /cache, subPath: a, subPathExpr: ../$(A)}}
    - {{name: host, mountPath: /host, mountPropagation: Sideways}}
  - name: b
    image: b
    volumeMounts: [{{name: host, mountPath: /host, mountPropagation: Bidirectional}}]
  volumes:
  - {{name: cache, emptyDir: {{medium: Disk, sizeLimit: 1Gi}}}}
  - {{name: host, hostPath: {{path: var/../lib, type: Folder}}}}
  - {{name: told, downwardAPI: {{items: [{{path: /a, fieldRef: {{fieldPath: status.podIP}}}}, {{path: b}}]}}}}
  - {{name: all, projected: {{sources: [{{configMap: {{name: a}}, secret: {{name: b}}}},
      {{serviceAccountToken: {{path: token}}}}]}}}}
"
    );
    check(
        &text,
        &expect![[r#"
        web.yaml: document 1: spec.volumes[0].emptyDir.medium: "Disk" is none of Memory
        web.yaml: document 1: spec.volumes[1].hostPath.path: must be an absolute path of the node
        web.yaml: document 1: spec.volumes[1].hostPath.path: must not contain '..'
        web.yaml: document 1: spec.volumes[1].hostPath.type: "Folder" is none of DirectoryOrCreate, Directory, FileOrCreate, File, Socket, CharDevice, BlockDevice
        web.yaml: document 1: spec.volumes[2].downwardAPI.items[0].path: must be a relative path without '..'
        web.yaml: document 1: spec.volumes[2].downwardAPI.items[0].fieldRef.fieldPath: "status.podIP" is none of metadata.name, metadata.namespace, metadata.uid, metadata.labels, metadata.annotations, metadata.labels['KEY'], metadata.annotations['KEY']
        web.yaml: document 1: spec.volumes[2].downwardAPI.items[1]: needs exactly one of fieldRef and resourceFieldRef
        web.yaml: document 1: spec.volumes[3].projected.sources[0]: a source of a projected volume is only one
        web.yaml: document 1: spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: "spec.containers" is none of metadata.name, metadata.namespace, metadata.uid, spec.nodeName, spec.serviceAccountName, status.hostIP, status.hostIPs, status.podIP, status.podIPs, metadata.labels['KEY'], metadata.annotations['KEY']
        web.yaml: document 1: spec.containers[0].env[1].valueFrom.fieldRef.fieldPath: only metadata.labels and metadata.annotations have entries
        web.yaml: document 1: spec.containers[0].env[2].valueFrom.resourceFieldRef.divisor: "1Mi" is none of 1m, 1
        web.yaml: document 1: spec.containers[0].env[3].valueFrom.resourceFieldRef.resource: must be such as limits.cpu or requests.memory
        web.yaml: document 1: spec.containers[0].securityContext.procMount: "All" is none of Default, Unmasked
        web.yaml: document 1: spec.containers[0].securityContext.allowPrivilegeEscalation: must not be false with privileged
        web.yaml: document 1: spec.containers[0].volumeMounts[0].subPathExpr: must be a relative path without '..'
        web.yaml: document 1: spec.containers[0].volumeMounts[0].subPathExpr: is not allowed with subPath
        web.yaml: document 1: spec.containers[0].volumeMounts[1].mountPropagation: "Sideways" is none of None, HostToContainer, Bidirectional
        web.yaml: document 1: spec.containers[1].volumeMounts[0].mountPropagation: is only for privileged containers
        web.yaml: document 1: spec.securityContext.runAsUser: must be a number from 0 to 2147483647
        web.yaml: document 1: spec.securityContext.seccompProfile.localhostProfile: must be a relative path without '..'
        web.yaml: document 1: spec.securityContext.sysctls[0].name: must be such as net.core.somaxconn
        web.yaml: document 1: spec.securityContext.sysctls[1].name: is the node's own with hostNetwork
        web.yaml: document 1: spec.shareProcessNamespace: is not allowed with hostPID
        web.yaml: document 1: spec.dnsConfig.nameservers: needs at least one server with dnsPolicy None
        web.yaml: document 1: spec.hostAliases[0].ip: "host" is no address such as 10.0.0.1
        web.yaml: document 1: spec.hostAliases[0].hostnames[0]: "a b" must be lowercase letters, digits, '-' and '.', and begin and end with a letter or digit
        web.yaml: document 1: spec.securityContext.seLinuxOptions: it is not applied; it changes what runs (--allow-ignored accepts it without effect)
        web.yaml: document 1: spec.volumes[3].projected.sources[1].serviceAccountToken: no pod speaks to the API as itself, so none has a token; one of the server's token file in a Secret does for those that are to speak to it; it changes what runs (--allow-ignored accepts it without effect)
    "#]],
    );
}

#[test]
fn a_claim_that_is_made_with_its_pod_is_held_to_what_any_claim_is() {
    let pod = |volume: &str| {
        format!(
            "{POD}spec:\n  containers: [{{name: a, image: a, volumeMounts: [{{name: v, mountPath: \
             /v}}]}}]\n  volumes: [{{name: v, {volume}}}]\n"
        )
    };
    check(
        &pod(
            "ephemeral: {volumeClaimTemplate: {metadata: {labels: {a: b}, creationTimestamp: null}, \
             spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}",
        ),
        &expect![[r"
        Managed core/Pod/default/web
    "]],
    );
    check(
        &pod("emptyDir: {sizeLimit: 1Gi}"),
        &expect![[r"
        Managed core/Pod/default/web
    "]],
    );
    check(
        &pod("ephemeral: {volumeClaimTemplate: {metadata: {name: mine}, \
             spec: {accessModes: [Once], volumeName: mine, storageClassName: \"\", selector: {}}}}"),
        &expect![[r#"
        web.yaml: document 1: spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name: may not be set: the claim is named after pod and volume
        web.yaml: document 1: spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes[0]: "Once" is none of ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod
        web.yaml: document 1: spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources.requests.storage: is required
        web.yaml: document 1: spec.volumes[0].ephemeral.volumeClaimTemplate.spec.volumeName: each pod's claim gets a volume of its own: leave the field out
        web.yaml: document 1: spec.volumes[0].ephemeral.volumeClaimTemplate.spec.storageClassName: a claim that is made with its pod gets a folder of its own, and no volume that somebody wrote: leave the field out, or name the class local
        web.yaml: document 1: spec.volumes[0].ephemeral.volumeClaimTemplate.spec.selector: a claim that is made with its pod gets a folder of its own, and chooses none: leave it out
    "#]],
    );
    let long = "x".repeat(63);
    let named = [&*long; 4].join(".");
    let text = pod("ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], \
         resources: {requests: {storage: 1}}}}}")
    .replace("metadata: {name: web}", &format!("metadata: {{name: {}}}", &named[..252]));
    let said = judged(&text, &LoadOptions::default());
    assert!(said.contains("spec.volumes[0].name: PVC name") && said.contains("253"), "{said}");
}

#[test]
fn probes_are_held_to_what_the_api_server_holds_them_to() {
    let probe = |probes: &str| {
        format!(
            "{POD}spec:\n  containers:\n  - name: a\n    image: a\n    ports: [{{name: web, \
             containerPort: 80}}]\n{probes}"
        )
    };
    check(
        &probe(
            "    livenessProbe: {httpGet: {port: web, path: /a, scheme: HTTPS, host: h, httpHeaders: \
             [{name: X-A, value: b}]}, terminationGracePeriodSeconds: 1}\n    readinessProbe: \
             {tcpSocket: {port: 80}, successThreshold: 2, timeoutSeconds: 0}\n    startupProbe: \
             {grpc: {port: 80, service: s}, successThreshold: 1}\n",
        ),
        &expect![[r"
        Managed core/Pod/default/web
    "]],
    );
    check(
        &probe(
            "    livenessProbe: {exec: {command: []}, tcpSocket: {port: 0}, successThreshold: 2, \
             terminationGracePeriodSeconds: 0}\n    readinessProbe: {periodSeconds: -1, \
             terminationGracePeriodSeconds: 3}\n    startupProbe: {httpGet: {port: other, scheme: \
             FTP, httpHeaders: [{name: \"a b\", value: c}]}, failureThreshold: -2}\n",
        ),
        &expect![[r#"
        web.yaml: document 1: spec.containers[0].livenessProbe.tcpSocket: may not specify more than 1 handler type
        web.yaml: document 1: spec.containers[0].livenessProbe.exec.command: is required
        web.yaml: document 1: spec.containers[0].livenessProbe.tcpSocket.port: must be a port from 1 to 65535
        web.yaml: document 1: spec.containers[0].livenessProbe.successThreshold: must be 1
        web.yaml: document 1: spec.containers[0].livenessProbe.terminationGracePeriodSeconds: must be greater than 0
        web.yaml: document 1: spec.containers[0].readinessProbe: must specify a handler type
        web.yaml: document 1: spec.containers[0].readinessProbe.periodSeconds: is -1 and must not be negative
        web.yaml: document 1: spec.containers[0].readinessProbe.terminationGracePeriodSeconds: must not be set for readinessProbes
        web.yaml: document 1: spec.containers[0].startupProbe.httpGet.port: the container has no port of this name
        web.yaml: document 1: spec.containers[0].startupProbe.httpGet.scheme: "FTP" is none of HTTP, HTTPS
        web.yaml: document 1: spec.containers[0].startupProbe.httpGet.httpHeaders[0].name: must be letters, digits and '-'
        web.yaml: document 1: spec.containers[0].startupProbe.failureThreshold: is -2 and must not be negative
    "#]],
    );
    check(
        &format!(
            "{POD}spec: {{containers: [{{name: a, image: a}}], readinessGates: [{{conditionType: \
             example.com/a}}, {{conditionType: a b}}]}}\n"
        ),
        &expect![[r#"
        web.yaml: document 1: spec.readinessGates[1].conditionType: the key "a b" must be at most 63 letters, digits, '-', '_' and '.', and begin and end with a letter or digit
    "#]],
    );
}

#[test]
fn claims_and_their_classes_are_judged_by_what_a_folder_of_a_node_can_be() {
    let claim = |spec: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec: {spec}\n"
        )
    };
    let sound = "{accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}";
    let class = |more: &str| {
        format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: fast}}\n{more}\n"
        )
    };
    let texts = [
        claim(sound),
        claim("{}"),
        claim(
            "{accessModes: [ReadWriteOncePod, ReadWriteMany], storageClassName: \"\", resources: {requests: {storage: 0}}}",
        ),
        claim(
            "{accessModes: [Sometimes], volumeMode: Block, selector: {matchLabels: {a: b}}, resources: {requests: {storage: 1Gi}}}",
        ),
        class(
            "provisioner: setpoint.dev/local\nvolumeBindingMode: WaitForFirstConsumer\nreclaimPolicy: Retain",
        ),
        class("provisioner: setpoint.dev/local\nvolumeBindingMode: Immediate\nparameters: {a: b}"),
        class("provisioner: ebs.csi.aws.com\nvolumeBindingMode: Immediate\nparameters: {a: b}"),
        format!(
            "{POD}spec:\n  containers: [{{name: a, image: a}}]\n  volumes: [{{name: v, persistentVolumeClaim: {{claimName: data, readOnly: true}}}}, {{name: w, persistentVolumeClaim: {{claimName: A/b}}}}]\n"
        ),
    ];
    let said: String =
        texts.iter().map(|text| judged(text, &LoadOptions::default()) + "--\n").collect();
    let expected = expect![[r#"
        Managed core/PersistentVolumeClaim/default/data
        --
        web.yaml: document 1: spec.accessModes: at least one is required: one of ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod
        web.yaml: document 1: spec.resources.requests.storage: is required
        --
        web.yaml: document 1: spec.accessModes: ReadWriteOncePod stands alone: it goes with no other mode
        web.yaml: document 1: spec.resources.requests.storage: is 0 and must be greater than 0
        --
        web.yaml: document 1: spec.accessModes[0]: "Sometimes" is none of ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod
        web.yaml: document 1: spec.volumeMode: block devices are not supported; it changes what runs (--allow-ignored accepts it without effect)
        --
        Managed storage.k8s.io/StorageClass/-/fast
        --
        web.yaml: document 1: volumeBindingMode: a folder is one node's, and which one is known with the first pod: set WaitForFirstConsumer
        web.yaml: document 1: parameters: setpoint.dev/local takes none: leave it out
        --
        Managed storage.k8s.io/StorageClass/-/fast
        --
        web.yaml: document 1: spec.volumes[1].persistentVolumeClaim.claimName: "A/b" must be lowercase letters, digits, '-' and '.', and begin and end with a letter or digit
        --
    "#]];
    expected.assert_eq(&said);
}

#[test]
fn settings_of_the_kernel_are_the_pods_own_and_named_once() {
    let pod = |more: &str, sysctls: &str| {
        let each = sysctls.split(' ').map(|name| format!("{{name: {name}, value: \"1\"}}"));
        let each = each.collect::<Vec<_>>().join(", ");
        format!(
            "{POD}spec:\n  {more}\n  securityContext: {{sysctls: [{each}]}}\n  containers: [{{name: \
             a, image: a}}]\n"
        )
    };
    let own =
        "kernel.shm_rmid_forced kernel.msgmax kernel.sem fs.mqueue.msg_max net/core/somaxconn";
    let all = [
        pod("hostPID: true", own),
        pod("hostIPC: true", own),
        pod("hostNetwork: true", own),
        pod("hostPID: true", "net.core.somaxconn net/core/somaxconn net/ipv4/a.b net.ipv4.a/b"),
    ];
    let judged: String = all.iter().map(|text| judged(text, &LoadOptions::default())).collect();
    expect![[r#"
        Managed core/Pod/default/web
        web.yaml: document 1: spec.securityContext.sysctls[0].name: is the node's own with hostIPC
        web.yaml: document 1: spec.securityContext.sysctls[1].name: is the node's own with hostIPC
        web.yaml: document 1: spec.securityContext.sysctls[2].name: is the node's own with hostIPC
        web.yaml: document 1: spec.securityContext.sysctls[3].name: is the node's own with hostIPC
        web.yaml: document 1: spec.securityContext.sysctls[4].name: is the node's own with hostNetwork
        web.yaml: document 1: spec.securityContext.sysctls[1].name: two sysctls have the same name
        web.yaml: document 1: spec.securityContext.sysctls[3].name: two sysctls have the same name
    "#]]
    .assert_eq(&judged);
}

#[test]
fn who_may_gain_no_rights_is_not_given_those_of_an_administrator() {
    let pod = |name: &str| {
        format!(
            "{POD}spec:\n  containers:\n  - name: a\n    image: a\n    securityContext: \
             {{allowPrivilegeEscalation: false, capabilities: {{add: [{name}]}}}}\n"
        )
    };
    let all = [pod("SYS_ADMIN"), pod("CAP_SYS_ADMIN")];
    let judged: String = all.iter().map(|text| judged(text, &LoadOptions::default())).collect();
    expect![[r#"
        Managed core/Pod/default/web
        web.yaml: document 1: spec.containers[0].securityContext.allowPrivilegeEscalation: must not be false with the capability CAP_SYS_ADMIN
    "#]]
    .assert_eq(&judged);
}

#[test]
fn a_node_has_one_taint_of_a_key_and_effect() {
    check(
        "apiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec:\n  taints:\n  - {key: a, value: x, \
         effect: NoExecute}\n  - {key: a, effect: NoSchedule}\n  - {key: a, value: z, effect: \
         NoExecute}\n",
        &expect![[r#"
            web.yaml: document 1: spec.taints[2].key: two taints of one effect have the same key
        "#]],
    );
}

#[test]
fn how_long_a_pod_stays_on_a_lost_node_is_not_its_own_to_say_and_told() {
    let tolerations = "tolerations: [{key: node.kubernetes.io/not-ready, operator: Exists, effect: \
                       NoExecute, tolerationSeconds: 300}, {key: node.kubernetes.io/unreachable, \
                       operator: Exists, effect: NoExecute, tolerationSeconds: 300}]";
    let pod = format!("{POD}spec: {{containers: [{{name: a, image: a}}], {tolerations}}}\n");
    let workload =
        deployment("").replace("spec: {containers", &format!("spec: {{{tolerations}, containers"));
    let own = "tolerations: [{key: node.kubernetes.io/unreachable, operator: Exists, effect: \
               NoExecute}, {key: out, operator: Exists, effect: NoExecute, tolerationSeconds: 3}]";
    let silent = format!("{POD}spec: {{containers: [{{name: a, image: a}}], {own}}}\n");
    let all = [pod, workload, silent];
    let judged: String = all.iter().map(|text| judged(text, &LoadOptions::default())).collect();
    expect![[r#"
        Managed core/Pod/default/web
        warning: spec.tolerations: nobody taints nodes as not-ready or unreachable here; a lost node's pods are replaced after the lease's grace, whatever they tolerate
        Managed apps/Deployment/default/web
        warning: spec.template.spec.tolerations: nobody taints nodes as not-ready or unreachable here; a lost node's pods are replaced after the lease's grace, whatever they tolerate
        Managed core/Pod/default/web
    "#]]
    .assert_eq(&judged);
}

#[test]
fn the_claims_of_a_stateful_sets_pods_are_judged_as_claims_and_are_volumes() {
    let set = |claims: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: web}}\nspec:\n  serviceName: web\n  selector: \
             {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    \
             spec: {{containers: [{{name: web, image: web, volumeMounts: [{{name: data, mountPath: \
             /data}}]}}]}}\n{claims}"
        )
    };
    let size = "accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}";
    let sound = format!(
        "  volumeClaimTemplates: [{{metadata: {{name: data}}, spec: {{{size}}}}}]\n  \
         persistentVolumeClaimRetentionPolicy: {{whenDeleted: Delete, whenScaled: Retain}}\n"
    );
    check(
        &set(&sound),
        &expect![[r"
        Managed apps/StatefulSet/default/web
    "]],
    );
    let wrong = format!(
        "  volumeClaimTemplates:\n  - {{metadata: {{name: data}}, spec: {{{size}, volumeName: mine}}}}\n  \
         - {{metadata: {{name: data}}, spec: {{{size}}}}}\n  \
         persistentVolumeClaimRetentionPolicy: {{whenScaled: Keep}}\n"
    );
    let said = judged(&set(&wrong), &LoadOptions::default());
    for words in [
        "spec.volumeClaimTemplates[0].spec.volumeName: each pod's claim gets a volume of its own",
        "spec.volumeClaimTemplates[1].metadata.name: two templates have the same name",
        "spec.persistentVolumeClaimRetentionPolicy.whenScaled: ",
    ] {
        assert!(said.contains(words), "{words} is not in:\n{said}");
    }
}

#[test]
fn owners_and_finalizers_are_whole_and_known() {
    let config = |metadata: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n{metadata}")
    };
    let owner =
        |kind: &str, more: &str| format!("  - {{apiVersion: {kind}, name: o, uid: u{more}}}\n");
    check(
        &config("  finalizers: [orphan, example.com/hold, foregroundDeletion, hold, '*']\n"),
        &expect![[r#"
            web.yaml: document 1: metadata.finalizers[3]: name is neither a standard finalizer name nor is it fully qualified
            web.yaml: document 1: metadata.finalizers[4]: the key "*" must be at most 63 letters, digits, '-', '_' and '.', and begin and end with a letter or digit
            web.yaml: document 1: metadata.finalizers: finalizer orphan and foregroundDeletion cannot be both set
        "#]],
    );
    let references = [
        owner("v1, kind: ConfigMap", ", controller: true"),
        owner("apps/v1, kind: Deployment", ", controller: true"),
        owner("v1, kind: Event", ""),
        owner("example.com/v1, kind: Widget", ""),
        "  - {apiVersion: v1, kind: ConfigMap, name: o}\n".to_owned(),
    ];
    check(
        &config(&format!("  ownerReferences:\n{}", references[4])),
        &expect![[r#"
            web.yaml: document 1: metadata.ownerReferences[0].uid: must not be empty
        "#]],
    );
    check(
        &config(&format!("  ownerReferences:\n{}", references[..4].concat())),
        &expect![[r#"
            web.yaml: document 1: metadata.ownerReferences[2]: v1, Kind=Event is disallowed from being an owner
            web.yaml: document 1: metadata.ownerReferences[3].kind: example.com/v1 Widget is unknown, so that the owner could never be found; leave the reference out
            web.yaml: document 1: metadata.ownerReferences: Only one reference can have Controller set to true. Found "true" in references for o and o
        "#]],
    );
    check(
        &format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: team\n  ownerReferences:\n{}{}",
            owner("v1, kind: ConfigMap", ""),
            owner("v1, kind: Namespace", "")
        ),
        &expect![[r#"
            web.yaml: document 1: metadata.ownerReferences[0]: a resource without a namespace cannot be owned by a ConfigMap, which lives in one
        "#]],
    );
}

#[test]
fn a_volume_that_somebody_writes_is_a_folder_or_a_path_of_one_node() {
    let volume = |name: &str, spec: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
        )
    };
    let has = "accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}";
    let on = |values: &str| {
        format!(
            "nodeAffinity: {{required: {{nodeSelectorTerms: [{{matchExpressions: [{{key: \
             kubernetes.io/hostname, operator: In, values: {values}}}]}}]}}}}"
        )
    };
    let texts = [
        volume("data", &format!("{has}, storageClassName: manual, hostPath: {{path: /mnt/data}}")),
        volume("data", &format!("{has}, local: {{path: /mnt/data}}, {}", on("[a]"))),
        volume(
            "data",
            &format!("{has}, hostPath: {{path: /d}}, persistentVolumeReclaimPolicy: Delete"),
        ),
        volume("pvc-1", &format!("{has}, local: {{path: claims/pvc-1}}, {}", on("[a]"))),
        volume("data", &format!("{has}, local: {{path: claims/pvc-1}}")),
        volume("data", &format!("{has}, local: {{path: /mnt/data}}, {}", on("[a, b]"))),
        volume("data", "persistentVolumeReclaimPolicy: Recycle, claimRef: {name: A/b}"),
        volume("data", &format!("{has}, nfs: {{server: a, path: /}}, volumeMode: Block")),
    ];
    let said: String =
        texts.iter().map(|text| judged(text, &LoadOptions::default()) + "--\n").collect();
    let expected = expect![[r#"
        Managed core/PersistentVolume/-/data
        --
        Managed core/PersistentVolume/-/data
        --
        Managed core/PersistentVolume/-/data
        warning: spec.persistentVolumeReclaimPolicy: nothing here removes what somebody else made: once its claim is gone the volume is Failed, and its data stays
        --
        Managed core/PersistentVolume/-/pvc-1
        --
        web.yaml: document 1: spec.local.path: must be an absolute path of the node
        web.yaml: document 1: spec.nodeAffinity.required: is required: it says on which node the volume is
        --
        web.yaml: document 1: spec.nodeAffinity.required.nodeSelectorTerms: a volume here is on one node: say which by one term with one expression, kubernetes.io/hostname In and the node's name
        --
        web.yaml: document 1: spec.accessModes: at least one is required: one of ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod
        web.yaml: document 1: spec.capacity.storage: is required
        web.yaml: document 1: spec.persistentVolumeReclaimPolicy: "Recycle" is none of Retain, Delete
        web.yaml: document 1: spec: names nothing that lies there: one of hostPath, local is required
        web.yaml: document 1: spec.claimRef.name: "A/b" must be lowercase letters, digits, '-' and '.', and begin and end with a letter or digit
        web.yaml: document 1: spec.claimRef.namespace: is required
        --
        web.yaml: document 1: spec.nfs: no node mounts it by itself: mount it on a node, and say its path there by local or hostPath; it changes what runs (--allow-ignored accepts it without effect)
        web.yaml: document 1: spec.volumeMode: block devices are not supported; it changes what runs (--allow-ignored accepts it without effect)
        --
    "#]];
    expected.assert_eq(&said);
}
