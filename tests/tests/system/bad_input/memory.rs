//! The engine's memory, as the kernel counts it.

/// Several times what a small fleet needs (about 60 MB), and far below what any of the inputs here
/// would take if it were held as it comes: 100 MB documents parse to gigabytes.
pub(super) const ENGINE_BYTES_MAX: u64 = 512 << 20;

/// Holds the most that a process ever used against the bound.
pub(super) fn is_bounded(pid: u32) {
    let most = high_water(pid);
    println!("the engine's memory: {} MB at most", most >> 20);
    assert!(most < ENGINE_BYTES_MAX, "{most} bytes, and {ENGINE_BYTES_MAX} are the bound");
}

/// The most resident memory that a process ever had, in bytes.
fn high_water(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the kernel says it");
    let kilobytes = line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    kilobytes.expect("a number") << 10
}
