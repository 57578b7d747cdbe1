//! The volumes, those that are free by class and size, and the claims that wait for one.
//!
//! Guarantee: follows from the resources of volumes and claims. Finding a volume for a claim costs what
//! stands between the smallest that is large enough and the first that fits, within its class; finding
//! a claim for a volume as much. What changed is looked at once, before anything is placed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use setpoint_rules::claim::Claim;
use setpoint_rules::volume::{Volume, Wants};
use setpoint_schemas::ResourceKey;

/// A volume's name.
pub(crate) type VolumeName = Arc<str>;

/// When a claim's turn is, among those for which a volume is looked for: whether any volume will do, how
/// much it asks for, and who it is. By it, and not by what changed when, it is decided who has what.
pub(crate) type ClaimTurn = (bool, i64, ResourceKey);

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Volumes {
    rows: HashMap<VolumeName, Volume>,
    /// Those that any claim may have, by class and then by how much they hold.
    free: BTreeMap<String, BTreeSet<(i64, VolumeName)>>,
    /// Those that say whose they are, by that claim.
    kept_for: HashMap<ResourceKey, BTreeSet<VolumeName>>,
    /// What each claim without a volume wants.
    wants: HashMap<ResourceKey, Arc<Wants>>,
    /// The claims that any volume will do for, by class and then by how much they ask for.
    asking: BTreeMap<String, BTreeSet<(i64, ResourceKey)>>,
    /// The claims that name a volume.
    naming: HashMap<String, BTreeSet<ResourceKey>>,
    /// Volumes that are new or changed, or whose claim is: how they stand, and for whom they are, is looked at.
    due: BTreeSet<VolumeName>,
    /// Claims that want a volume and were not looked at since they do.
    claims_due: BTreeSet<ResourceKey>,
}

impl Volumes {
    /// A volume is this now.
    pub(super) fn put(&mut self, name: &str, volume: Volume) {
        if self.rows.get(name) == Some(&volume) {
            return;
        }
        self.remove(name);
        let name = VolumeName::from(name);
        if volume.is_free() {
            let of_class = self.free.entry(volume.class.clone()).or_default();
            of_class.insert((volume.bytes, name.clone()));
        }
        if let Some(claim) = &volume.claim {
            self.kept_for.entry(claim.key()).or_default().insert(name.clone());
        }
        self.due.insert(name.clone());
        self.rows.insert(name, volume);
    }

    /// A volume is gone.
    pub(super) fn remove(&mut self, name: &str) {
        let Some((name, before)) = self.rows.remove_entry(name) else { return };
        self.due.remove(&name);
        if let Some(claim) = &before.claim {
            take_from(&mut self.kept_for, &claim.key(), &name);
        }
        let Some(of_class) = self.free.get_mut(&before.class) else { return };
        of_class.remove(&(before.bytes, name));
        if of_class.is_empty() {
            self.free.remove(&before.class);
        }
    }

    /// A claim is this now, or gone: the volumes that name it are to be looked at, since how they stand follows
    /// from it.
    pub(super) fn claim_is(&mut self, key: &ResourceKey, claim: Option<&Claim>) {
        self.due.extend(self.kept_for.get(key).into_iter().flatten().cloned());
        let wants = claim.and_then(|claim| claim.wants.clone());
        if self.wants.get(key) == wants.as_ref() {
            return;
        }
        self.wants_nothing(key);
        let Some(wants) = wants else { return };
        if wants.volume.is_empty() {
            let of_class = self.asking.entry(wants.class.clone()).or_default();
            of_class.insert((wants.bytes, key.clone()));
        } else {
            self.naming.entry(wants.volume.clone()).or_default().insert(key.clone());
        }
        self.claims_due.insert(key.clone());
        self.wants.insert(key.clone(), wants);
    }

