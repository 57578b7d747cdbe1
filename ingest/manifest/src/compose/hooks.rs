//! A service's `post_start` and `pre_stop` as the hooks of its container.
//!
//! Compose has lists of commands, Kubernetes has one of each; and here a stop is not aborted by a hook
//! that fails.

use serde_json::{Value, json};

use super::fields;
use super::making::Making;
use super::units::{scalar_text, words};
use crate::gate::cursor::Cursor;

/// Gives the container its hooks.
pub(crate) fn apply(making: &mut Making<'_>, service: &Cursor<'_>, container: &mut Value) {
    for (field, hook) in [("post_start", "postStart"), ("pre_stop", "preStop")] {
        let hooks = service.field(field).items();
        for more in hooks.iter().skip(1) {
            making.ignore(more, "a container has one hook of each kind; put the commands together");
        }
        if let Some(command) = hooks.first().and_then(|at| command(making, at)) {
            container["lifecycle"][hook] = json!({"exec": {"command": command}});
        }
    }
}

fn command(making: &mut Making<'_>, hook: &Cursor<'_>) -> Option<Vec<String>> {
    if hook.map().is_none() {
        making.refuse(hook, "expected a map");
        return None;
    }
    making.check(hook, fields::SERVICE_HOOK);
    let at = hook.field("command");
    let command = match at.value {
        Value::Array(items) => items.iter().map(scalar_text).collect::<Option<Vec<_>>>(),
        other => words(&scalar_text(other).unwrap_or_default()).ok(),
    };
    let command = command.filter(|command| !command.is_empty());
    if command.is_none() {
        making.refuse(&at, "must be a command");
    }
    command
}
