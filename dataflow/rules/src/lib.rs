//! Pure decisions, one rule a file.
//!
//! Guarantee: a rule is a function of its arguments. No I/O, no clock, no randomness, no state.
//! Absent: knowing which pods exist (the engine does) and where they fit (the placer does).

pub mod admission;
pub mod immutable;
mod pod_changes;
pub mod ownership;
pub mod finalizers;
pub mod garbage;

pub mod identity;
pub mod revision;
pub mod rollout;
pub mod guard;
pub mod updates;
pub mod batches;
pub mod victims;
pub mod statefulset;
pub mod daemonset;

pub mod intervals;
pub mod jobs;
pub mod job_failures;
pub mod job_status;
pub mod cron;
pub mod cron_runs;

pub mod priority;
pub mod preemption;
pub mod budget;
pub mod quota;
pub mod limits;
pub mod volume;
pub mod claim;
pub mod own_claims;
pub mod ephemeral;
pub mod sources;
pub mod dependencies;
pub mod conditions;

pub mod service;

pub mod lease;
pub mod fence;
pub mod eviction;
pub mod disruption;
pub mod reschedule;
pub mod memory;
pub mod pacing;

pub mod status;

/// The version of the rules, in every epoch's record. A recovery that meets an epoch of another
/// version follows what was recorded and tells where these rules would have decided otherwise; one
/// of this version that replays otherwise stops the engine. Raise it with every change that makes
/// any rule decide otherwise, or the door take in another record.
///
/// 19: of whom nothing but what is remembered is news, some are told in each cold step, and not all at once.
/// 19: a bare Pod that runs is what its resource says of labels, annotations, tolerations and its deadline; the
/// latter two may change as in Kubernetes.
/// 19: volumes that people write are bound to claims, and pods go where they are; a claim may name one, choose
/// by labels or say that it has no class; and a volume whose claim is gone is free again when its `claimRef`
/// is taken off.
/// 19: where all old pods stop before a new one starts, nobody waits for those on lost nodes, unless they may have
/// the same claim; and a Deployment's pods that nodes evict soon after their start are replaced after a growing wait.
/// 18: of two items of one request that set conditions of the same pod the second sees what the first set,
/// and a write of conditions may name those that it went by.
/// 18: updates of StatefulSets and DaemonSets that fail go back or stand still where that is asked for; a pod of
/// an earlier revision that is not available makes way whatever else an update waits for; a DaemonSet's
/// `updateStrategy` is acted upon, and it waits for no pod on a lost node; an update that waited for others has
/// all of its time from then on; a resource says what is remembered of its replacements and its deadline; and
/// attempts of replacements need an interval.
/// 18: LimitRanges are acted upon: pods have what they fill in, and no pod and no claim is made outside them;
/// claims that a StatefulSet's pods have for themselves keep to quotas too; and of those that wait for room in
/// a quota as many are looked at as there is room for, who waits longest first.
/// 18: what has finalizers stays until the last of them is taken away; what is owned goes when its last owner
/// is gone, before it or is let go, as who deletes that says; and a namespace tells what is left in it.
/// 18: a claim that a pod's volume describes is made with the pod and goes with it; a node that is short of
/// memory takes no new pods that ask for nothing, one that is short of process ids none at all.
/// 17: a volume says since when it has its phase.
/// 17: a workload that depends on others waits until they are so far, and is restarted with them where it asks
/// for it; a pod with readiness gates is ready when they are open; and what runs once runs again when its template is another.
/// 17: an eviction is asked for as such: it keeps to disruption budgets, and a pod that serves goes after
/// another is there in its place; a budget says which of its pods that are not healthy may go.
/// Annotations say after which waits and how often pods that ended for good are replaced, the row of waits
/// is over after ten minutes without an end, and a node on which a pod of the workload failed is avoided
/// for a time; annotations about restarts that say nothing are refused.
/// 17: an update that fails goes back to the last revision that was healthy where that is asked for, or
/// stands still; what was gone back to is pinned against the manifest that states the other; and a
/// history says which of its revisions were healthy and which failed.
/// 17: a StatefulSet's pods have claims of their own, which are made with the first pod of each identity.
/// 17: quotas are acted upon: no pod and no object is made beyond them.
/// 16: a pod that has ended for good stays so when its node has nothing left of it; a pod reserves what its
/// init containers and sidecars need; and its spec says more to its node: these, hooks, a deadline.
/// Jobs have pods and end, and CronJobs start Jobs.
/// A claim gets its data on the node of the first pod that uses it, and pods go where their data is;
/// there is a storage class `local`; and a workload that asks for it has its pods replaced when a
/// ConfigMap or Secret that they read changes.
/// A Service is given its address and its node ports.
/// StatefulSets are acted upon; what makes it certain that a pod which may run at most once has ended
/// is waited for.
/// A pod with scheduling gates waits until they are taken away.
/// 15: pods leave a node for a taint of effect `NoExecute`, after their `tolerationSeconds`, and one that
/// names its node waits while it would have to leave at once; a Node resource says since when it bears
/// such a taint; a toleration of no seconds bears nothing; a DaemonSet's pods bear that their node is away;
/// and a pod's spec says more to its node: probes, volumes, rights.
/// 14: what is taken in from a backlog was said when the backlog began; who is promised room keeps those
/// away whom it would not bear beside it; a leader that begins anew looks at daemons everywhere.
/// 13: nothing of a resource is written by way of its status; nothing is placed on a node that is only
/// watched, and what names a node by `nodeName` waits while that is not ready; a spread counts no pod
/// that stops, and honours cordons among taints; a namespace has its name as a label; a budget counts
/// from when it is made to when it is deleted, wherever it found nobody; a default class changes no
/// revision that has pods.
/// 12: no two pods of a namespace have one name; of nodes that nothing else tells apart the one with room
/// for the most pods is preferred, and balance is kept by what pods ask for.
/// 11: pods with devices go by what devices are worth, and others keep away from these; the placer
/// draws among nodes that only their reservations tell apart, a few of each camp; the hash of an epoch
/// speaks of a placement by its revision instead of its spec;
/// pods of lower priority stop for higher ones, within disruption budgets where there is a choice; who
/// is promised room is promised the devices in it; the hash of an epoch is taken over what decisions
/// are made of instead of their words; nodes that are nearly full are filled to the end.
/// 10: a workload's selector, a Pod's spec, a Secret's type and what calls itself immutable are not
/// changed, and no Pod is made under the name of another workload's; what is deleted and made again
/// between two looks is another object; an update by batches goes on from the pods that are there;
/// who waits is tried again when a node is removed.
/// 9: a node whose disk has no room takes no new pods. 8: an undo changes no owners, and a scale is
/// noted beside the owner, who takes the number back by stating another. 7: when a hold ends, who is still silent has a whole grace period from there; nothing new is
/// placed on a node whose lease ended under a hold; what a session says before its record is read
/// counts once it is; tombstones of observations say nothing of the pod, and a lost node without a
/// resource goes. 6: what is decided fits into its record: a resource that grows too large is
/// refused, a history of large templates is shorter, long texts of the ledger are cut; and a patch
/// cannot write `deletionGracePeriodSeconds` either. 5: a Node resource says whether its node is
/// lost, and has another version then. 4: late words of a node and repeated requests change
/// nothing; silence of the whole fleet is doubted; a deleted namespace goes with its last pod;
/// updates pause between batches. 3: a Secret that kubectl applied passes the door; before, its
/// sealed annotation set it aside. 2: the ledger tells of orphans. 1: the first.
pub const RULES_VERSION: &str = "19";
