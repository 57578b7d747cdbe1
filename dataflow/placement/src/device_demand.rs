//! What a pod demands of devices, from its spec and the models that it names.

use setpoint_schemas::{DEVICE_MILLI, GPU_MILLI, GPU_MODEL, PodSpec, Resources, models_of};

use crate::CompileError;
use crate::devices::{Ask, Models};

/// What pods of a shape ask of devices.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct DeviceDemand {
    pub(crate) ask: Ask,
    pub(crate) models: Models,
    /// Whether it is asked for as a share, be it of a whole device.
    pub(crate) is_share: bool,
}

/// The demand; `None` of a pod that asks for no device.
pub(crate) fn compile(
    spec: &PodSpec,
    requests: &Resources,
    models: Option<&str>,
) -> Result<Option<DeviceDemand>, CompileError> {
    let invalid = |why: String| CompileError::new("spec.containers.resources", why);
    let ask = spec.device_ask().map_err(|error| invalid(error.to_string()))?;
    let models = match models.map(models_of) {
        None => Models::Any,
        Some(names) if names.is_empty() => {
            let path = format!("metadata.annotations[{GPU_MODEL}]");
            return Err(CompileError::new(&path, "names no model of device"));
        }
        Some(names) => Models::OneOf(names),
    };
    let demand = |ask: setpoint_schemas::DeviceAsk| DeviceDemand {
        ask: Ask {
            devices: u16::try_from(ask.devices).unwrap_or(u16::MAX),
            milli: u16::try_from(ask.milli.clamp(0, DEVICE_MILLI)).unwrap_or(0),
            ..DeviceDemand::none(requests).ask
        },
        models,
        is_share: requests.extended.contains_key(GPU_MILLI),
    };
    Ok(ask.map(demand))
}

impl DeviceDemand {
    /// No device, and so much of cpu and memory.
    pub(crate) fn none(requests: &Resources) -> DeviceDemand {
        let Resources { cpu_milli, memory_bytes, .. } = *requests;
        let ask = Ask { cpu_milli, memory_bytes, devices: 0, milli: 0 };
        DeviceDemand { ask, models: Models::Any, is_share: false }
    }
}
