//! Workers that have nothing to count take no processor time.
//!
//! A worker of timely that was made without a timer never sleeps. Three of them on two cores cost each
//! epoch of one event 3.4 ms, which is how long the scheduler lets one spin before another's turn, and
//! with a second process 32 ms, where 0.5 and 0.8 ms are needed. Alone in its process, because it looks
//! at the time of the whole of it.

#![allow(clippy::disallowed_methods, reason = "time is what is measured")]

use std::num::NonZeroUsize;
use std::time::Duration;

use setpoint_views::{Differential, Fact, PodFact, Standing, Views};

/// How long nothing is asked of the workers.
const QUIET: Duration = Duration::from_millis(500);
/// What they may take meanwhile, of the 100 ticks that two spinning ones would in that time on two cores.
const TICKS_MAX: u64 = 10;

#[test]
fn who_waits_takes_no_time() {
    let mut views = Differential::with_workers(NonZeroUsize::new(3).expect("some"));
    let pod = PodFact {
        node: 1,
        pod: 1,
        workload: 1,
        revision: 1,
        namespace: 1,
        standing: Standing::Available,
        cpu_milli: 100,
        memory_bytes: 1 << 27,
    };
    views.update(Fact::Pod(pod), 1);
    views.settle();
    views.settle_cold();
    let before = ticks();
    std::thread::sleep(QUIET);
    let taken = ticks() - before;
    assert!(taken <= TICKS_MAX, "three workers that wait took {taken} ticks in {QUIET:?}");
}

/// Time of this process so far, in ticks of a hundredth of a second: `utime` and `stime` of proc(5).
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let field = |at: usize| fields.split_whitespace().nth(at).and_then(|ticks| ticks.parse().ok());
    let (in_user, in_kernel): (Option<u64>, Option<u64>) = (field(11), field(12));
    in_user.expect("utime") + in_kernel.expect("stime")
}
