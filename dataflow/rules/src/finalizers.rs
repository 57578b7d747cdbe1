//! Finalizers: names in an object's metadata that keep it, once its deletion was asked for, until the last of
//! them is taken away.
//!
//! Source: `deletionFinalizersForGarbageCollection` and `BeforeDelete` of Kubernetes' API server. How what
//! an object owns is to go with it is said by finalizers as well, so that it stands with the object.
//! Absent: who takes a finalizer away; whoever put it there.

use serde_json::{Value, json};
use setpoint_schemas::{CLAIM_FINALIZER, VOLUME_FINALIZER};

/// Stays until what it owns is gone.
pub const FOREGROUND: &str = "foregroundDeletion";
/// Stays until what it owns is let go.
pub const ORPHAN: &str = "orphan";
/// Of a namespace: stays until nothing is in it.
pub const KUBERNETES: &str = "kubernetes";

/// What is to become of what an object owns when that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// It goes after its owner.
    Background,
    /// It goes before its owner.
    Foreground,
    /// It is let go and stays.
    Orphan,
}

impl Propagation {
    /// By the name that `DeleteOptions` have for it.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Propagation> {
        match name {
            "Background" => Some(Propagation::Background),
            "Foreground" => Some(Propagation::Foreground),
            "Orphan" => Some(Propagation::Orphan),
            _ => None,
        }
    }

    /// The finalizer that says so; of what goes after its owner there is none.
    #[must_use]
    pub fn finalizer(self) -> Option<&'static str> {
        match self {
            Propagation::Background => None,
            Propagation::Foreground => Some(FOREGROUND),
            Propagation::Orphan => Some(ORPHAN),
        }
    }
}

/// The finalizers that hold an object of this kind. What Kubernetes shows of claims and volumes while they
/// are used is kept by us in another way, so that who writes back what he was shown holds nothing by it.
#[must_use]
pub fn of(kind: &str, object: &Value) -> Vec<String> {
    let shown = match kind {
        "PersistentVolumeClaim" => CLAIM_FINALIZER,
        "PersistentVolume" => VOLUME_FINALIZER,
        _ => "",
    };
    let named = object["metadata"]["finalizers"].as_array().into_iter().flatten();
    let named = named.filter_map(Value::as_str).filter(|name| *name != shown);
    named.map(str::to_owned).collect()
}

/// The same of an object as text; what has none costs a look for the word.
#[must_use]
pub fn of_text(kind: &str, body: &str) -> Vec<String> {
    if !body.contains("\"finalizers\"") {
        return Vec::new();
    }
    of(kind, &serde_json::from_str(body).unwrap_or_default())
}

/// Writes an object's finalizers; none at all leave no trace.
pub fn write(object: &mut Value, finalizers: &[String]) {
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), json!(finalizers));
    }
}

/// An object's finalizers once its deletion was asked for so; who does not say how leaves them.
#[must_use]
pub fn once_deleted(mut finalizers: Vec<String>, asked: Option<Propagation>) -> Vec<String> {
    let Some(asked) = asked else { return finalizers };
    let wanted = asked.finalizer();
    finalizers.retain(|name| {
        let says_how = name == FOREGROUND || name == ORPHAN;
        !says_how || Some(name.as_str()) == wanted
    });
    if let Some(wanted) = wanted.filter(|wanted| !finalizers.iter().any(|name| name == wanted)) {
        finalizers.push(wanted.to_owned());
    }
    finalizers
}

/// Why an object that is being deleted may not have these finalizers: none comes to those that it has.
///
/// # Errors
/// Kubernetes' sentence, with the field.
pub fn none_is_new(before: &[String], after: &[String]) -> Result<(), String> {
    let mut new: Vec<&str> =
        after.iter().filter(|name| !before.contains(name)).map(String::as_str).collect();
    new.sort_unstable();
    new.dedup();
    if new.is_empty() {
        return Ok(());
    }
    let new: Vec<String> = new.iter().map(|name| format!("{name:?}")).collect();
    Err(format!(
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, \
         found new finalizers []string{{{}}}",
        new.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Vec<String> {
        of.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn how_it_is_deleted_is_said_by_one_finalizer_and_others_stay() {
        use Propagation::{Background, Foreground, Orphan};
        for (before, asked, after) in [
            (&["a.b/c"][..], None, &["a.b/c"][..]),
            (&["a.b/c"], Some(Background), &["a.b/c"]),
            (&["a.b/c"], Some(Foreground), &["a.b/c", FOREGROUND]),
            (&[FOREGROUND], Some(Foreground), &[FOREGROUND]),
            (&[FOREGROUND, "a.b/c"], Some(Orphan), &["a.b/c", ORPHAN]),
            (&[FOREGROUND, "a.b/c"], Some(Background), &["a.b/c"]),
            (&[ORPHAN], None, &[ORPHAN]),
        ] {
            assert_eq!(once_deleted(names(before), asked), names(after), "{before:?} {asked:?}");
        }
        assert_eq!(Propagation::of_name("Foreground"), Some(Foreground));
        assert_eq!(Propagation::of_name("foreground"), None);
    }

    #[test]
    fn none_comes_to_those_of_what_is_being_deleted() {
        let before = names(&["a.b/c", ORPHAN]);
        assert_eq!(none_is_new(&before, &names(&[ORPHAN])), Ok(()));
        assert_eq!(none_is_new(&before, &[]), Ok(()));
        assert_eq!(
            none_is_new(&before, &names(&["a.b/d", "a.b/c"])),
            Err("metadata.finalizers: Forbidden: no new finalizers can be added if the object is being \
                 deleted, found new finalizers []string{\"a.b/d\"}"
                .to_owned())
        );
    }

    #[test]
    fn what_is_shown_of_a_claim_does_not_hold_it() {
        let claim = json!({"metadata": {"finalizers": [CLAIM_FINALIZER, "a.b/c"]}});
        assert_eq!(of("PersistentVolumeClaim", &claim), ["a.b/c"]);
        assert_eq!(of("ConfigMap", &claim), [CLAIM_FINALIZER, "a.b/c"]);
        assert_eq!(of_text("ConfigMap", &claim.to_string()), [CLAIM_FINALIZER, "a.b/c"]);
        assert_eq!(of_text("ConfigMap", r#"{"metadata": {}}"#), [""; 0]);
    }

    #[test]
    fn finalizers_are_written_and_the_last_one_leaves_no_trace() {
        let mut object = json!({"metadata": {"name": "a"}});
        write(&mut object, &names(&["a.b/c"]));
        assert_eq!(object, json!({"metadata": {"name": "a", "finalizers": ["a.b/c"]}}));
        write(&mut object, &[]);
        assert_eq!(object, json!({"metadata": {"name": "a"}}));
    }
}