    fn wants_nothing(&mut self, key: &ResourceKey) {
        self.claims_due.remove(key);
        let Some(before) = self.wants.remove(key) else { return };
        if let Some(of_class) = self.asking.get_mut(&before.class) {
            of_class.remove(&(before.bytes, key.clone()));
            if of_class.is_empty() {
                self.asking.remove(&before.class);
            }
        }
        take_from(&mut self.naming, &before.volume, key);
    }

    /// A volume, where there is one of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Volume> {
        self.rows.get(name)
    }

    /// Whether something changed that was not looked at.
    pub(crate) fn is_any_due(&self) -> bool {
        !self.due.is_empty() || !self.claims_due.is_empty()
    }

    /// What is to be looked at, in order: volumes and claims.
    pub(crate) fn take_due(&mut self) -> (BTreeSet<VolumeName>, BTreeSet<ResourceKey>) {
        (std::mem::take(&mut self.due), std::mem::take(&mut self.claims_due))
    }

    /// The volume that a claim gets: one that is kept for it, or the smallest that fits.
    pub(crate) fn for_claim(&self, key: &ResourceKey) -> Option<VolumeName> {
        let wants = self.wants.get(key)?;
        let whose = (&*key.namespace, &*key.name);
        let is_kept = |name: &&VolumeName| {
            let is_named = wants.volume.is_empty() || ***name == *wants.volume;
            is_named && self.rows.get(*name).is_some_and(|volume| volume.is_kept_for(whose, wants))
        };
        let kept = self.kept_for.get(key).into_iter().flatten().filter(is_kept);
        let smallest = kept.min_by_key(|name| (self.rows.get(*name).map(|v| v.bytes), *name));
        if let Some(name) = smallest {
            return Some(name.clone());
        }
        let fits = |name: &VolumeName| self.rows.get(name).is_some_and(|row| row.fits(wants));
        if !wants.volume.is_empty() {
            let (name, _) = self.rows.get_key_value(wants.volume.as_str())?;
            return fits(name).then(|| name.clone());
        }
        let large_enough =
            self.free.get(&wants.class)?.range((wants.bytes, VolumeName::from(""))..);
        large_enough.map(|(_, name)| name).find(|name| fits(name)).cloned()
    }

    /// The turn of a claim that waits: who names a volume is first, and then who asks for less.
    pub(crate) fn turn_of(&self, key: &ResourceKey) -> Option<ClaimTurn> {
        let wants = self.wants.get(key)?;
        Some(match wants.volume.is_empty() {
            true => (true, wants.bytes, key.clone()),
            false => (false, 0, key.clone()),
        })
    }

    /// The first, by their turns, of the claims that wait and may have this volume.
    pub(crate) fn first_for(&self, name: &str) -> Option<ClaimTurn> {
        let volume = self.rows.get(name)?;
        if let Some(kept) = &volume.claim {
            let wants = self.wants.get(&kept.key())?;
            let is_kept = volume.is_kept_for((&*kept.namespace, &*kept.name), wants);
            return is_kept.then(|| self.turn_of(&kept.key())).flatten();
        }
        let fits = |key: &&ResourceKey| self.wants.get(*key).is_some_and(|w| volume.fits(w));
        if let Some(key) = self.naming.get(name).into_iter().flatten().find(fits) {
            return self.turn_of(key);
        }
        let asking = self.asking.get(&volume.class)?.iter();
        let mut small_enough = asking.take_while(|(bytes, _)| *bytes <= volume.bytes);
        let found = small_enough.find(|(_, key)| fits(&key))?;
        self.turn_of(&found.1)
    }
}

