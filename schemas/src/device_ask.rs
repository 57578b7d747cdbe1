//! What a pod asks of devices: whole ones, or a share of one.
//!
//! The rule for several containers: a pod asks for whole devices or for shares, not for both. Whole
//! devices add up, and each container has its own. Shares add up too, and all of a pod's are of the
//! same device, so together they are at most one.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::{Container, DEVICE_MILLI, GPU, GPU_MILLI, PodSpec, Quantity, TakenDevice};

/// What a pod asks of devices, over all of its containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceAsk {
    /// How many devices; 1 for a share.
    pub devices: u32,
    /// Thousandths of each; [`DEVICE_MILLI`] for whole ones.
    pub milli: i32,
}

/// An ask that no node could grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDeviceAsk {
    /// A container that asks for both.
    #[error(
        "container {container:?} asks for both {GPU} and {GPU_MILLI}; a pod has whole devices or a share of one"
    )]
    Both {
        /// The container.
        container: String,
    },
    /// Containers of which some ask for whole devices and some for shares.
    #[error(
        "its containers ask for both {GPU} and {GPU_MILLI}; a pod has whole devices or a share of one"
    )]
    Mixed,
    /// An amount that is not one of devices.
    #[error("container {container:?} asks for {text} of {name}; {why}")]
    Amount {
        /// The container.
        container: String,
        /// The resource.
        name: &'static str,
        /// The amount as written.
        text: String,
        /// What it may be.
        why: &'static str,
    },
    /// Shares that together are more than a device.
    #[error(
        "its containers ask for {milli} of {GPU_MILLI} together; all shares of a pod are of one device, which has 1000"
    )]
    Together {
        /// The sum.
        milli: i64,
    },
}

impl PodSpec {
    /// What the pod asks of devices; `None` when it asks for none.
    ///
    /// # Errors
    /// [`InvalidDeviceAsk`] says which container asks for what cannot be.
    pub fn device_ask(&self) -> Result<Option<DeviceAsk>, InvalidDeviceAsk> {
        let (mut whole, mut milli) = (0_i64, 0_i64);
        for container in &self.containers {
            let own = (wholes(container)?, share(container)?);
            if own.0 > 0 && own.1 > 0 {
                return Err(InvalidDeviceAsk::Both { container: container.name.clone() });
            }
            (whole, milli) = (whole.saturating_add(own.0), milli.saturating_add(own.1));
        }
        match (whole, milli) {
            (0, 0) => Ok(None),
            (0, milli) if milli > i64::from(DEVICE_MILLI) => {
                Err(InvalidDeviceAsk::Together { milli })
            }
            (0, milli) => {
                let milli = i32::try_from(milli).unwrap_or(DEVICE_MILLI);
                Ok(Some(DeviceAsk { devices: 1, milli }))
            }
            (whole, 0) => {
                let devices = u32::try_from(whole).unwrap_or(u32::MAX);
                Ok(Some(DeviceAsk { devices, milli: DEVICE_MILLI }))
            }
            _ => Err(InvalidDeviceAsk::Mixed),
        }
    }

    /// Which container has which of these devices, given by index and id: whole ones in the order of
    /// the containers, or all shares of the one.
    #[must_use]
    pub fn hand_out(&self, devices: &[(i32, Arc<str>)]) -> Vec<TakenDevice> {
        let mut taken = Vec::with_capacity(devices.len());
        let mut next = devices.iter();
        for container in &self.containers {
            let name: Arc<str> = Arc::from(container.name.as_str());
            let take = |(index, id): &(i32, Arc<str>), milli| TakenDevice {
                container: Arc::clone(&name),
                index: *index,
                id: Arc::clone(id),
                milli,
            };
            for _ in 0..wholes(container).unwrap_or(0) {
                taken.extend(next.next().map(|device| take(device, DEVICE_MILLI)));
            }
            let milli = i32::try_from(share(container).unwrap_or(0)).unwrap_or(0);
            if milli > 0 {
                taken.extend(devices.first().map(|device| take(device, milli)));
            }
        }
        taken
    }
}

