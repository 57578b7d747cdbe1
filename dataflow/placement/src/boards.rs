//! What nodes have of devices, what is taken of each, and the policy that values what is left.
//!
//! Guarantee: what is left of a device follows from the node's record and the pods that have it, in
//! whatever order these came; a device is known by its id, so a list in another order changes
//! nothing. What a pod has of a device that is not there (yet, or any more) is kept for its return.
//! Absent: which node a pod goes to.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_schemas::{DEVICES_MAX, Device, GPU, GPU_PRODUCT, Resources};

use crate::PodId;
use crate::device_demand::DeviceDemand;
use crate::devices::{Bid, DEVICE_MILLI, DeviceSet, Left, Models};
use crate::ids::IdMap;
use crate::mix::Appraisal;
use crate::recent::Recent;

/// The devices of all nodes, by slot.
#[derive(Debug, Default)]
pub(crate) struct Boards {
    boards: IdMap<u32, Board>,
    /// The slots with devices on which something was taken or freed.
    changed: Recent,
    pub(crate) appraisal: Appraisal,
}

/// The devices of one node.
#[derive(Debug, Default)]
pub(crate) struct Board {
    devices: Vec<BoardDevice>,
    /// Thousandths left of each device, by index.
    left: Vec<u16>,
    /// The model that most of them have, the first by name on ties.
    model: Arc<str>,
    /// Thousandths that pods have, by the device's id.
    taken: BTreeMap<Arc<str>, i64>,
    holders: IdMap<PodId, Vec<(Arc<str>, i64)>>,
}

/// A device of a node.
#[derive(Debug)]
pub(crate) struct BoardDevice {
    id: Arc<str>,
    model: Arc<str>,
    milli: u16,
}

impl Boards {
    /// The devices of this slot's node.
    pub(crate) fn get(&self, slot: u32) -> Option<&Board> {
        self.boards.get(&slot).filter(|board| !board.devices.is_empty())
    }

    /// Whether no node has any.
    pub(crate) fn is_empty(&self) -> bool {
        self.boards.is_empty()
    }

    /// On which slots with devices something was taken or freed.
    pub(crate) fn changed(&self) -> &Recent {
        &self.changed
    }

    /// The slot's node has these now; none when it is gone.
    pub(crate) fn set_node(&mut self, slot: u32, devices: Vec<BoardDevice>) {
        if devices.is_empty() && !self.boards.contains_key(&slot) {
            return;
        }
        let board = self.boards.entry(slot).or_default();
        board.devices.iter().for_each(|device| self.appraisal.count_device(&device.model, -1));
        board.set(devices);
        board.devices.iter().for_each(|device| self.appraisal.count_device(&device.model, 1));
        self.forget_empty(slot);
    }

    /// Something other than a device was taken or freed on the slot.
    pub(crate) fn note(&mut self, slot: u32) {
        if !self.is_empty() && self.boards.contains_key(&slot) {
            self.changed.push(slot);
        }
    }

    /// The pod on this slot has so many thousandths of each of these, by id, or has them promised.
    pub(crate) fn take(&mut self, slot: u32, pod: PodId, taken: Vec<(Arc<str>, i64)>) {
        if !taken.is_empty() {
            self.boards.entry(slot).or_default().take(pod, taken);
            self.changed.push(slot);
        }
    }

    /// Who has some of the slot's devices, in no order.
    pub(crate) fn holders(&self, slot: u32) -> impl Iterator<Item = PodId> {
        self.boards.get(&slot).into_iter().flat_map(|board| board.holders.keys().copied())
    }

    /// What the pod on this slot has counts as left until it is put back.
    pub(crate) fn lift(&mut self, slot: u32, pod: PodId) {
        if let Some(board) = self.boards.get_mut(&slot) {
            board.count(pod, -1);
        }
    }

    /// What the pod on this slot has is taken again.
    pub(crate) fn put_back(&mut self, slot: u32, pod: PodId) {
        if let Some(board) = self.boards.get_mut(&slot) {
            board.count(pod, 1);
        }
    }

    /// The pod on this slot has none any more.
    pub(crate) fn release(&mut self, slot: u32, pod: PodId) {
        if let Some(board) = self.boards.get_mut(&slot) {
            board.release(pod);
            self.changed.push(slot);
            self.forget_empty(slot);
        }
    }

    /// What the node would lose in worth by a pod, and the devices that it would take. `None` when
    /// the node has no devices, or too little of them. It has so much cpu and memory free.
    pub(crate) fn bid(
        &self,
        slot: u32,
        (cpu_milli, memory_bytes): (i64, i64),
        demand: &DeviceDemand,
    ) -> Option<Bid> {
        let board = self.get(slot)?;
        let policy = self.appraisal.policy()?;
        let masked;
        let devices = match board.allows_all(&demand.models) {
            true => &board.left,
            false => {
                masked = board.masked(&demand.models);
                &masked
            }
        };
        let left = Left { cpu_milli, memory_bytes, model: policy.model(&board.model), devices };
        policy.bid(&left, policy.potential(&left), &demand.ask)
    }

