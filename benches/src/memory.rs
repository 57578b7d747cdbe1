//! Resident memory of this process, from Linux.

/// Bytes resident now. Freed memory that the allocator keeps counts, as it does for whoever runs us.
pub(crate) fn resident_bytes() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")).map(str::trim);
    let kib: f64 = kib.ok_or_else(|| anyhow::anyhow!("no VmRSS in /proc/self/status"))?.parse()?;
    Ok(kib * 1024.0)
}
