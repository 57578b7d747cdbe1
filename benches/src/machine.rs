//! The machine that the figures are of.

use serde::Serialize;

/// What a reader needs to know of the machine.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's own name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// The compiler.
    pub rustc: String,
    /// `release` or `debug`: figures of a debug build are not worth publishing.
    pub build: &'static str,
    /// Processes that wanted to run in the minute before, other work on the machine included.
    pub load_before: f64,
}

impl Machine {
    /// This machine. What cannot be found out is said to be unknown.
    #[must_use]
    pub fn here() -> Self {
        Machine {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: field("/proc/meminfo", "MemTotal").and_then(kib).unwrap_or(0) * 1024,
            rustc: rustc().unwrap_or_else(|| "unknown".to_owned()),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            load_before: load().unwrap_or(0.0),
        }
    }

    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let gib = self.memory_bytes as f64 / f64::from(1 << 30);
        format!(
            "{}, {} cores, {gib:.0} GiB, {}, {} build, load {:.1} before",
            self.cpu, self.cores, self.rustc, self.build, self.load_before
        )
    }
}

/// The first line `KEY : value` of a file.
fn field(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let of_key = |line: &str| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    };
    text.lines().find_map(of_key)
}

fn kib(text: String) -> Option<u64> {
    text.strip_suffix("kB")?.trim().parse().ok()
}

fn rustc() -> Option<String> {
    let out = std::process::Command::new("rustc").arg("--version").output().ok()?;
    Some(String::from_utf8(out.stdout).ok()?.trim().to_owned())
}

fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}
