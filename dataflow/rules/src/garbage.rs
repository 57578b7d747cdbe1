//! What becomes of an object by how its owners stand.
//!
//! Source: `attemptToDeleteItem` of Kubernetes' garbage collector. An object that has one owner alive stays,
//! whatever becomes of the others. Absent: finding the owners.

use serde_json::Value;
use setpoint_schemas::{GroupKind, ResourceKey};

use crate::finalizers::Propagation;

/// That an object is owned by another, as its metadata says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The owner's kind.
    pub kind: GroupKind,
    /// The owner's name, in the namespace of what it owns or in none.
    pub name: String,
    /// The owner's uid: another object of that name is none.
    pub uid: String,
    /// Whether an owner that is to go after what it owns waits for this.
    pub blocks: bool,
}

impl Reference {
    /// Where the owner of an object of this namespace may be.
    pub fn places(&self, namespace: &str) -> impl Iterator<Item = ResourceKey> {
        let places = [Some(namespace).filter(|namespace| !namespace.is_empty()), Some("")];
        let key = |place| ResourceKey::new(self.kind.clone(), place, &self.name);
        places.map(|place| place.map(key)).into_iter().flatten()
    }
}

/// What an object says of its owners; what does not read says nothing.
#[must_use]
pub fn references(object: &Value) -> Vec<Reference> {
    let all = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let reference = |said: &Value| {
        let text = |name: &str| said[name].as_str().filter(|text| !text.is_empty());
        Some(Reference {
            kind: GroupKind::of_api_version(text("apiVersion")?, text("kind")?),
            name: text("name")?.to_owned(),
            uid: text("uid")?.to_owned(),
            blocks: said["blockOwnerDeletion"] == true,
        })
    };
    all.filter_map(reference).collect()
}

/// The same of an object as text; what has none costs a look for the word.
#[must_use]
pub fn references_in(body: &str) -> Vec<Reference> {
    if !body.contains("\"ownerReferences\"") {
        return Vec::new();
    }
    references(&serde_json::from_str(body).unwrap_or_default())
}

/// Takes the references to these owners away.
pub fn let_go(object: &mut Value, uids: &[String]) {
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    let Some(all) = metadata.get_mut("ownerReferences").and_then(Value::as_array_mut) else {
        return;
    };
    all.retain(|said| !uids.iter().any(|uid| said["uid"] == **uid));
    if all.is_empty() {
        metadata.remove("ownerReferences");
    }
}

/// Lets no owner wait for it.
pub fn block_nobody(object: &mut Value) {
    let all = object["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten();
    for said in all {
        if let Some(said) =
            said.as_object_mut().filter(|said| said.contains_key("blockOwnerDeletion"))
        {
            said.insert("blockOwnerDeletion".to_owned(), Value::Bool(false));
        }
    }
}

/// How an owner stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is there and stays, or does not go before what it owns.
    Alive,
    /// It is being deleted, and goes after what it owns.
    Waiting,
    /// There is none with this kind, name and uid.
    Absent,
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stays as it is.
    Stays,
    /// It stays, and is not owned by these any more.
    LetGoBy(Vec<String>),
    /// It is deleted, before what it owns or, where it owns something for which its own owner waits, after.
    Goes(Option<Propagation>),
}

/// What becomes of an object with these owners; `owns` is whether it owns something itself.
#[must_use]
pub fn verdict(owners: &[(&Reference, Standing)], owns: bool) -> Verdict {
    let is = |wanted: Standing| owners.iter().any(|(_, standing)| *standing == wanted);
    let gone = owners.iter().filter(|(_, standing)| *standing != Standing::Alive);
    let gone: Vec<String> = gone.map(|(owner, _)| owner.uid.clone()).collect();
    if gone.is_empty() {
        return Verdict::Stays;
    }
    if is(Standing::Alive) {
        return Verdict::LetGoBy(gone);
    }
    Verdict::Goes((is(Standing::Waiting) && owns).then_some(Propagation::Foreground))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn owned(by: &[&str]) -> Value {
        let reference = |uid: &&str| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": uid,
                "blockOwnerDeletion": true})
        };
        let references: Vec<Value> = by.iter().map(reference).collect();
        json!({"metadata": {"name": "a", "ownerReferences": references}})
    }

    #[test]
    fn what_has_an_owner_alive_stays_and_what_has_none_goes() {
        use Standing::{Absent, Alive, Waiting};
        let let_go_by =
            |uids: &[&str]| Verdict::LetGoBy(uids.iter().map(|uid| (*uid).to_owned()).collect());
        for (standings, owns, expected) in [
            (&[][..], false, Verdict::Stays),
            (&[Alive], true, Verdict::Stays),
            (&[Alive, Alive], true, Verdict::Stays),
            (&[Alive, Absent], true, let_go_by(&["1"])),
            (&[Waiting, Alive, Absent], true, let_go_by(&["0", "2"])),
            (&[Absent], true, Verdict::Goes(None)),
            (&[Waiting], false, Verdict::Goes(None)),
            (&[Waiting], true, Verdict::Goes(Some(Propagation::Foreground))),
            (&[Absent, Waiting], true, Verdict::Goes(Some(Propagation::Foreground))),
        ] {
            let uids: Vec<String> = (0..standings.len()).map(|n| n.to_string()).collect();
            let uids: Vec<&str> = uids.iter().map(String::as_str).collect();
            let references = references(&owned(&uids));
            let owners: Vec<_> = references.iter().zip(standings.iter().copied()).collect();
            assert_eq!(verdict(&owners, owns), expected, "{standings:?} {owns}");
        }
    }

    #[test]
    fn an_owner_is_in_the_namespace_of_what_it_owns_or_in_none() {
        let reference = &references(&owned(&["u"]))[0];
        let places = |namespace: &str| -> Vec<String> {
            reference.places(namespace).map(|key| key.to_string()).collect()
        };
        assert_eq!(places("team"), ["apps/Deployment/team/web", "apps/Deployment/-/web"]);
        assert_eq!(places(""), ["apps/Deployment/-/web"]);
    }

    #[test]
    fn references_are_taken_away_and_the_last_one_leaves_no_trace() {
        let mut object = owned(&["a", "b"]);
        block_nobody(&mut object);
        assert!(references(&object).iter().all(|reference| !reference.blocks));
        let_go(&mut object, &["a".to_owned()]);
        assert_eq!(references_in(&object.to_string()).len(), 1);
        let_go(&mut object, &["b".to_owned()]);
        assert_eq!(object, json!({"metadata": {"name": "a"}}));
        let nameless = json!({"metadata": {"ownerReferences": [{"uid": "x"}]}});
        assert!(references(&nameless).is_empty());
    }
}
