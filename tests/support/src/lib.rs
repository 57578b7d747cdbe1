//! What the tests of every crate share: where things lie, and what a missing real part means.
//!
//! Guarantee: paths are those of the checkout whose tests run, read when they run. Clones share one
//! build folder, so a path kept from the time of building may be another clone's.
//! Absent: the real parts themselves; they are in the `testing` modules of the crates that use them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// Set to `1`, a missing real part is a failure instead of a skipped test.
pub const REQUIRE_REAL: &str = "SETPOINT_REQUIRE_REAL";
/// Names the folder of the real inputs; without it, `../shared/data` beside the checkout.
pub const DATA: &str = "SETPOINT_DATA";

/// Set to `1`, tests that have a longer form run that one: `make test-long` does so.
pub const LONG: &str = "SETPOINT_TEST_LONG";

/// The folder of the crate whose test runs.
///
/// # Panics
/// When the test was not started by cargo, which names that folder.
#[must_use]
pub fn crate_folder() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests").into()
}

/// The top of the checkout: the nearest folder above the crate's with a `Cargo.lock`.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn workspace() -> PathBuf {
    let start = crate_folder();
    let top = start.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    top.map(Path::to_path_buf).expect("a crate of a workspace")
}

/// A file or folder of the real inputs, by its path below their folder; `None` after saying that
/// the test is skipped.
///
/// # Panics
/// When it is absent and real parts are required.
#[must_use]
pub fn data(path: &str) -> Option<PathBuf> {
    let found = data_if_there(path);
    if found.is_none() {
        skip(&format!("{} is absent", data_folder().join(path).display()));
    }
    found
}

/// The same for what is no test: `None` and no word when it is absent.
#[must_use]
pub fn data_if_there(path: &str) -> Option<PathBuf> {
    data_folder().join(path).canonicalize().ok()
}

fn data_folder() -> PathBuf {
    std::env::var_os(DATA).map_or_else(|| workspace().join("../shared/data"), PathBuf::from)
}

/// Debian's kubectl, where `scripts/setup test` puts it; `None` after saying that the test is skipped.
///
/// # Panics
/// When it is absent and real parts are required.
#[must_use]
pub fn kubectl_of_debian() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home_cache = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    let program = cache.or_else(home_cache)?.join("setpoint/kubectl-debian/usr/bin/kubectl");
    if program.is_file() {
        return Some(program);
    }
    skip("Debian's kubectl is absent");
    None
}

/// Says why a test is skipped.
///
/// # Panics
/// When real parts are required.
pub fn skip(why: &str) {
    let required = std::env::var(REQUIRE_REAL).is_ok_and(|value| value == "1");
    assert!(
        !required,
        "a real part is required ({REQUIRE_REAL}=1): {why}; scripts/setup installs it"
    );
    println!("SKIPPED: {why}");
}

/// Whether the longer form of a test is asked for.
#[must_use]
pub fn is_long() -> bool {
    std::env::var(LONG).is_ok_and(|value| value == "1")
}

/// A port of the loopback address that was free a moment ago.
///
/// # Panics
/// When the machine has none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