    fn forget_empty(&mut self, slot: u32) {
        let is_empty = |board: &Board| board.devices.is_empty() && board.holders.is_empty();
        if self.boards.get(&slot).is_some_and(is_empty) {
            self.boards.remove(&slot);
        }
    }
}

impl Board {
    /// Whether as many devices as asked for have enough left.
    pub(crate) fn fits(&self, demand: &DeviceDemand) -> bool {
        let enough = self.devices.iter().zip(&self.left).filter(|(device, left)| {
            **left >= demand.ask.milli && demand.models.allow(&device.model)
        });
        enough.take(usize::from(demand.ask.devices)).count() == usize::from(demand.ask.devices)
    }

    /// Whether any device is of one of these models.
    pub(crate) fn has_any_of(&self, models: &Models) -> bool {
        self.devices.iter().any(|device| models.allow(&device.model))
    }

    /// Index and id of each of these devices.
    pub(crate) fn name(&self, devices: DeviceSet) -> Vec<(i32, Arc<str>)> {
        let named = |index: usize| {
            let device = self.devices.get(index)?;
            Some((i32::try_from(index).ok()?, Arc::clone(&device.id)))
        };
        devices.iter().filter_map(named).collect()
    }

    /// Each device's id, model, thousandths, and how many of them are left.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&str, &str, u16, u16)> {
        let rows = self.devices.iter().zip(&self.left);
        rows.map(|(device, left)| (&*device.id, &*device.model, device.milli, *left))
    }

    fn set(&mut self, devices: Vec<BoardDevice>) {
        self.devices = devices;
        let mut counts: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        self.devices.iter().for_each(|device| *counts.entry(&device.model).or_default() += 1);
        let most = counts.values().copied().max();
        let model = counts.iter().find(|(_, count)| Some(**count) == most);
        self.model = model.map_or_else(|| Arc::from(""), |(model, _)| Arc::clone(model));
        self.refresh();
    }

    fn take(&mut self, pod: PodId, own: Vec<(Arc<str>, i64)>) {
        for (id, milli) in &own {
            *self.taken.entry(Arc::clone(id)).or_insert(0) += milli;
        }
        self.holders.insert(pod, own);
        self.refresh();
    }

    fn release(&mut self, pod: PodId) {
        for (id, milli) in self.holders.remove(&pod).into_iter().flatten() {
            if let Some(taken) = self.taken.get_mut(&id) {
                *taken -= milli;
                if *taken == 0 {
                    self.taken.remove(&id);
                }
            }
        }
        self.refresh();
    }

    fn count(&mut self, pod: PodId, times: i64) {
        for (id, milli) in self.holders.get(&pod).into_iter().flatten() {
            *self.taken.entry(Arc::clone(id)).or_insert(0) += times * milli;
        }
        self.refresh();
    }

    fn refresh(&mut self) {
        let left = |device: &BoardDevice| {
            let taken = self.taken.get(&device.id).copied().unwrap_or(0);
            u16::try_from(i64::from(device.milli).saturating_sub(taken).max(0)).unwrap_or(0)
        };
        self.left = self.devices.iter().map(left).collect();
    }

    fn allows_all(&self, models: &Models) -> bool {
        *models == Models::Any || self.devices.iter().all(|device| models.allow(&device.model))
    }

    /// What is left, of devices of these models only.
    fn masked(&self, models: &Models) -> Vec<u16> {
        let devices = self.devices.iter().zip(&self.left);
        devices.map(|(device, left)| if models.allow(&device.model) { *left } else { 0 }).collect()
    }
}

/// The devices that a node tells; of one that only tells how many, so many without a name, known by
/// their indexes. More than can be noted are counted as any other resource.
pub(crate) fn devices_of(
    told: &[Device],
    labels: &BTreeMap<String, String>,
    allocatable: &Resources,
) -> Vec<BoardDevice> {
    let product: Arc<str> = Arc::from(labels.get(GPU_PRODUCT).map_or("", String::as_str));
    let named = |device: &Device| BoardDevice {
        id: Arc::from(device.id.as_str()),
        model: match device.model.as_str() {
            "" => Arc::clone(&product),
            model => Arc::from(model),
        },
        milli: u16::try_from(device.milli).unwrap_or(DEVICE_MILLI).min(DEVICE_MILLI),
    };
    if !told.is_empty() {
        return told.iter().map(named).collect();
    }
    let count = allocatable.extended.get(GPU).copied().unwrap_or(0);
    let count = usize::try_from(count).ok().filter(|count| *count <= DEVICES_MAX).unwrap_or(0);
    let nameless = |index: usize| BoardDevice {
        id: Arc::from(index.to_string()),
        model: Arc::clone(&product),
        milli: DEVICE_MILLI,
    };
    (0..count).map(nameless).collect()
}