/// The models that an annotation names: separated by commas or bars, none for an empty text.
#[must_use]
pub fn models_of(text: &str) -> BTreeSet<String> {
    let names = text.split([',', '|']).map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn wholes(container: &Container) -> Result<i64, InvalidDeviceAsk> {
    let Some(quantity) = amount(container, GPU) else { return Ok(0) };
    if quantity.is_negative() || quantity.units().saturating_mul(1000) != quantity.milli() {
        return Err(refusal(container, GPU, quantity, "it must be a whole number"));
    }
    Ok(quantity.units())
}

fn share(container: &Container) -> Result<i64, InvalidDeviceAsk> {
    let Some(quantity) = amount(container, GPU_MILLI) else { return Ok(0) };
    let is_whole = quantity.units().saturating_mul(1000) == quantity.milli();
    if !is_whole || !(0..=i64::from(DEVICE_MILLI)).contains(&quantity.units()) {
        let why =
            "a share of one device is from 1 to 1000; for more devices ask for nvidia.com/gpu";
        return Err(refusal(container, GPU_MILLI, quantity, why));
    }
    Ok(quantity.units())
}

/// A limit stands in for an absent request.
fn amount<'a>(container: &'a Container, name: &str) -> Option<&'a Quantity> {
    let resources = &container.resources;
    resources.requests.get(name).or_else(|| resources.limits.get(name))
}

fn refusal(
    container: &Container,
    name: &'static str,
    quantity: &Quantity,
    why: &'static str,
) -> InvalidDeviceAsk {
    let text = quantity.as_str().to_owned();
    InvalidDeviceAsk::Amount { container: container.name.clone(), name, text, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A container for each list of limits.
    fn spec(containers: &[&[(&str, &str)]]) -> PodSpec {
        let limits = |limits: &[(&str, &str)]| {
            limits.iter().map(|(k, v)| ((*k).to_owned(), Quantity::parse(v).unwrap())).collect()
        };
        let containers = containers.iter().zip(["a", "b", "c"]).map(|(own, name)| {
            let mut container = Container { name: name.to_owned(), ..Container::default() };
            container.resources.limits = limits(own);
            container
        });
        PodSpec { containers: containers.collect(), ..PodSpec::default() }
    }

    fn ask(containers: &[&[(&str, &str)]]) -> Result<Option<(u32, i32)>, String> {
        let ask = spec(containers).device_ask().map_err(|error| error.to_string())?;
        Ok(ask.map(|ask| (ask.devices, ask.milli)))
    }

    #[test]
    fn whole_devices_add_up_and_shares_add_up_to_one_device_at_most() {
        assert_eq!(ask(&[&[("cpu", "1")]]), Ok(None));
        assert_eq!(ask(&[&[(GPU, "2")], &[], &[(GPU, "1")]]), Ok(Some((3, 1000))));
        assert_eq!(ask(&[&[(GPU_MILLI, "300")], &[(GPU_MILLI, "700")]]), Ok(Some((1, 1000))));
        assert_eq!(ask(&[&[(GPU, "0")]]), Ok(None));
        let over = ask(&[&[(GPU_MILLI, "600")], &[(GPU_MILLI, "500")]]).unwrap_err();
        assert!(over.contains("1100 of setpoint.dev/gpu-milli together"), "{over}");
    }

    #[test]
    fn what_is_no_amount_of_devices_is_refused_with_what_it_may_be() {
        let why = |containers| ask(containers).unwrap_err();
        assert!(why(&[&[(GPU_MILLI, "1001")]]).contains("is from 1 to 1000"));
        assert!(why(&[&[(GPU_MILLI, "0.5")]]).contains("is from 1 to 1000"));
        assert!(why(&[&[(GPU, "500m")]]).contains("must be a whole number"));
        assert!(why(&[&[(GPU, "1"), (GPU_MILLI, "5")]]).contains("\"a\" asks for both"));
        assert!(why(&[&[(GPU, "1")], &[(GPU_MILLI, "5")]]).contains("its containers ask for both"));
    }

    #[test]
    fn each_container_has_its_own_whole_devices_and_all_shares_are_of_one() {
        let devices = [(3, Arc::from("x")), (5, Arc::from("y")), (6, Arc::from("z"))];
        let told = |containers: &[&[(&str, &str)]], devices: &[(i32, Arc<str>)]| {
            let taken = spec(containers).hand_out(devices);
            let text = taken.iter().map(|t| format!("{}:{}={}", t.container, t.id, t.milli));
            text.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told(&[&[(GPU, "2")], &[(GPU, "1")]], &devices), "a:x=1000 a:y=1000 b:z=1000");
        let shares: [&[(&str, &str)]; 2] = [&[(GPU_MILLI, "300")], &[(GPU_MILLI, "200")]];
        assert_eq!(told(&shares, &devices[..1]), "a:x=300 b:x=200");
    }

    #[test]
    fn models_are_separated_by_commas_or_bars() {
        let models: Vec<String> = models_of(" T4, V100|A10 ,").into_iter().collect();
        assert_eq!(models, ["A10", "T4", "V100"]);
        assert!(models_of(" ").is_empty());
    }
}
