//! The GPUs of this machine, as NVIDIA's driver tells of them.
//!
//! Guarantee: a machine without the driver has none, and nothing is tried for long. Absent: whether a
//! runtime can use them; a container that is refused says so.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use setpoint_schemas::{DEVICE_MILLI, DEVICES_MAX, Device};
use tokio::process::Command;
use tokio::time::timeout;
use tracing::{info, warn};

/// Where the driver's module shows its devices.
const DRIVER: &str = "/proc/driver/nvidia/gpus";
/// The driver's own tool, and what it is asked for.
const TOOL: &str = "nvidia-smi";
const QUESTION: [&str; 2] = ["--query-gpu=uuid,name,memory.total", "--format=csv,noheader,nounits"];
/// The tool takes a second or two where the driver is not kept loaded; one that hangs is left.
const TOOL_MAX: Duration = Duration::from_secs(20);

/// The devices of this machine, in the driver's order.
pub(super) async fn found() -> Vec<Device> {
    let mut devices = match asked().await {
        Some(text) => told_by_tool(&text),
        None => told_by_driver(Path::new(DRIVER)),
    };
    if devices.len() > DEVICES_MAX {
        warn!(found = devices.len(), "this machine has more devices than a node can offer");
        devices.truncate(DEVICES_MAX);
    }
    for device in &devices {
        info!(id = device.id, model = device.model, "device found");
    }
    devices
}

/// What the tool says; `None` where it is not there or does not answer.
async fn asked() -> Option<String> {
    let mut tool = Command::new(TOOL);
    tool.args(QUESTION).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = match timeout(TOOL_MAX, tool.output()).await {
        Ok(output) => output.ok()?,
        Err(_) => {
            warn!(tool = TOOL, "does not answer; the driver's own files are read");
            return None;
        }
    };
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Lines of `UUID, model, MiB`.
fn told_by_tool(text: &str) -> Vec<Device> {
    let device = |line: &str| {
        let mut fields = line.split(',').map(str::trim);
        let (id, model) = (fields.next()?, fields.next()?);
        let mib: i64 = fields.next()?.parse().unwrap_or(0);
        (!id.is_empty()).then(|| device_of(id, model, mib << 20))
    };
    text.lines().filter_map(device).collect()
}

/// A folder a device, by its place on the bus, each with a file of `Model:` and `GPU UUID:`.
fn told_by_driver(folder: &Path) -> Vec<Device> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> =
        entries.filter_map(|entry| Some(entry.ok()?.path().join("information"))).collect();
    files.sort();
    let device = |text: String| {
        let field = |name: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(':'));
            lines.into_iter().find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
        };
        Some(device_of(field("GPU UUID")?, field("Model").unwrap_or(""), 0))
    };
    files.iter().filter_map(|file| device(std::fs::read_to_string(file).ok()?)).collect()
}

/// Models are written as NVIDIA's feature discovery writes them, without blanks.
fn device_of(id: &str, model: &str, memory_bytes: i64) -> Device {
    let model = model.split_whitespace().collect::<Vec<_>>().join("-");
    Device { id: id.to_owned(), model, milli: DEVICE_MILLI, memory_bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(devices: &[Device]) -> Vec<String> {
        devices.iter().map(|d| format!("{} {} {}", d.id, d.model, d.memory_bytes >> 30)).collect()
    }

    #[test]
    fn the_tools_lines_are_devices() {
        let text = "GPU-5f0c, NVIDIA A100-SXM4-80GB, 81920\nGPU-77aa, Tesla T4, [N/A]\n\n";
        assert_eq!(
            lines(&told_by_tool(text)),
            ["GPU-5f0c NVIDIA-A100-SXM4-80GB 80", "GPU-77aa Tesla-T4 0"]
        );
    }

    #[test]
    fn the_drivers_files_are_devices_by_their_place_on_the_bus() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().display();
        for (place, model, id) in [("0000:41:00.0", "Tesla T4", "b"), ("0000:07:00.0", "A10", "a")]
        {
            let own = format!("{at}/{place}");
            std::fs::create_dir(&own).expect("made");
            let text = format!("Model: \t\t {model}\nIRQ:   \t\t 57\nGPU UUID: \t GPU-{id}\n");
            std::fs::write(format!("{own}/information"), text).expect("written");
        }
        assert_eq!(lines(&told_by_driver(folder.path())), ["GPU-a A10 0", "GPU-b Tesla-T4 0"]);
        assert!(told_by_driver(Path::new("/nowhere")).is_empty());
    }
}
