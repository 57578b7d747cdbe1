//! A Service: one that asks for a balancer waits until it has its address.

use serde_json::Value;

use super::Health;
use super::field::each;

pub(super) fn service(object: &Value) -> Health {
    let addresses = each(&object["status"]["loadBalancer"]["ingress"]).count();
    if object["spec"]["type"] == "LoadBalancer" && addresses == 0 {
        return Health::progressing("nothing has given it an address outside the fleet");
    }
    Health::healthy("")
}
