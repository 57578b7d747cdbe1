//! A web server as an image of the test's engines, in several versions, and the Deployment that runs it
//! behind a Service.
//!
//! The server does what a good one does: asked to end it takes no connection any more, and ends when it has
//! answered those that it had.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{Api, deployment};
use crate::docker_bridged::Fleet;
use crate::docker_images::Image;
use crate::load_by_clock::{ANSWER_MAX, get};

/// A page that is answered at once: the version and `end`.
pub(crate) const PAGE: &str = "/index.html";
/// One that takes seconds; its answer ends with `asked to end` where the server was meanwhile.
pub(crate) const SLOW: &str = "/cgi-bin/slow";
/// The Deployment.
pub(crate) const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";
/// What a Deployment of a few pods takes to be as asked for, on a busy machine.
pub(crate) const SETTLES_WITHIN: Duration = Duration::from_secs(120);
/// Where the server listens.
const PORT: u16 = 8080;

const FURNISHED: &str = r#"
mkdir -p /www/cgi-bin /tmp
echo "VERSION end" > /www/index.html
cat > /www/cgi-bin/slow <<'EOF'
#!/bin/sh
touch /tmp/slow.$$
printf 'Content-Type: text/plain\r\n\r\n'
sleep 4
said=; [ -e /tmp/ends ] && said=', asked to end'
echo "VERSION$said, end"
rm /tmp/slow.$$
EOF
cat > /serve <<'EOF'
#!/bin/sh
httpd -f -p 8080 -h /www & server=$!
ends() {
    kill $server
    touch /tmp/ends
    sleep 1
    while ls /tmp/slow.* >/dev/null 2>&1; do sleep 0.1; done
    sleep 0.5
    exit 0
}
trap ends TERM
wait $server
EOF
busybox chmod 755 /serve /www/cgi-bin/slow
"#;

/// The server in this version.
pub(crate) fn image(name: &'static str, version: &str) -> Image {
    let furnished = FURNISHED.replace("VERSION", version);
    Image { name, furnished, runs: &["/serve"] }
}

/// So many pods of this image, of which none is missing while they are updated.
pub(crate) fn web(image: &str, replicas: u64) -> Value {
    let mut web = deployment("web", replicas);
    let spec = &mut web["spec"];
    spec["strategy"] = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    let pod = &mut spec["template"]["spec"];
    pod["terminationGracePeriodSeconds"] = json!(30);
    let container = &mut pod["containers"][0];
    container["image"] = json!(image);
    container.as_object_mut().expect("a container").remove("command");
    container["ports"] = json!([{"name": "http", "containerPort": PORT}]);
    // A machine that stands still for seconds takes nobody out of service.
    container["readinessProbe"] = json!({"httpGet": {"path": PAGE, "port": "http"},
        "periodSeconds": 1, "timeoutSeconds": 10});
    web
}

/// The Service of these pods, also at a port of every node.
pub(crate) fn service() -> Value {
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "type": "NodePort",
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}})
}

/// The places at which the Service is found: at its address, and at its port of every node. All answer.
pub(crate) async fn places(fleet: &mut Fleet) -> Vec<SocketAddr> {
    let service = fleet.api.get("/api/v1/namespaces/default/services/web").await.expect("it is");
    let address = service["spec"]["clusterIP"].as_str().expect("an address");
    let inside = SocketAddr::new(address.parse().expect("an address"), 80);
    let port = service["spec"]["ports"][0]["nodePort"].as_u64().expect("a port of every node");
    let mut places = fleet.published(u16::try_from(port).expect("a port"));
    places.push(inside);
    for at in &places {
        let answers = async || get(*at, PAGE, ANSWER_MAX).await;
        fleet.house.until(&format!("{at} answers"), SETTLES_WITHIN, answers).await;
    }
    places
}

/// Waits until all pods that there are, those that end included, are so many available ones of the Deployment's
/// template.
pub(crate) async fn settled(fleet: &mut Fleet, replicas: u64) {
    let api = fleet.api.clone();
    let look = async || is_settled(&api, replicas).await;
    fleet.house.until("the Deployment is as asked for", SETTLES_WITHIN, look).await;
}

async fn is_settled(api: &Api, replicas: u64) -> Result<(), String> {
    let web = api.get(WEB).await?;
    let count = |field: &str| web["status"][field].as_u64().unwrap_or(0);
    let seen = web["status"]["observedGeneration"] == web["metadata"]["generation"];
    let fields = ["replicas", "updatedReplicas", "availableReplicas"];
    let pods = api.get("/api/v1/pods").await?;
    let there = pods["items"].as_array().map_or(0, Vec::len) as u64;
    if seen && fields.iter().all(|field| count(field) == replicas) && there == replicas {
        return Ok(());
    }
    Err(format!("{there} pods are there; {}", web["status"]))
}