fn take_from<K, V>(map: &mut HashMap<K, BTreeSet<V>>, key: &K, value: &V)
where
    K: std::hash::Hash + Eq,
    V: Ord,
{
    if let Some(values) = map.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::{ClaimRef, GroupKind};

    use super::*;

    fn key(name: &str) -> ResourceKey {
        ResourceKey::new(GroupKind::new("", "PersistentVolumeClaim"), "default", name)
    }

    fn of(bytes: i64) -> Volume {
        Volume { class: "manual".to_owned(), bytes, is_served: true, ..Volume::default() }
    }

    fn wanting(bytes: i64, volume: &str) -> Claim {
        let (class, volume) = ("manual".to_owned(), volume.to_owned());
        let wants = Wants { uid: "u".to_owned(), class, bytes, volume, ..Wants::default() };
        Claim { wants: Some(Arc::new(wants)), ..Claim::default() }
    }

    #[test]
    fn a_claim_gets_the_smallest_that_fits_unless_one_is_kept_for_it() {
        let mut all = Volumes::default();
        for (name, bytes) in [("large", 30), ("small", 10), ("tiny", 1)] {
            all.put(name, of(bytes));
        }
        all.claim_is(&key("data"), Some(&wanting(5, "")));
        assert_eq!(all.for_claim(&key("data")).as_deref(), Some("small"));
        let kept =
            ClaimRef { namespace: "default".into(), name: "data".into(), uid: String::new() };
        all.put("large", Volume { claim: Some(kept), ..of(30) });
        assert_eq!(all.for_claim(&key("data")).as_deref(), Some("large"));
        all.remove("large");
        all.remove("small");
        assert_eq!(all.for_claim(&key("data")), None);
        assert_eq!(all.for_claim(&key("nobody")), None);
    }

    #[test]
    fn a_volume_goes_to_who_names_it_and_then_to_who_asks_for_least() {
        let mut all = Volumes::default();
        all.claim_is(&key("a"), Some(&wanting(8, "")));
        all.claim_is(&key("b"), Some(&wanting(4, "")));
        all.claim_is(&key("c"), Some(&wanting(9, "mine")));
        all.put("mine", of(10));
        let first = |all: &Volumes| all.first_for("mine").map(|(_, _, key)| key);
        assert_eq!(first(&all), Some(key("c")));
        all.claim_is(&key("c"), None);
        assert_eq!(first(&all), Some(key("b")));
        all.claim_is(&key("b"), Some(&wanting(40, "")));
        assert_eq!(first(&all), Some(key("a")));
        all.claim_is(&key("a"), None);
        assert_eq!(first(&all), None);
        let kept = ClaimRef { namespace: "default".into(), name: "b".into(), uid: String::new() };
        all.put("mine", Volume { claim: Some(kept.clone()), ..of(50) });
        assert_eq!(first(&all), Some(key("b")));
        all.put("mine", Volume { claim: Some(kept), ..of(30) });
        assert_eq!(first(&all), None, "it is too small for whom it is kept for");
    }

    #[test]
    fn only_what_changed_is_looked_at() {
        let mut all = Volumes::default();
        assert!(!all.is_any_due());
        all.put("one", of(1));
        all.claim_is(&key("a"), Some(&wanting(8, "")));
        let (volumes, claims) = all.take_due();
        assert_eq!((volumes.len(), claims.len()), (1, 1));
        all.put("one", of(1));
        all.claim_is(&key("a"), Some(&wanting(8, "")));
        assert!(!all.is_any_due(), "nothing has changed");
    }

    #[test]
    fn a_volume_is_looked_at_when_the_claim_that_it_names_comes_changes_or_goes() {
        let mut all = Volumes::default();
        let kept = ClaimRef { namespace: "default".into(), name: "a".into(), uid: "u".into() };
        all.put("one", Volume { claim: Some(kept), ..of(1) });
        all.put("other", of(1));
        all.take_due();
        let bound = Claim { volume: "two".to_owned(), ..Claim::default() };
        for claim in [Some(wanting(8, "")), Some(bound), None] {
            all.claim_is(&key("a"), claim.as_ref());
            let names: Vec<VolumeName> = all.take_due().0.into_iter().collect();
            assert_eq!(names, [VolumeName::from("one")], "{claim:?}");
        }
        all.claim_is(&key("b"), Some(&wanting(8, "")));
        assert!(all.take_due().0.is_empty(), "none of them names it");
    }
}
