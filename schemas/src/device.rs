//! Devices: the GPUs of a node, and which of them a pod has.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Quantity, Resources};

/// The extended resource of whole devices, as NVIDIA's device plugin names it.
pub const GPU: &str = "nvidia.com/gpu";

/// The extended resource of a share of one device, in thousandths.
pub const GPU_MILLI: &str = "setpoint.dev/gpu-milli";

/// The annotation of a pod that names the models of device that will do, separated by commas.
pub const GPU_MODEL: &str = "setpoint.dev/gpu-model";

/// The label of a node with the model of its devices, as NVIDIA's feature discovery names it.
pub const GPU_PRODUCT: &str = "nvidia.com/gpu.product";

/// The thousandths of a whole device.
pub const DEVICE_MILLI: i32 = 1000;

/// Devices of one node: machines have up to 16, and a placer notes them as the bits of one word.
pub const DEVICES_MAX: usize = 64;

/// The longest id or model, in bytes: a label's value has as many, a device's UUID forty.
const TEXT_BYTES_MAX: usize = 63;

/// A device of a node; its place in the node's list is its index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Device {
    /// What the runtime knows it by: a UUID, or an index.
    pub id: String,
    /// Its model, such as `NVIDIA-A100-SXM4-80GB`; empty when nobody said.
    pub model: String,
    /// Thousandths that pods may use of it, 1 to [`DEVICE_MILLI`].
    pub milli: i32,
    /// Bytes of its memory; 0 when nobody said.
    pub memory_bytes: i64,
}

/// A device, or a share of one, that a container has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TakenDevice {
    /// The container.
    pub container: Arc<str>,
    /// The device's place among the node's when the pod was placed.
    pub index: i32,
    /// What the runtime knows it by; who counts what is taken goes by this.
    pub id: Arc<str>,
    /// Thousandths of it.
    pub milli: i32,
}

impl std::str::FromStr for Device {
    type Err = InvalidDeviceText;

    /// A whole device, written as `ID`, `ID=MODEL` or `ID=MODEL/MEMORY`, the memory as a quantity.
    fn from_str(text: &str) -> Result<Device, InvalidDeviceText> {
        let invalid = |why: String| InvalidDeviceText { text: text.to_owned(), why };
        let (id, rest) = text.split_once('=').unwrap_or((text, ""));
        let (model, memory) = rest.split_once('/').unwrap_or((rest, "0"));
        let memory = Quantity::parse(memory).map_err(|error| invalid(error.to_string()))?;
        let (id, model) = (id.to_owned(), model.to_owned());
        let device = Device { id, model, milli: DEVICE_MILLI, memory_bytes: memory.units() };
        let checked = check_devices(std::slice::from_ref(&device));
        checked.map_err(|error| invalid(error.to_string()))?;
        Ok(device)
    }
}

/// A text that is no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no device such as GPU-1, GPU-1=T4 or GPU-1=T4/16Gi: {why}")]
pub struct InvalidDeviceText {
    /// What was found.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

/// Devices that a node cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDevices {
    /// More than can be noted.
    #[error("it has {0} devices, more than {DEVICES_MAX}")]
    TooMany(usize),
    /// One that cannot be as it is told.
    #[error("its device {index} {why}")]
    Device {
        /// Its place in the list.
        index: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Whether these can be the devices of one node.
///
/// # Errors
/// [`InvalidDevices`] names the first that cannot.
pub fn check_devices(devices: &[Device]) -> Result<(), InvalidDevices> {
    if devices.len() > DEVICES_MAX {
        return Err(InvalidDevices::TooMany(devices.len()));
    }
    for (index, device) in devices.iter().enumerate() {
        let refuse = |why| Err(InvalidDevices::Device { index, why });
        if device.id.is_empty() || device.id.len() > TEXT_BYTES_MAX {
            return refuse("has an id that is empty or longer than 63 bytes");
        }
        if device.model.len() > TEXT_BYTES_MAX {
            return refuse("has a model of more than 63 bytes");
        }
        if !(1..=DEVICE_MILLI).contains(&device.milli) {
            return refuse("offers thousandths that are not from 1 to 1000");
        }
        if device.memory_bytes < 0 {
            return refuse("has memory below 0");
        }
        if devices[..index].iter().any(|other| other.id == device.id) {
            return refuse("has the id of another one");
        }
    }
    Ok(())
}

/// Adds the devices to what a node has: how many whole ones, and the thousandths of all.
pub fn add_devices(resources: &mut Resources, devices: &[Device]) {
    let whole = devices.iter().filter(|device| device.milli == DEVICE_MILLI).count();
    let milli: i64 = devices.iter().map(|device| i64::from(device.milli)).sum();
    let amounts = [(GPU, i64::try_from(whole).unwrap_or(i64::MAX)), (GPU_MILLI, milli)];
    for (name, amount) in amounts.into_iter().filter(|(_, amount)| *amount > 0) {
        resources.extended.insert(name.to_owned(), amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str, milli: i32) -> Device {
        Device { id: id.to_owned(), model: "A100".to_owned(), milli, memory_bytes: 0 }
    }

    #[test]
    fn devices_that_cannot_be_are_named() {
        let told = |devices: &[Device]| check_devices(devices).map_err(|e| e.to_string());
        assert_eq!(told(&[device("a", 1000), device("b", 1)]), Ok(()));
        assert_eq!(
            told(&[device("a", 1000), device("a", 1000)]).unwrap_err(),
            "its device 1 has the id of another one"
        );
        assert!(told(&[device("", 1000)]).unwrap_err().contains("an id that is empty"));
        assert!(told(&[device("a", 0)]).unwrap_err().contains("from 1 to 1000"));
        assert!(told(&[device("a", 1001)]).unwrap_err().contains("from 1 to 1000"));
        let many: Vec<Device> = (0..65).map(|n| device(&n.to_string(), 1000)).collect();
        assert_eq!(told(&many).unwrap_err(), "it has 65 devices, more than 64");
    }

    #[test]
    fn a_device_is_written_with_its_model_and_memory() {
        let read = |text: &str| text.parse::<Device>();
        let told = |text: &str| read(text).map(|d| (d.id, d.model, d.memory_bytes >> 30)).unwrap();
        assert_eq!(told("0"), ("0".to_owned(), String::new(), 0));
        assert_eq!(told("GPU-1=T4/16Gi"), ("GPU-1".to_owned(), "T4".to_owned(), 16));
        assert!(read("=T4").unwrap_err().to_string().contains("an id that is empty"));
        assert!(read("a=T4/lots").unwrap_err().to_string().contains("invalid quantity"));
    }

    #[test]
    fn a_node_has_its_whole_devices_and_the_thousandths_of_all() {
        let mut has = Resources::default();
        add_devices(&mut has, &[device("a", 1000), device("b", 1000), device("c", 250)]);
        assert_eq!((has.extended[GPU], has.extended[GPU_MILLI]), (2, 2250));
        let mut none = Resources::default();
        add_devices(&mut none, &[]);
        assert!(none.extended.is_empty());
    }
}
