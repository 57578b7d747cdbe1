//! Compose projects and what they become, as data.

use std::path::Path;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use setpoint_ingest_manifest::{
    ANNOTATION_SOURCE, ComposeOptions, LoadOptions, Source, load, read_project,
};

/// A folder with these files; the first is the project's.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("its folder");
        std::fs::write(path, text).expect("written");
    }
    folder
}

fn options() -> ComposeOptions {
    ComposeOptions { project: Some("shop".into()), ..ComposeOptions::default() }
}

/// What is made of a project, without the source that each workload carries: one line a leaf.
fn made(path: &Path, options: &ComposeOptions) -> String {
    let project = match read_project(path, options) {
        Ok(project) => project,
        Err(problems) => {
            let folder = path.parent().expect("a folder").display().to_string() + "/";
            return problems.iter().map(|p| p.to_string().replace(&folder, "") + "\n").collect();
        }
    };
    let mut text = String::new();
    for mut object in project.objects {
        if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
            annotations.remove(ANNOTATION_SOURCE);
        }
        let (kind, name) = (object["kind"].take(), object["metadata"]["name"].take());
        let service = take_service(&mut object);
        let (kind, name) = (kind.as_str().expect("kind"), name.as_str().expect("name"));
        let mut body = String::new();
        for part in ["metadata", "spec", "data"] {
            leaves(&object[part], &format!("  {part}"), &mut body);
        }
        text += &match only_names(kind, &body) {
            Some(told) => format!("{kind} {name}{told}\n"),
            None => format!("{kind} {name}{service}\n{body}"),
        };
    }
    let ignored = project.ignored.iter().map(|i| format!("ignored {}: {}\n", i.path, i.reason));
    text.extend(ignored);
    text.extend(project.warnings.iter().map(|warning| format!("warning: {warning}\n")));
    text
}

/// The service that a Service names and nothing more: its pods find each other by it, and no port is
/// published.
fn only_names(kind: &str, body: &str) -> Option<String> {
    let said = |at: &str| {
        let line = body.lines().find_map(|line| line.trim_start().strip_prefix(at))?;
        Some(line.trim_matches('"').to_owned())
    };
    let service = said("metadata.labels.setpoint.dev/compose-service: ")?;
    let project = said("metadata.labels.setpoint.dev/compose-project: ")?;
    let only = format!(
        "  metadata.annotations.setpoint.dev/aliases: \"{service}\"\n  \
         metadata.labels.setpoint.dev/compose-project: \"{project}\"\n  \
         metadata.labels.setpoint.dev/compose-service: \"{service}\"\n  \
         spec.clusterIP: \"None\"\n  spec.publishNotReadyAddresses: true\n  \
         spec.selector.setpoint.dev/compose-project: \"{project}\"\n  \
         spec.selector.setpoint.dev/compose-service: \"{service}\"\n"
    );
    (kind == "Service" && body == only).then(|| format!(" names service {service} of {project}"))
}

/// The service that a workload stands for, where its labels, its selector and its pods' labels say the
/// same; else they stay and are shown.
fn take_service(object: &mut Value) -> String {
    const PLACES: [&str; 3] =
        ["/metadata/labels", "/spec/selector/matchLabels", "/spec/template/metadata/labels"];
    const LABELS: [&str; 2] = ["setpoint.dev/compose-service", "setpoint.dev/compose-project"];
    let said = PLACES.map(|place| LABELS.map(|label| object.pointer(place)?[label].as_str()));
    let [Some(service), Some(project)] = said[0] else { return String::new() };
    if said.iter().any(|other| *other != said[0]) {
        return String::new();
    }
    let told = format!(" is service {service} of {project}");
    for place in PLACES {
        let labels = object.pointer_mut(place).and_then(Value::as_object_mut).expect("labels");
        labels.retain(|name, _| !LABELS.contains(&name.as_str()));
    }
    told
}

fn leaves(value: &Value, path: &str, text: &mut String) {
    match value {
        Value::Null => {}
        Value::Object(entries) => {
            for (name, value) in entries {
                leaves(value, &format!("{path}.{name}"), text);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}[{index}]"), text);
            }
        }
        leaf => *text += &format!("{path}: {leaf}\n"),
    }
}

fn check(files: &[(&str, &str)], options: &ComposeOptions, expected: &Expect) {
    let folder = folder(files);
    expected.assert_eq(&made(&folder.path().join(files[0].0), options));
}

