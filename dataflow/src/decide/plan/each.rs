//! Pods of a StatefulSet that have claims of their own: they are not alike, since each goes where its data
//! is. One that has to wait keeps no other from its place.
//!
//! Room that others leave is promised to one of them at a time, which is looked at first.

use setpoint_rules::quota;

use super::placing::{Attempt, Start};
use crate::decide::Turn;
use crate::state::{Identity, Workload};
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// Whether each of the pods to start has claims of its own, or such as are made with it.
    pub(super) fn are_unlike(&self, start: &Start) -> bool {
        let workload = self.state.workload.get(&start.workload);
        workload.is_some_and(|workload| workload.has_claims_by_name())
    }

    /// Places those for which there is room where their data is, or anywhere when they have none yet;
    /// says how many are placed, how many wait for room that was promised, and why others wait.
    pub(super) fn place_each(
        &mut self,
        start: &Start,
        granted: i64,
        is_current: bool,
        (mut placed, mut promised): (i64, i64),
    ) -> (i64, i64, Option<String>) {
        let begun = placed + promised;
        let known = self.why_they_wait(start.workload);
        let mut reason: Option<String> = None;
        // Those without data are alike: where one of them has no room, none has.
        let mut is_room_anywhere = true;
        (0..promised).for_each(|_| start.pass());
        while placed < granted
            && let Some(identity) = start.identity()
        {
            if !is_room_anywhere && !self.has_home(start.workload, identity) {
                start.pass();
                continue;
            }
            match self.place_one(start) {
                Attempt::Placed => placed += 1,
                Attempt::NoRoom(why) => {
                    is_room_anywhere &= self.has_home(start.workload, identity);
                    if is_current && promised == 0 && self.preempt_first(start, identity, &why) {
                        promised = 1;
                    } else {
                        reason = reason.or(Some(why));
                    }
                    start.pass();
                }
                Attempt::Waits(why) => {
                    // Who waits for a quota is waked by what the reason says.
                    let is_awaited = |why: &String| quota::is_awaited(why);
                    let says_less = reason.as_ref().is_none_or(|known| !is_awaited(known));
                    if reason.is_none() || (says_less && is_awaited(&why)) {
                        reason = Some(why);
                    }
                    start.pass();
                }
                Attempt::NotMeant => break,
            }
        }
        if placed + promised > begun {
            // Others than the first may have gone: who is left is told anew, under its own name.
            self.wait(start.workload, None);
        }
        (placed, promised, reason.or(known))
    }

    /// Makes room for the pod of this identity, if others can: then it is the first that waits.
    fn preempt_first(&mut self, start: &Start, identity: Identity, why: &str) -> bool {
        let Some(workload) = self.state.workload.get_mut(&start.workload) else { return false };
        let before = workload.memo.ordinals.clone();
        workload.memo.ordinals.retain(|ordinal| *ordinal != identity.ordinal);
        workload.memo.ordinals.insert(0, identity.ordinal);
        let counter = self.next_of(start);
        let is_promised = self.preempt(start, counter, why).is_some();
        if !is_promised && let Some(workload) = self.state.workload.get_mut(&start.workload) {
            workload.memo.ordinals = before;
        }
        self.state.touch_workload(start.workload);
        is_promised
    }

    /// Whether the data of this identity lives somewhere.
    fn has_home(&self, id: u32, identity: Identity) -> bool {
        let Some(workload) = self.state.workload.get(&id) else { return false };
        let Some(template) = workload.templates.get(&identity.revision) else { return false };
        let claims = self.state.claims_of(workload, template, Some(identity.ordinal));
        claims.iter().any(|key| self.state.claims.get(key).is_some_and(|row| row.has_home()))
    }

    fn why_they_wait(&self, id: u32) -> Option<String> {
        let waiting = self.state.workload.get(&id)?.memo.waiting.as_ref()?;
        Some(waiting.reason.clone())
    }
}

impl Workload {
    /// These identities in the order in which they are looked at: the one to which room is promised
    /// first, where each pod has claims of its own.
    pub(super) fn promised_first(&self, mut identities: Vec<Identity>) -> Vec<Identity> {
        let first = self.memo.ordinals.first().filter(|_| !self.memo.nominated.is_empty());
        let Some(first) = first.filter(|_| self.has_claims_by_name()) else {
            return identities;
        };
        if let Some(at) = identities.iter().position(|identity| identity.ordinal == *first) {
            identities[..=at].rotate_right(1);
        }
        identities
    }
}
