//! A claim that is deleted goes when no pod uses it; what becomes of its volume the volume says itself.
//!
//! Guarantee: while a claim is there its volume is, and while a volume is to be removed it is on the
//! log, until its node says that nothing is left of it: whoever is killed meanwhile finds it there.

use setpoint_rules::claim::Claim;
use setpoint_rules::finalizers;
use setpoint_schemas::{PodUid, ResourceKey};

use crate::decide::Turn;
use crate::decide::kinds::volume_key;
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// Lets those go whose deletion was asked for, or that were made with a pod which is gone, and that no
    /// pod uses any more.
    pub(crate) fn let_claims_go(&mut self) {
        for key in std::mem::take(&mut self.state.claims.unused) {
            let claim = self.state.claims.get(&key);
            let goes = claim.is_some_and(|claim| claim.is_leaving || self.is_left_behind(claim));
            if !goes || self.state.claims.is_used(&key) {
                continue;
            }
            if self.is_finalized_later(&key) {
                // It is seen to be leaving, and goes with the last of its finalizers.
                let cause = self.cause_of_epoch();
                self.delete(&key, None, &cause);
                continue;
            }
            self.claim_goes(&key);
        }
    }

    /// Whether a claim was made with a pod of which nothing is left.
    fn is_left_behind(&self, claim: &Claim) -> bool {
        let uid = PodUid::parse(&claim.made_with).ok();
        uid.is_some_and(|uid| self.state.pods.id_of(&uid).is_none())
    }

    /// A claim that no pod uses goes.
    pub(super) fn claim_goes(&mut self, key: &ResourceKey) {
        self.release_volume(key);
        let before = self.state.set_resource(key, None);
        self.out.resources.push((key.clone(), None));
        self.claim_gone(key);
        let cause = self.cause_of_epoch();
        self.owners_look(key, before.as_deref(), &cause);
    }

    /// Whether a claim has finalizers: it goes when the last of them is taken away.
    fn is_finalized_later(&self, key: &ResourceKey) -> bool {
        let claim = self.state.resources.get(key);
        claim.is_some_and(|claim| !finalizers::of_text(&claim.kind, &claim.body).is_empty())
    }

    /// A claim is about to go: its volume is removed by its node, or kept.
    pub(crate) fn release_volume(&mut self, claim: &ResourceKey) {
        let Some(row) = self.state.claims.get(claim).filter(|row| row.is_bound()) else { return };
        let key = volume_key(&row.volume);
        self.volume_released(&key);
    }
}