#[test]
fn a_service_becomes_a_deployment_that_says_all_that_it_said() {
    let text = r#"
services:
  web:
    image: web:1
    entrypoint: sh -c
    command: ["echo $$HOME; exec sleep infinity"]
    working_dir: /srv
    hostname: front
    environment: {GREETING: "hello ${WHO:-world}", DEBUG: true, PORT: 80}
    expose: ["8080"]
    ports: [{target: 80, published: 8080, mode: host}]
    stop_grace_period: 1m30s
    scale: 3
    cpus: 0.5
    mem_limit: 64m
    deploy:
      resources: {reservations: {memory: 32M}}
      update_config: {parallelism: 2, order: start-first, delay: 1m30s}
      restart_policy: {condition: any}
      placement:
        constraints: [node.labels.zone == a, node.role != manager, node.hostname!=n1]
        preferences: [{spread: node.labels.rack}]
        max_replicas_per_node: 1
"#;
    check(
        &[("compose.yaml", text)],
        &options(),
        &expect![[r#"
            Service shop-web
              metadata.annotations.setpoint.dev/aliases: "web"
              metadata.labels.setpoint.dev/compose-project: "shop"
              metadata.labels.setpoint.dev/compose-service: "web"
              spec.ports[0].name: "80-tcp"
              spec.ports[0].port: 80
              spec.ports[0].protocol: "TCP"
              spec.ports[0].targetPort: 80
              spec.ports[1].name: "8080-tcp"
              spec.ports[1].port: 8080
              spec.ports[1].protocol: "TCP"
              spec.ports[1].targetPort: 8080
              spec.selector.setpoint.dev/compose-project: "shop"
              spec.selector.setpoint.dev/compose-service: "web"
            Deployment shop-web is service web of shop
              metadata.annotations.setpoint.dev/update-delay-ms: "90000"
              metadata.annotations.setpoint.dev/update-order: "start-first"
              spec.replicas: 3
              spec.strategy.rollingUpdate.maxSurge: 2
              spec.strategy.rollingUpdate.maxUnavailable: 0
              spec.strategy.type: "RollingUpdate"
              spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key: "zone"
              spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator: "In"
              spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: ["a"]
              spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[1].key: "node-role.kubernetes.io/control-plane"
              spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[1].operator: "DoesNotExist"
              spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[2].key: "kubernetes.io/hostname"
              spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[2].operator: "NotIn"
              spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[2].values: ["n1"]
              spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchLabels.setpoint.dev/compose-project: "shop"
              spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchLabels.setpoint.dev/compose-service: "web"
              spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: "kubernetes.io/hostname"
              spec.template.spec.containers[0].args: ["echo $HOME; exec sleep infinity"]
              spec.template.spec.containers[0].command: ["sh","-c"]
              spec.template.spec.containers[0].env[0].name: "DEBUG"
              spec.template.spec.containers[0].env[0].value: "true"
              spec.template.spec.containers[0].env[1].name: "GREETING"
              spec.template.spec.containers[0].env[1].value: "hello world"
              spec.template.spec.containers[0].env[2].name: "PORT"
              spec.template.spec.containers[0].env[2].value: "80"
              spec.template.spec.containers[0].image: "web:1"
              spec.template.spec.containers[0].name: "web"
              spec.template.spec.containers[0].ports[0].containerPort: 80
              spec.template.spec.containers[0].ports[0].hostPort: 8080
              spec.template.spec.containers[0].ports[0].protocol: "TCP"
              spec.template.spec.containers[0].ports[1].containerPort: 8080
              spec.template.spec.containers[0].ports[1].protocol: "TCP"
              spec.template.spec.containers[0].resources.limits.cpu: "500m"
              spec.template.spec.containers[0].resources.limits.memory: "67108864"
              spec.template.spec.containers[0].resources.requests.cpu: "0"
              spec.template.spec.containers[0].resources.requests.memory: "33554432"
              spec.template.spec.containers[0].workingDir: "/srv"
              spec.template.spec.hostname: "front"
              spec.template.spec.restartPolicy: "Always"
              spec.template.spec.terminationGracePeriodSeconds: 90
              spec.template.spec.topologySpreadConstraints[0].labelSelector.matchLabels.setpoint.dev/compose-project: "shop"
              spec.template.spec.topologySpreadConstraints[0].labelSelector.matchLabels.setpoint.dev/compose-service: "web"
              spec.template.spec.topologySpreadConstraints[0].maxSkew: 1
              spec.template.spec.topologySpreadConstraints[0].topologyKey: "rack"
              spec.template.spec.topologySpreadConstraints[0].whenUnsatisfiable: "ScheduleAnyway"
        "#]],
    );
}

#[test]
fn a_global_service_becomes_a_daemon_set_and_one_that_may_end_runs_once() {
    let text = "services:\n  agent: {image: a, deploy: {mode: global, update_config: {parallelism: 0}}}\n  \
                job: {image: j, restart: \"no\"}\n  retry: {image: r, restart: on-failure}\n";
    check(
        &[("compose.yaml", text)],
        &options(),
        &expect![[r#"
            Service shop-agent names service agent of shop
            DaemonSet shop-agent is service agent of shop
              metadata.annotations.setpoint.dev/update-order: "stop-first"
              spec.template.spec.containers[0].image: "a"
              spec.template.spec.containers[0].name: "agent"
              spec.template.spec.restartPolicy: "Always"
              spec.updateStrategy.rollingUpdate.maxSurge: 0
              spec.updateStrategy.rollingUpdate.maxUnavailable: "100%"
              spec.updateStrategy.type: "RollingUpdate"
            Service shop-job names service job of shop
            Deployment shop-job is service job of shop
              metadata.annotations.setpoint.dev/runs-once: "true"
              spec.replicas: 1
              spec.template.spec.containers[0].image: "j"
              spec.template.spec.containers[0].name: "job"
              spec.template.spec.restartPolicy: "Never"
            Service shop-retry names service retry of shop
            Deployment shop-retry is service retry of shop
              metadata.annotations.setpoint.dev/runs-once: "true"
              spec.replicas: 1
              spec.template.spec.containers[0].image: "r"
              spec.template.spec.containers[0].name: "retry"
              spec.template.spec.restartPolicy: "OnFailure"
        "#]],
    );
}

#[test]
fn restarts_wait_and_are_counted_as_the_service_says() {
    let text = "services:\n  web:\n    image: w\n    deploy:\n      restart_policy: {condition: any, delay: 5s, \
                max_attempts: 3, window: 2m}\n  retry: {image: r, restart: \"on-failure:2\"}\n";
    let folder = folder(&[("compose.yaml", text)]);
    let made = made(&folder.path().join("compose.yaml"), &options());
    for (line, times) in [
        ("restart-backoff-ms: \"5000\"", 1),
        ("restart-backoff-factor: \"1\"", 1),
        ("restart-attempts: \"3\"", 1),
        ("restart-interval-ms: \"120000\"", 1),
        ("restart-attempts: \"2\"", 1),
        ("runs-once: \"true\"", 2),
    ] {
        assert_eq!(made.matches(&format!("setpoint.dev/{line}")).count(), times, "{line}: {made}");
    }
}

#[test]
fn configs_and_secrets_become_objects_and_files() {
    let text = "services:\n  web:\n    image: w\n    configs: [site, {source: app.conf, target: \
                /etc/app.conf, mode: 0440}]\n    secrets: [key, {source: old, target: pw}]\n\
                configs:\n  site: {file: ./site.html}\n  app.conf: {content: \"port=${PORT}\"}\n  \
                unused: {file: ./absent}\nsecrets:\n  key: {environment: KEY}\n  old: {external: \
                true, name: stored}\n";
    let mut options = options();
    options.variables =
        [("PORT", "80"), ("KEY", "hunter2")].map(|(n, v)| (n.into(), v.into())).into();
    check(
        &[("compose.yaml", text), ("site.html", "<p>hello")],
        &options,
        &expect![[r#"
            ConfigMap shop-app-conf
              metadata.labels.setpoint.dev/compose-project: "shop"
              data.app.conf: "port=80"
            ConfigMap shop-site
              metadata.labels.setpoint.dev/compose-project: "shop"
              data.site: "<p>hello"
            Secret shop-key
              metadata.labels.setpoint.dev/compose-project: "shop"
              data.key: "aHVudGVyMg=="
            Service shop-web names service web of shop
            Deployment shop-web is service web of shop
              spec.replicas: 1
              spec.template.spec.containers[0].image: "w"
              spec.template.spec.containers[0].name: "web"
              spec.template.spec.containers[0].volumeMounts[0].mountPath: "/site"
              spec.template.spec.containers[0].volumeMounts[0].name: "configs-0-site"
              spec.template.spec.containers[0].volumeMounts[0].readOnly: true
              spec.template.spec.containers[0].volumeMounts[0].subPath: "site"
              spec.template.spec.containers[0].volumeMounts[1].mountPath: "/etc/app.conf"
              spec.template.spec.containers[0].volumeMounts[1].name: "configs-1-app-conf"
              spec.template.spec.containers[0].volumeMounts[1].readOnly: true
              spec.template.spec.containers[0].volumeMounts[1].subPath: "app.conf"
              spec.template.spec.containers[0].volumeMounts[2].mountPath: "/run/secrets/key"
              spec.template.spec.containers[0].volumeMounts[2].name: "secrets-0-key"
              spec.template.spec.containers[0].volumeMounts[2].readOnly: true
              spec.template.spec.containers[0].volumeMounts[2].subPath: "key"
              spec.template.spec.containers[0].volumeMounts[3].mountPath: "/run/secrets/pw"
              spec.template.spec.containers[0].volumeMounts[3].name: "secrets-1-old"
              spec.template.spec.containers[0].volumeMounts[3].readOnly: true
              spec.template.spec.containers[0].volumeMounts[3].subPath: "old"
              spec.template.spec.restartPolicy: "Always"
              spec.template.spec.volumes[0].configMap.items[0].key: "site"
              spec.template.spec.volumes[0].configMap.items[0].path: "site"
              spec.template.spec.volumes[0].configMap.name: "shop-site"
              spec.template.spec.volumes[0].name: "configs-0-site"
              spec.template.spec.volumes[1].configMap.defaultMode: 288
              spec.template.spec.volumes[1].configMap.items[0].key: "app.conf"
              spec.template.spec.volumes[1].configMap.items[0].path: "app.conf"
              spec.template.spec.volumes[1].configMap.name: "shop-app-conf"
              spec.template.spec.volumes[1].name: "configs-1-app-conf"
              spec.template.spec.volumes[2].name: "secrets-0-key"
              spec.template.spec.volumes[2].secret.items[0].key: "key"
              spec.template.spec.volumes[2].secret.items[0].path: "key"
              spec.template.spec.volumes[2].secret.secretName: "shop-key"
              spec.template.spec.volumes[3].name: "secrets-1-old"
              spec.template.spec.volumes[3].secret.items[0].key: "old"
              spec.template.spec.volumes[3].secret.items[0].path: "old"
              spec.template.spec.volumes[3].secret.secretName: "stored"
        "#]],
    );
}

#[test]
fn variables_come_from_the_caller_then_from_dotenv_and_env_files_below_the_service() {
    let text = "services:\n  web:\n    image: web:${TAG}\n    env_file: [a.env, {path: gone.env, \
                required: false}]\n    environment: [B=service, TAG, UNSET, \"C=${NO_SUCH}\"]\n";
    let files =
        [("compose.yaml", text), (".env", "TAG=1\nONLY=x\n"), ("a.env", "A=${ONLY}\nB=file\n")];
    check(
        &files,
        &options(),
        &expect![[r#"
            Service shop-web names service web of shop
            Deployment shop-web is service web of shop
              spec.replicas: 1
              spec.template.spec.containers[0].env[0].name: "A"
              spec.template.spec.containers[0].env[0].value: "x"
              spec.template.spec.containers[0].env[1].name: "B"
              spec.template.spec.containers[0].env[1].value: "service"
              spec.template.spec.containers[0].env[2].name: "C"
              spec.template.spec.containers[0].env[2].value: ""
              spec.template.spec.containers[0].env[3].name: "TAG"
              spec.template.spec.containers[0].env[3].value: "1"
              spec.template.spec.containers[0].image: "web:1"
              spec.template.spec.containers[0].name: "web"
              spec.template.spec.restartPolicy: "Always"
            warning: the variable NO_SUCH is not set; a blank string stands in
        "#]],
    );
}

#[test]
fn extends_include_anchors_merge_keys_and_profiles_are_resolved() {
    let text = "include: [{path: more/compose.yaml}]\nx-base: &base {image: b, restart: always}\n\
                services:\n  one: {<<: *base, command: [one]}\n  two: {extends: {file: base.yaml, \
                service: base}, environment: {B: \"2\"}, tty: !reset false}\n  debug: {image: d, \
                profiles: [debug]}\n";
    let base =
        "services:\n  base: {image: base, tty: true, environment: [A=1, B=1], env_file: e.env}\n";
    let more = "services: {three: {image: t, env_file: three.env, environment: [WHO]}}\n";
    let files = [
        ("compose.yaml", text),
        ("base.yaml", base),
        ("e.env", "E=1"),
        ("more/compose.yaml", more),
        ("more/three.env", "T=${WHO}"),
        ("more/.env", "WHO=more"),
    ];
    check(
        &files,
        &options(),
        &expect![[r#"
            Service shop-one names service one of shop
            Deployment shop-one is service one of shop
              spec.replicas: 1
              spec.template.spec.containers[0].args: ["one"]
              spec.template.spec.containers[0].image: "b"
              spec.template.spec.containers[0].name: "one"
              spec.template.spec.restartPolicy: "Always"
            Service shop-three names service three of shop
            Deployment shop-three is service three of shop
              spec.replicas: 1
              spec.template.spec.containers[0].env[0].name: "T"
              spec.template.spec.containers[0].env[0].value: "more"
              spec.template.spec.containers[0].env[1].name: "WHO"
              spec.template.spec.containers[0].env[1].value: "more"
              spec.template.spec.containers[0].image: "t"
              spec.template.spec.containers[0].name: "three"
              spec.template.spec.restartPolicy: "Always"
            Service shop-two names service two of shop
            Deployment shop-two is service two of shop
              spec.replicas: 1
              spec.template.spec.containers[0].env[0].name: "A"
              spec.template.spec.containers[0].env[0].value: "1"
              spec.template.spec.containers[0].env[1].name: "B"
              spec.template.spec.containers[0].env[1].value: "2"
              spec.template.spec.containers[0].env[2].name: "E"
              spec.template.spec.containers[0].env[2].value: "1"
              spec.template.spec.containers[0].image: "base"
              spec.template.spec.containers[0].name: "two"
              spec.template.spec.restartPolicy: "Always"
            warning: service debug is left out: none of its profiles is active
        "#]],
    );
}

#[test]
fn what_is_not_acted_on_is_refused_unless_it_may_be_ignored() {
    let text = "services:\n  db: {image: db, volumes: [\"/var\"], healthcheck: {test: [CMD, \
                x]}}\n  web: {image: w, build: ., ports: [\"80:80\", \"90-91:90-91/udp\"], \
                depends_on: {db: {condition: service_healthy}}, networks: [front], runtime: r}\n";
    check(
        &[("compose.yaml", text)],
        &options(),
        &expect![[r#"
            compose.yaml: document 1: services.db.volumes[0]: a volume without a name begins with the image's own files; name a folder, or use tmpfs; it changes what runs (--allow-ignored accepts it without effect)
            compose.yaml: document 1: services.web.build: images are not built; it changes what runs (--allow-ignored accepts it without effect)
            compose.yaml: document 1: services.web.runtime: it is not applied; it changes what runs (--allow-ignored accepts it without effect)
        "#]],
    );
    let allowed = ComposeOptions { allow_ignored: true, ..options() };
    check(
        &[("compose.yaml", text)],
        &allowed,
        &expect![[r#"
            Service shop-db names service db of shop
            Deployment shop-db is service db of shop
              spec.replicas: 1
              spec.template.spec.containers[0].image: "db"
              spec.template.spec.containers[0].livenessProbe.exec.command: ["x"]
              spec.template.spec.containers[0].livenessProbe.failureThreshold: 3
              spec.template.spec.containers[0].livenessProbe.initialDelaySeconds: 30
              spec.template.spec.containers[0].livenessProbe.periodSeconds: 30
              spec.template.spec.containers[0].livenessProbe.timeoutSeconds: 30
              spec.template.spec.containers[0].name: "db"
              spec.template.spec.containers[0].readinessProbe.exec.command: ["x"]
              spec.template.spec.containers[0].readinessProbe.failureThreshold: 3
              spec.template.spec.containers[0].readinessProbe.periodSeconds: 30
              spec.template.spec.containers[0].readinessProbe.timeoutSeconds: 30
              spec.template.spec.restartPolicy: "Always"
            Service shop-web
              metadata.annotations.setpoint.dev/aliases: "web"
              metadata.annotations.setpoint.dev/publish: "80:80/tcp,90:90/udp,91:91/udp"
              metadata.labels.setpoint.dev/compose-project: "shop"
              metadata.labels.setpoint.dev/compose-service: "web"
              spec.ports[0].name: "80-tcp"
              spec.ports[0].port: 80
              spec.ports[0].protocol: "TCP"
              spec.ports[0].targetPort: 80
              spec.ports[1].name: "90-udp"
              spec.ports[1].port: 90
              spec.ports[1].protocol: "UDP"
              spec.ports[1].targetPort: 90
              spec.ports[2].name: "91-udp"
              spec.ports[2].port: 91
              spec.ports[2].protocol: "UDP"
              spec.ports[2].targetPort: 91
              spec.selector.setpoint.dev/compose-project: "shop"
              spec.selector.setpoint.dev/compose-service: "web"
            Deployment shop-web is service web of shop
              metadata.annotations.setpoint.dev/depends-on: "[{\"condition\":\"healthy\",\"kind\":\"Deployment\",\"name\":\"shop-db\",\"required\":true,\"restart\":false}]"
              spec.replicas: 1
              spec.template.spec.containers[0].image: "w"
              spec.template.spec.containers[0].name: "web"
              spec.template.spec.containers[0].ports[0].containerPort: 80
              spec.template.spec.containers[0].ports[0].protocol: "TCP"
              spec.template.spec.containers[0].ports[1].containerPort: 90
              spec.template.spec.containers[0].ports[1].protocol: "UDP"
              spec.template.spec.containers[0].ports[2].containerPort: 91
              spec.template.spec.containers[0].ports[2].protocol: "UDP"
              spec.template.spec.restartPolicy: "Always"
            ignored services.db.volumes[0]: a volume without a name begins with the image's own files; name a folder, or use tmpfs
            ignored services.web.build: images are not built
            ignored services.web.runtime: it is not applied
        "#]],
    );
}

#[test]
fn rights_names_and_folders_of_a_service_are_those_of_its_pod() {
    let text = r#"
services:
  web:
    image: web
    user: "1000:1001"
    privileged: false
    read_only: true
    cap_add: [NET_ADMIN, cap_sys_time]
    cap_drop: [ALL]
    security_opt: [no-new-privileges:true, "seccomp=unconfined"]
    group_add: [2000]
    sysctls: {net.core.somaxconn: 1024}
    stdin_open: true
    tty: true
    init: true
    hostname: front
    domainname: shop.example
    extra_hosts: ["db:10.0.0.7", "v6=[::1]"]
    dns: 10.0.0.2
    dns_search: [a.example]
    dns_opt: [ndots:2, edns0]
    tmpfs: ["/run:exec,uid=5", "/tmp:size=64m,mode=1777,noexec"]
    shm_size: 128m
    pid: host
    ipc: shareable
    volumes:
      - /etc/ssl:/etc/ssl:ro
      - /var/lib/x:/x:rw,cached
      - {type: bind, source: /srv/../data, target: /data, read_only: true, bind: {propagation: rslave}}
      - {type: tmpfs, target: /cache, tmpfs: {size: 1048576, mode: 0o700}}
  named:
    image: named
    user: nginx
    network_mode: none
    volumes: ["~/mine:/m"]
"#;
    let mut options = options();
    options.variables.insert("HOME".into(), "/home/me".into());
    check(
        &[("compose.yaml", text)],
        &options,
        &expect![[r#"
            Deployment shop-named is service named of shop
              spec.replicas: 1
              spec.strategy.type: "Recreate"
              spec.template.metadata.annotations.setpoint.dev/network: "none"
              spec.template.metadata.annotations.setpoint.dev/user: "nginx"
              spec.template.spec.containers[0].image: "named"
              spec.template.spec.containers[0].name: "named"
              spec.template.spec.containers[0].volumeMounts[0].mountPath: "/m"
              spec.template.spec.containers[0].volumeMounts[0].name: "volume-0"
              spec.template.spec.restartPolicy: "Always"
              spec.template.spec.volumes[0].hostPath.path: "/home/me/mine"
              spec.template.spec.volumes[0].name: "volume-0"
            Service shop-web names service web of shop
            Deployment shop-web is service web of shop
              spec.replicas: 1
              spec.strategy.type: "Recreate"
              spec.template.metadata.annotations.setpoint.dev/domainname: "shop.example"
              spec.template.metadata.annotations.setpoint.dev/init: "true"
              spec.template.metadata.annotations.tmpfs.setpoint.dev/volume-3: "nodev,noexec,nosuid"
              spec.template.metadata.annotations.tmpfs.setpoint.dev/volume-4: "nodev,nosuid,uid=5"
              spec.template.metadata.annotations.tmpfs.setpoint.dev/volume-5: "nodev,noexec,nosuid"
              spec.template.metadata.annotations.tmpfs.setpoint.dev/volume-6: "nodev,noexec,nosuid"
              spec.template.spec.containers[0].image: "web"
              spec.template.spec.containers[0].name: "web"
              spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation: false
              spec.template.spec.containers[0].securityContext.capabilities.add: ["NET_ADMIN","SYS_TIME"]
              spec.template.spec.containers[0].securityContext.capabilities.drop: ["ALL"]
              spec.template.spec.containers[0].securityContext.readOnlyRootFilesystem: true
              spec.template.spec.containers[0].securityContext.runAsGroup: 1001
              spec.template.spec.containers[0].securityContext.runAsUser: 1000
              spec.template.spec.containers[0].securityContext.seccompProfile.type: "Unconfined"
              spec.template.spec.containers[0].stdin: true
              spec.template.spec.containers[0].tty: true
              spec.template.spec.containers[0].volumeMounts[0].mountPath: "/etc/ssl"
              spec.template.spec.containers[0].volumeMounts[0].name: "volume-0"
              spec.template.spec.containers[0].volumeMounts[0].readOnly: true
              spec.template.spec.containers[0].volumeMounts[1].mountPath: "/x"
              spec.template.spec.containers[0].volumeMounts[1].name: "volume-1"
              spec.template.spec.containers[0].volumeMounts[2].mountPath: "/data"
              spec.template.spec.containers[0].volumeMounts[2].mountPropagation: "HostToContainer"
              spec.template.spec.containers[0].volumeMounts[2].name: "volume-2"
              spec.template.spec.containers[0].volumeMounts[2].readOnly: true
              spec.template.spec.containers[0].volumeMounts[3].mountPath: "/cache"
              spec.template.spec.containers[0].volumeMounts[3].name: "volume-3"
              spec.template.spec.containers[0].volumeMounts[4].mountPath: "/run"
              spec.template.spec.containers[0].volumeMounts[4].name: "volume-4"
              spec.template.spec.containers[0].volumeMounts[5].mountPath: "/tmp"
              spec.template.spec.containers[0].volumeMounts[5].name: "volume-5"
              spec.template.spec.containers[0].volumeMounts[6].mountPath: "/dev/shm"
              spec.template.spec.containers[0].volumeMounts[6].name: "volume-6"
              spec.template.spec.dnsConfig.nameservers: ["10.0.0.2"]
              spec.template.spec.dnsConfig.options[0].name: "ndots"
              spec.template.spec.dnsConfig.options[0].value: "2"
              spec.template.spec.dnsConfig.options[1].name: "edns0"
              spec.template.spec.dnsConfig.searches: ["a.example"]
              spec.template.spec.dnsPolicy: "None"
              spec.template.spec.hostAliases[0].hostnames: ["db"]
              spec.template.spec.hostAliases[0].ip: "10.0.0.7"
              spec.template.spec.hostAliases[1].hostnames: ["v6"]
              spec.template.spec.hostAliases[1].ip: "::1"
              spec.template.spec.hostPID: true
              spec.template.spec.hostname: "front"
              spec.template.spec.restartPolicy: "Always"
              spec.template.spec.securityContext.supplementalGroups: [2000]
              spec.template.spec.securityContext.sysctls[0].name: "net.core.somaxconn"
              spec.template.spec.securityContext.sysctls[0].value: "1024"
              spec.template.spec.volumes[0].hostPath.path: "/etc/ssl"
              spec.template.spec.volumes[0].name: "volume-0"
              spec.template.spec.volumes[1].hostPath.path: "/var/lib/x"
              spec.template.spec.volumes[1].name: "volume-1"
              spec.template.spec.volumes[2].hostPath.path: "/data"
              spec.template.spec.volumes[2].name: "volume-2"
              spec.template.spec.volumes[3].emptyDir.medium: "Memory"
              spec.template.spec.volumes[3].emptyDir.mode: 448
              spec.template.spec.volumes[3].emptyDir.sizeLimit: "1048576"
              spec.template.spec.volumes[3].name: "volume-3"
              spec.template.spec.volumes[4].emptyDir.medium: "Memory"
              spec.template.spec.volumes[4].name: "volume-4"
              spec.template.spec.volumes[5].emptyDir.medium: "Memory"
              spec.template.spec.volumes[5].emptyDir.mode: 511
              spec.template.spec.volumes[5].emptyDir.sizeLimit: "67108864"
              spec.template.spec.volumes[5].name: "volume-5"
              spec.template.spec.volumes[6].emptyDir.medium: "Memory"
              spec.template.spec.volumes[6].emptyDir.sizeLimit: "134217728"
              spec.template.spec.volumes[6].name: "volume-6"
            warning: service named mounts /home/me/mine: it is looked for on the node where a pod runs
            warning: service web mounts /etc/ssl: it is looked for on the node where a pod runs
            warning: service web mounts /var/lib/x: it is looked for on the node where a pod runs
            warning: service web mounts /data: it is looked for on the node where a pod runs
        "#]],
    );
}

#[test]
fn what_outlasts_a_pod_and_what_a_node_cannot_know_are_refused_with_the_reason() {
    let text = "services:\n  a: {image: a, volumes: [\"/scratch\", \"./x:/x:Z\"], group_add: [audio], extra_hosts: \
                [\"h:host-gateway\"], security_opt: [\"seccomp:./p.json\", \"label:disable\"], \
                tmpfs: \"/run:huge=always\", ipc: \"service:b\", network_mode: \"service:b\"}\n";
    check(
        &[("compose.yaml", text)],
        &options(),
        &expect![[r#"
            compose.yaml: document 1: services.a.network_mode: only host, bridge and none are supported; it changes what runs (--allow-ignored accepts it without effect)
            compose.yaml: document 1: services.a.security_opt[0]: a profile in a file of the asker's is not sent to nodes; it changes what runs (--allow-ignored accepts it without effect)
            compose.yaml: document 1: services.a.security_opt[1]: it is not applied; it changes what runs (--allow-ignored accepts it without effect)
            compose.yaml: document 1: services.a.group_add[0]: groups are taken by number only; it changes what runs (--allow-ignored accepts it without effect)
            compose.yaml: document 1: services.a.ipc: only host is supported; it changes what runs (--allow-ignored accepts it without effect)
            compose.yaml: document 1: services.a.extra_hosts[0]: the address by which a pod sees its node is not known here; it changes what runs (--allow-ignored accepts it without effect)
            compose.yaml: document 1: services.a.volumes[0]: a volume without a name begins with the image's own files; name a folder, or use tmpfs; it changes what runs (--allow-ignored accepts it without effect)
            compose.yaml: document 1: services.a.volumes[1]: files are not relabelled for SELinux; it changes what runs (--allow-ignored accepts it without effect)
            compose.yaml: document 1: services.a.tmpfs: only size, mode, uid, gid, exec, suid and dev are known; it changes what runs (--allow-ignored accepts it without effect)
        "#]],
    );
}

/// A relative path is that of the file that it stands in, wherever it is extended or included.
#[test]
fn a_folder_is_looked_for_beside_the_file_that_names_it() {
    let text = "include: [more/compose.yaml]\nservices:\n  one: {image: o, volumes: [\"./a:/a\", \
                \"../b/../c:/c\"]}\n  two: {extends: {file: base/base.yaml, service: two}}\n";
    let base = "services: {two: {image: t, volumes: [./site:/s, {type: bind, source: ../up, target: \
                /u}, {type: bind, source: plain, target: /p}]}}\n";
    let more = "include: [deep/compose.yaml]\nservices: {three: {image: t, volumes: [\"./files:/f\", \
                {type: bind, source: data, target: /d}]}}\n";
    let deep = "services: {four: {image: f, volumes: [./short:/s, {type: bind, source: plain, target: \
                /p}, {type: bind, source: ./marked, target: /m}, {type: bind, source: /top, target: \
                /t}]}}\n";
    let files = [
        ("p/compose.yaml", text),
        ("p/base/base.yaml", base),
        ("p/more/compose.yaml", more),
        ("p/more/deep/compose.yaml", deep),
    ];
    let folder = folder(&files);
    let allowed = ComposeOptions { allow_ignored: true, ..options() };
    let project = read_project(&folder.path().join("p/compose.yaml"), &allowed).expect("sound");
    let top = folder.path().display().to_string();
    let mut paths = Vec::new();
    for workload in &project.objects {
        let volumes = workload.pointer("/spec/template/spec/volumes").and_then(Value::as_array);
        for volume in volumes.into_iter().flatten() {
            let path = volume["hostPath"]["path"].as_str().expect("a path");
            paths.push(path.replace(&top, ""));
        }
    }
    paths.sort();
    let expected = [
        "/c",
        "/p/a",
        "/p/base/plain",
        "/p/base/site",
        "/p/more/data",
        "/p/more/deep/marked",
        "/p/more/deep/plain",
        "/p/more/deep/short",
        "/p/more/files",
        "/p/up",
        "/top",
    ];
    assert_eq!(paths, expected);
    let told = project.warnings.iter().filter(|warning| warning.contains("on the node")).count();
    assert_eq!(told, paths.len(), "{:?}", project.warnings);
}

#[test]
fn a_place_in_the_container_is_overridden_and_not_mounted_twice() {
    let text = "services:\n  a: {extends: b, image: a, volumes: [\"/upper:/x\", {type: tmpfs, target: \
                /y}]}\n  b: {image: b, volumes: [\"/lower:/x:ro\", \"/lower:/y\", \"/kept:/z\"]}\n";
    let folder = folder(&[("compose.yaml", text)]);
    let project = read_project(&folder.path().join("compose.yaml"), &options()).expect("sound");
    let container = "/spec/template/spec/containers/0/volumeMounts";
    let workload = project.objects.iter().find(|object| object["kind"] == "Deployment");
    let mounts = workload.and_then(|workload| workload.pointer(container)?.as_array());
    let mounts = mounts.expect("mounts");
    let places: Vec<&str> = mounts.iter().filter_map(|mount| mount["mountPath"].as_str()).collect();
    assert_eq!(places, ["/z", "/x", "/y"]);
}

/// Kubernetes replaces `$(NAME)` in these, and Compose does not.
#[test]
fn a_dollar_that_is_the_shells_reaches_it() {
    let text = "services: {a: {image: a, environment: {HOME: /h, WHERE: \"$$(HOME)/$$HOME\"}, \
                entrypoint: [sh, -c, \"echo $$(HOME) $$HOME\"], command: [\"kill -0 $$$$\", \
                \"$$HOME\"], healthcheck: {test: \"kill -0 $$$$\"}}}\n";
    let folder = folder(&[("compose.yaml", text)]);
    let project = read_project(&folder.path().join("compose.yaml"), &options()).expect("sound");
    let workload = project.objects.iter().find(|object| object["kind"] == "Deployment");
    let container = workload.and_then(|w| w.pointer("/spec/template/spec/containers/0"));
    let container = container.expect("one");
    assert_eq!(container["command"][2], "echo $$(HOME) $$HOME");
    assert_eq!(container["args"], json!(["kill -0 $$$$", "$HOME"]));
    assert_eq!(container["env"][1]["value"], "$$(HOME)/$$HOME");
    assert_eq!(container["livenessProbe"]["exec"]["command"][2], "kill -0 $$$$");
}

#[test]
fn services_find_each_other_and_are_published_where_they_say() {
    let text = "services:\n  web:\n    image: w\n    links: [db:database]\n    networks: [front, back]\n    \
                ports: [\"127.0.0.1:8080-8081:80-81\", {target: 53, published: 5353, protocol: udp}]\n  \
                db:\n    image: d\n    container_name: store\n    networks: {back: {aliases: [sql]}}\n  \
                any: {image: a, ports: [\"443\"]}\nnetworks: {front: {}, back: {driver: overlay}}\n";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("compose.yaml");
    std::fs::write(&file, text).expect("the file");
    let project = read_project(&file, &options()).expect("it is sound");
    let services = project.objects.iter().filter(|object| object["kind"] == "Service");
    let told: Vec<String> = services
        .map(|service| {
            let ports = service["spec"]["ports"].as_array().map_or(0, Vec::len);
            let said = |name: &str| {
                let text = &service["metadata"]["annotations"][format!("setpoint.dev/{name}")];
                text.as_str().unwrap_or("-").to_owned()
            };
            let spec = &service["spec"];
            let word = |name: &str| spec[name].as_str().unwrap_or("-").to_owned();
            let (kind, address) = (word("type"), word("clusterIP"));
            format!("{kind} {address} {ports} {} {}", said("aliases"), said("publish"))
        })
        .collect();
    let expected = [
        "NodePort - 1 any -",
        "- None 0 database,db,sql,store -",
        "- - 3 web 127.0.0.1:8080:80/tcp,127.0.0.1:8081:81/tcp,5353:53/udp",
    ];
    let mut sorted = told.clone();
    sorted.sort_by_key(|line| line.split(' ').nth(3).map(str::to_owned));
    assert_eq!(sorted, expected);
    assert!(project.warnings.iter().any(|warning| warning.contains("do not keep")));
    let wrong = "services: {web: {image: w, links: [gone], networks: {a: {ipv4_address: 10.0.0.2}}}}\n\
                 networks: {a: {internal: true}}\n";
    check(
        &[("compose.yaml", wrong)],
        &options(),
        &expect![[r#"
            compose.yaml: document 1: services.web.links[0]: there is no service "gone"
            compose.yaml: document 1: services.web.networks.a.ipv4_address: all containers have the same network, whose addresses are its own to give; it changes what runs (--allow-ignored accepts it without effect)
            compose.yaml: document 1: networks.a.internal: a network is not cut off from others; it changes what runs (--allow-ignored accepts it without effect)
        "#]],
    );
}

#[test]
fn mistakes_name_their_field() {
    let text = "services:\n  a: {image: a, imagee: b, scale: many}\n  b: {command: x}\n  c: {image: c, \
                restart: sometimes, ports: [\"http\"], depends_on: [gone], deploy: {mode: \
                replicated-job, replicas: -1, placement: {constraints: [zone]}, resources: {limits: \
                {cpus: much, memory: 1 elephant}}}, configs: [none], command: \"a 'b\", volumes: \
                [{type: bind, target: /x}]}\n";
    check(
        &[("compose.yaml", text)],
        &options(),
        &expect![[r#"
            compose.yaml: document 1: services.c.depends_on[0]: there is no service "gone"
            compose.yaml: document 1: services.a.imagee: unknown field
            compose.yaml: document 1: services.a.scale: expected a number, found a string
            compose.yaml: document 1: services.b.image: is required: images are not built
            compose.yaml: document 1: services.c.restart: must be no, always, on-failure or unless-stopped
            compose.yaml: document 1: services.c.ports[0]: "http" is no port: expected [[address:]published:]target[/protocol]
            compose.yaml: document 1: services.c.command: a quote is not closed
            compose.yaml: document 1: services.c.deploy.resources.limits.cpus: must be a number of cores such as 0.5
            compose.yaml: document 1: services.c.deploy.resources.limits.memory: must be a number of bytes such as 50M or 1gb
            compose.yaml: document 1: services.c.deploy.placement.constraints[0]: is no constraint: expected such as node.labels.zone==a
            compose.yaml: document 1: services.c.configs[0]: there is no "none" in configs
            compose.yaml: document 1: services.c.volumes[0].source: is required
            compose.yaml: document 1: services.c.deploy.mode: must be replicated or global; jobs are not supported
            compose.yaml: document 1: services.c.deploy.replicas: must be a number of at least 0
        "#]],
    );
    let required = "services: {a: {image: \"a:${TAG:?set a tag}\"}}\n";
    check(
        &[("compose.yaml", required)],
        &options(),
        &expect![[r#"
        compose.yaml: document 1: services.a.image: the variable TAG is required: set a tag
    "#]],
    );
}

#[test]
fn the_examples_are_sound_and_the_broken_one_says_why() {
    let examples = setpoint_test_support::workspace().join("examples");
    for (name, objects) in [("web.yaml", 2), ("web-v2.yaml", 2), ("compose.yaml", 4)] {
        let loaded = load(&[Source::Path(examples.join(name))], &LoadOptions::default());
        assert_eq!(loaded.expect(name).len(), objects, "{name}");
    }
    let broken = load(&[Source::Path(examples.join("broken.yaml"))], &LoadOptions::default());
    let said = broken.expect_err("refused")[0].to_string();
    let said = said.rsplit('/').next().expect("the file's name").to_owned();
    expect!["broken.yaml: document 2: spec.replicas: is -3 and must not be negative"]
        .assert_eq(&said);
}

#[test]
fn a_healthcheck_becomes_probes() {
    let text = r#"
services:
  plain:
    image: a:1
    healthcheck: {test: "curl -f $$(hostname)/$$HOME || exit 1"}
  all:
    image: a:1
    healthcheck:
      test: [CMD, check, --fast]
      interval: 1m30s
      timeout: 1500ms
      retries: 2
      start_period: 61s
      start_interval: 3s
  none:
    image: a:1
    healthcheck: {test: [NONE]}
  disabled:
    image: a:1
    healthcheck: {disable: "true", test: [CMD, check]}
  image:
    image: a:1
    healthcheck: {test: []}
"#;
    check(
        &[("compose.yaml", text)],
        &options(),
        &expect![[r#"
            Service shop-all names service all of shop
            Deployment shop-all is service all of shop
              spec.replicas: 1
              spec.template.spec.containers[0].image: "a:1"
              spec.template.spec.containers[0].livenessProbe.exec.command: ["check","--fast"]
              spec.template.spec.containers[0].livenessProbe.failureThreshold: 2
              spec.template.spec.containers[0].livenessProbe.periodSeconds: 90
              spec.template.spec.containers[0].livenessProbe.timeoutSeconds: 2
              spec.template.spec.containers[0].name: "all"
              spec.template.spec.containers[0].readinessProbe.exec.command: ["check","--fast"]
              spec.template.spec.containers[0].readinessProbe.failureThreshold: 2
              spec.template.spec.containers[0].readinessProbe.periodSeconds: 90
              spec.template.spec.containers[0].readinessProbe.timeoutSeconds: 2
              spec.template.spec.containers[0].startupProbe.exec.command: ["check","--fast"]
              spec.template.spec.containers[0].startupProbe.failureThreshold: 81
              spec.template.spec.containers[0].startupProbe.periodSeconds: 3
              spec.template.spec.containers[0].startupProbe.timeoutSeconds: 2
              spec.template.spec.restartPolicy: "Always"
            Service shop-disabled names service disabled of shop
            Deployment shop-disabled is service disabled of shop
              spec.replicas: 1
              spec.template.metadata.annotations.setpoint.dev/image-healthcheck: "none"
              spec.template.spec.containers[0].image: "a:1"
              spec.template.spec.containers[0].name: "disabled"
              spec.template.spec.restartPolicy: "Always"
            Service shop-image names service image of shop
            Deployment shop-image is service image of shop
              spec.replicas: 1
              spec.template.spec.containers[0].image: "a:1"
              spec.template.spec.containers[0].name: "image"
              spec.template.spec.restartPolicy: "Always"
            Service shop-none names service none of shop
            Deployment shop-none is service none of shop
              spec.replicas: 1
              spec.template.metadata.annotations.setpoint.dev/image-healthcheck: "none"
              spec.template.spec.containers[0].image: "a:1"
              spec.template.spec.containers[0].name: "none"
              spec.template.spec.restartPolicy: "Always"
            Service shop-plain names service plain of shop
            Deployment shop-plain is service plain of shop
              spec.replicas: 1
              spec.template.spec.containers[0].image: "a:1"
              spec.template.spec.containers[0].livenessProbe.exec.command: ["/bin/sh","-c","curl -f $$(hostname)/$$HOME || exit 1"]
              spec.template.spec.containers[0].livenessProbe.failureThreshold: 3
              spec.template.spec.containers[0].livenessProbe.initialDelaySeconds: 30
              spec.template.spec.containers[0].livenessProbe.periodSeconds: 30
              spec.template.spec.containers[0].livenessProbe.timeoutSeconds: 30
              spec.template.spec.containers[0].name: "plain"
              spec.template.spec.containers[0].readinessProbe.exec.command: ["/bin/sh","-c","curl -f $$(hostname)/$$HOME || exit 1"]
              spec.template.spec.containers[0].readinessProbe.failureThreshold: 3
              spec.template.spec.containers[0].readinessProbe.periodSeconds: 30
              spec.template.spec.containers[0].readinessProbe.timeoutSeconds: 30
              spec.template.spec.restartPolicy: "Always"
        "#]],
    );
    let broken = r#"
services:
  web:
    image: a:1
    healthcheck: {test: [RUN, check], interval: 10, retries: 1.5}
"#;
    check(
        &[("compose.yaml", broken)],
        &options(),
        &expect![[r#"
        compose.yaml: document 1: services.web.healthcheck.interval: must be a duration such as 10s or 1m30s
        compose.yaml: document 1: services.web.healthcheck.retries: must be a whole number that is not negative
        compose.yaml: document 1: services.web.healthcheck.test: must be a text, or a list that begins with NONE, CMD or CMD-SHELL
    "#]],
    );
    let of_image = "services: {web: {image: 'a:1', healthcheck: {interval: 10s}}}";
    check(
        &[("compose.yaml", of_image)],
        &options(),
        &expect![[r#"
            Service shop-web names service web of shop
            Deployment shop-web is service web of shop
              spec.replicas: 1
              spec.template.spec.containers[0].image: "a:1"
              spec.template.spec.containers[0].name: "web"
              spec.template.spec.restartPolicy: "Always"
            warning: services.web.healthcheck has no test: where the image has a check it keeps its own times
        "#]],
    );
}

#[test]
fn a_named_volume_is_a_claim_that_services_share() {
    let text = r#"
services:
  db:
    image: db
    volumes: ["data:/var/lib:nocopy", "old:/old:ro"]
  web:
    image: web
    volumes:
      - {type: volume, source: data, target: /data, read_only: true, volume: {subpath: a/b}}
      - named:/n
  idle: {image: idle, profiles: [never], volumes: ["left:/l"]}
volumes:
  data:
  named: {name: Their.Name, driver: local, labels: {com.example.note: kept}}
  old: {external: true}
  left: {}
  unused: {}
"#;
    check(
        &[("compose.yaml", text)],
        &options(),
        &expect![[r#"
            PersistentVolumeClaim shop-data
              metadata.labels.setpoint.dev/compose-project: "shop"
              spec.accessModes: ["ReadWriteOnce"]
              spec.resources.requests.storage: "100Mi"
            PersistentVolumeClaim their-name
              metadata.annotations.com.example.note: "kept"
              metadata.labels.setpoint.dev/compose-project: "shop"
              spec.accessModes: ["ReadWriteOnce"]
              spec.resources.requests.storage: "100Mi"
            Service shop-db names service db of shop
            Deployment shop-db is service db of shop
              spec.replicas: 1
              spec.strategy.type: "Recreate"
              spec.template.spec.containers[0].image: "db"
              spec.template.spec.containers[0].name: "db"
              spec.template.spec.containers[0].volumeMounts[0].mountPath: "/var/lib"
              spec.template.spec.containers[0].volumeMounts[0].name: "volume-0"
              spec.template.spec.containers[0].volumeMounts[1].mountPath: "/old"
              spec.template.spec.containers[0].volumeMounts[1].name: "volume-1"
              spec.template.spec.containers[0].volumeMounts[1].readOnly: true
              spec.template.spec.restartPolicy: "Always"
              spec.template.spec.volumes[0].name: "volume-0"
              spec.template.spec.volumes[0].persistentVolumeClaim.claimName: "shop-data"
              spec.template.spec.volumes[1].name: "volume-1"
              spec.template.spec.volumes[1].persistentVolumeClaim.claimName: "old"
            Service shop-web names service web of shop
            Deployment shop-web is service web of shop
              spec.replicas: 1
              spec.strategy.type: "Recreate"
              spec.template.spec.containers[0].image: "web"
              spec.template.spec.containers[0].name: "web"
              spec.template.spec.containers[0].volumeMounts[0].mountPath: "/data"
              spec.template.spec.containers[0].volumeMounts[0].name: "volume-0"
              spec.template.spec.containers[0].volumeMounts[0].readOnly: true
              spec.template.spec.containers[0].volumeMounts[0].subPath: "a/b"
              spec.template.spec.containers[0].volumeMounts[1].mountPath: "/n"
              spec.template.spec.containers[0].volumeMounts[1].name: "volume-1"
              spec.template.spec.restartPolicy: "Always"
              spec.template.spec.volumes[0].name: "volume-0"
              spec.template.spec.volumes[0].persistentVolumeClaim.claimName: "shop-data"
              spec.template.spec.volumes[1].name: "volume-1"
              spec.template.spec.volumes[1].persistentVolumeClaim.claimName: "their-name"
            warning: volume data is a claim that begins empty: what the images of db, web have there is not copied
            warning: volume named is a claim that begins empty: what the images of web have there is not copied
            warning: service idle is left out: none of its profiles is active
        "#]],
    );
    let text = r#"
services:
  db: {image: db, volumes: ["absent:/x", "far:/y", "odd:/z:ro,wrong"]}
volumes:
  far: {driver: nfs}
  odd: {driver_opts: {type: nfs}}
"#;
    check(
        &[("compose.yaml", text)],
        &options(),
        &expect![[r#"
        compose.yaml: document 1: volumes.far.driver: only the driver local is known: leave it out
        compose.yaml: document 1: services.db.volumes[0]: there is no volume "absent" in volumes
        compose.yaml: document 1: volumes.odd.driver_opts: a volume is a plain folder of a node; it changes what runs (--allow-ignored accepts it without effect)
        compose.yaml: document 1: services.db.volumes[2]: only ro and rw are known; it changes what runs (--allow-ignored accepts it without effect)
    "#]],
    );
}

#[test]
fn hooks_are_hooks_of_the_container() {
    let text = r"
services:
  one:
    image: a:1
    post_start: [{command: ./warm.sh --fast}]
    pre_stop: [{command: [sh, -c, bye]}]
";
    check(
        &[("compose.yaml", text)],
        &options(),
        &expect![[r#"
            Service shop-one names service one of shop
            Deployment shop-one is service one of shop
              spec.replicas: 1
              spec.template.spec.containers[0].image: "a:1"
              spec.template.spec.containers[0].lifecycle.postStart.exec.command: ["./warm.sh","--fast"]
              spec.template.spec.containers[0].lifecycle.preStop.exec.command: ["sh","-c","bye"]
              spec.template.spec.containers[0].name: "one"
              spec.template.spec.restartPolicy: "Always"
        "#]],
    );
    let more =
        "services: {web: {image: 'a:1', pre_stop: [{command: a, user: root}, {command: b}]}}";
    check(
        &[("compose.yaml", more)],
        &options(),
        &expect![[r#"
        compose.yaml: document 1: services.web.pre_stop[1]: a container has one hook of each kind; put the commands together; it changes what runs (--allow-ignored accepts it without effect)
        compose.yaml: document 1: services.web.pre_stop[0].user: a hook runs as its container does; it changes what runs (--allow-ignored accepts it without effect)
    "#]],
    );
}

#[test]
fn a_file_with_an_owner_is_read_by_all_of_its_container_and_no_words_are_the_images_own() {
    let text = r#"
services:
  a:
    image: a
    command: []
    configs: [{source: c, target: /c, uid: '103', gid: '103', mode: 0o440}]
  own: {image: o, command: "", configs: [{source: c, uid: '0'}]}
  wrong: {image: w, configs: [{source: c, gid: staff}]}
configs: {c: {content: x}}
"#;
    let project = folder(&[("compose.yaml", text)]);
    let refused = made(&project.path().join("compose.yaml"), &options());
    let wrong = "compose.yaml: document 1: services.wrong.configs[0].gid: must be a number\n";
    assert_eq!(refused, wrong);
    let sound: String =
        text.lines().filter(|line| !line.contains("wrong")).map(|l| l.to_owned() + "\n").collect();
    let project = folder(&[("compose.yaml", &sound)]);
    let found = made(&project.path().join("compose.yaml"), &options());
    let modes: Vec<_> = found.lines().filter(|line| line.contains("defaultMode")).collect();
    assert_eq!(modes, ["  spec.template.spec.volumes[0].configMap.defaultMode: 292"], "0444");
    assert!(!found.contains(".args"), "{found}");
    assert!(found.contains("warning: services.a.configs[0] gives c an owner"), "{found}");
}

/// The annotations of one service's workload that speak of its updates, and what was ignored or refused.
fn updates(deploy: &str) -> String {
    let text = format!("services:\n  web: {{image: w, deploy: {deploy}}}\n");
    let folder = folder(&[("compose.yaml", &text)]);
    let allowed = ComposeOptions { allow_ignored: true, ..options() };
    let made = made(&folder.path().join("compose.yaml"), &allowed);
    let about = ["-action", "-monitor", "-ratio", "rollback", "ignored", "must be"];
    let lines = made.lines().filter(|line| about.iter().any(|word| line.contains(word)));
    let short = |line: &str| line.replace("metadata.annotations.setpoint.dev/", "");
    lines.map(|line| short(line.trim()) + "\n").collect()
}

#[test]
fn what_becomes_of_failed_updates_is_said_by_annotations() {
    let cases = [
        ("{update_config: {parallelism: 2}}", ""),
        ("{update_config: {failure_action: continue, monitor: 60s, max_failure_ratio: 0.3}}", ""),
        (
            "{update_config: {failure_action: rollback}}",
            "update-failure-action: \"rollback\"\nupdate-monitor-ms: \"5000\"\n",
        ),
        (
            "{update_config: {monitor: 1m, max_failure_ratio: 0.3}}",
            "update-failure-action: \"pause\"\nupdate-max-failure-ratio: \"0.3\"\n\
             update-monitor-ms: \"60000\"\n",
        ),
        (
            "{rollback_config: {parallelism: 0, order: start-first, delay: 2s, failure_action: pause}}",
            "rollback-delay-ms: \"2000\"\nrollback-failure-action: \"pause\"\n\
             rollback-monitor-ms: \"5000\"\nrollback-order: \"start-first\"\n\
             rollback-parallelism: \"0\"\n",
        ),
        (
            "{mode: global, update_config: {failure_action: rollback}}",
            "update-failure-action: \"rollback\"\nupdate-monitor-ms: \"5000\"\n",
        ),
        (
            "{mode: global, rollback_config: {failure_action: pause, parallelism: 2, order: stop-first}}",
            "rollback-failure-action: \"pause\"\nrollback-monitor-ms: \"5000\"\n\
             ignored services.web.deploy.rollback_config.parallelism: \
             a DaemonSet goes back in the way in which it goes forward\n",
        ),
    ];
    for (deploy, expected) in cases {
        assert_eq!(updates(deploy), expected, "{deploy}");
    }
    for (deploy, why) in [
        ("{update_config: {failure_action: stop}}", "must be one of continue, pause, rollback"),
        ("{rollback_config: {failure_action: rollback}}", "must be one of continue, pause"),
        ("{update_config: {max_failure_ratio: 1.5}}", "must be a number from 0 to 1"),
        ("{update_config: {monitor: 25h}}", "must be from 0 to a day"),
        ("{rollback_config: {parallelism: -1}}", "must be a number of at least 0"),
    ] {
        assert!(updates(deploy).contains(why), "{deploy}: {}", updates(deploy));
    }
}
