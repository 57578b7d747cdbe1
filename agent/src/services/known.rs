//! What this node knows of Services: each in a cell of its own, which its listeners hold.
//!
//! One Service's change costs that Service.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use setpoint_schemas::{NodeName, PodUid};
use tokio::sync::mpsc;

use super::affinity::Affinities;
use super::objects::{Endpoint, Name, Service, Slice};

/// All Services that are known.
pub(crate) struct Known {
    node: NodeName,
    inner: Mutex<Inner>,
    /// Hears the names of Services that are new, changed or gone, or have other endpoints.
    news: mpsc::UnboundedSender<Name>,
    heard: Mutex<Option<mpsc::UnboundedReceiver<Name>>>,
}

#[derive(Default)]
struct Inner {
    cells: BTreeMap<Name, Arc<Cell>>,
    /// The Service of each slice.
    slices: BTreeMap<Name, Name>,
    /// The Services of Compose projects, by namespace, project and each name that they have there.
    aliases: BTreeMap<(String, String, String), Name>,
    /// The pods of this node that are endpoints, and of how many slices.
    here: BTreeMap<PodUid, usize>,
}

/// One Service, as it is known now.
#[derive(Default)]
pub(crate) struct Cell {
    now: Mutex<Arc<Now>>,
    pub(super) affinities: Affinities,
}

/// How a Service is.
#[derive(Default)]
pub(crate) struct Now {
    /// `None` while only endpoints are known of it.
    pub(crate) service: Option<Arc<Service>>,
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    slices: BTreeMap<Name, Arc<Slice>>,
}

impl Known {
    /// Nothing is known yet, on this node.
    pub(crate) fn new(node: NodeName) -> Self {
        let (news, heard) = mpsc::unbounded_channel();
        Known { node, inner: Mutex::default(), news, heard: Mutex::new(Some(heard)) }
    }

    /// Who hears of Services that are new, changed or gone, or have other endpoints; given once.
    pub(super) fn news(&self) -> Option<mpsc::UnboundedReceiver<Name>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A Service by its name.
    pub(crate) fn cell(&self, name: &Name) -> Option<Arc<Cell>> {
        self.lock().cells.get(name).cloned()
    }

    /// How a Service is.
    pub(crate) fn now(&self, name: &Name) -> Option<Arc<Now>> {
        self.cell(name).map(|cell| cell.now())
    }

    /// How the Service is that has a name in a Compose project.
    pub(crate) fn known_as(&self, namespace: &str, project: &str, alias: &str) -> Option<Arc<Now>> {
        let inner = self.lock();
        let key = (namespace.to_owned(), project.to_owned(), alias.to_owned());
        let cell = inner.cells.get(inner.aliases.get(&key)?)?;
        Some(cell.now())
    }

    /// The Services of a namespace, the earliest first.
    pub(crate) fn services_in(&self, namespace: &str) -> Vec<Arc<Service>> {
        let from = (namespace.to_owned(), String::new());
        let inner = self.lock();
        let here = inner.cells.range(from..).take_while(|(name, _)| name.0 == namespace);
        let mut services: Vec<_> =
            here.filter_map(|(_, cell)| cell.now().service.clone()).collect();
        services.sort_by(|a, b| (&a.created, &a.name).cmp(&(&b.created, &b.name)));
        services
    }

    /// Whether an endpoint is on this node.
    pub(crate) fn is_here(&self, endpoint: &Endpoint) -> bool {
        endpoint.node == self.node.as_str()
    }

    /// Whether a pod of this node is an endpoint of some Service.
    pub(crate) fn is_endpoint_here(&self, uid: &PodUid) -> bool {
        self.lock().here.contains_key(uid)
    }

    /// A Service is this now.
    pub(super) fn set_service(&self, service: Service) {
        let name = service.name.clone();
        let mut inner = self.lock();
        inner.drop_aliases(&name);
        for alias in service.known_as() {
            inner.aliases.insert(alias, name.clone());
        }
        let cell = inner.cells.entry(name.clone()).or_default();
        cell.change(|now| now.service = Some(Arc::new(service)));
        drop(inner);
        let _ = self.news.send(name);
    }

    /// A Service is gone.
    pub(super) fn drop_service(&self, name: &Name) {
        let mut inner = self.lock();
        inner.drop_aliases(name);
        if let Some(cell) = inner.cells.get(name) {
            cell.change(|now| now.service = None);
        }
        inner.forget(name);
        drop(inner);
        let _ = self.news.send(name.clone());
    }

    /// A slice is this now.
    pub(super) fn set_slice(&self, slice: Slice) {
        let mut inner = self.lock();
        inner.drop_slice(&slice.name, &self.node);
        let of_here = slice.endpoints.iter().filter(|one| one.node == self.node.as_str());
        for endpoint in of_here {
            *inner.here.entry(endpoint.uid.clone()).or_default() += 1;
        }
        inner.slices.insert(slice.name.clone(), slice.service.clone());
        let service = slice.service.clone();
        let cell = inner.cells.entry(service.clone()).or_default();
        cell.change(|now| {
            now.slices.insert(slice.name.clone(), Arc::new(slice));
            now.count();
        });
        drop(inner);
        let _ = self.news.send(service);
    }

    /// A slice is gone.
    pub(super) fn drop_slice(&self, name: &Name) {
        let mut inner = self.lock();
        if let Some(service) = inner.drop_slice(name, &self.node) {
            inner.forget(&service);
            drop(inner);
            let _ = self.news.send(service);
        }
    }

    /// All Services are these: others are gone.
    pub(super) fn keep_services(&self, these: &BTreeSet<Name>) {
        let cells = self.lock().cells.clone();
        let is_gone = |(name, cell): &(&Name, &Arc<Cell>)| {
            cell.now().service.is_some() && !these.contains(name)
        };
        cells.iter().filter(is_gone).for_each(|(name, _)| self.drop_service(name));
    }

    /// All slices are these: others are gone.
    pub(super) fn keep_slices(&self, these: &BTreeSet<Name>) {
        let slices: Vec<Name> = self.lock().slices.keys().cloned().collect();
        slices.iter().filter(|name| !these.contains(name)).for_each(|name| self.drop_slice(name));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// A Service has no other names any more.
    fn drop_aliases(&mut self, name: &Name) {
        let former = self.cells.get(name).and_then(|cell| cell.now().service.clone());
        for alias in former.iter().flat_map(|service| service.known_as()) {
            if self.aliases.get(&alias) == Some(name) {
                self.aliases.remove(&alias);
            }
        }
    }

    /// A slice says nothing any more; the Service that it was of.
    fn drop_slice(&mut self, name: &Name, node: &NodeName) -> Option<Name> {
        let service = self.slices.remove(name)?;
        let cell = self.cells.get(&service)?.clone();
        let mut former = None;
        cell.change(|now| {
            former = now.slices.remove(name);
            now.count();
        });
        let endpoints = former.iter().flat_map(|slice| &slice.endpoints);
        for endpoint in endpoints.filter(|one| one.node == node.as_str()) {
            if let Some(slices) = self.here.get_mut(&endpoint.uid) {
                *slices -= 1;
                if *slices == 0 {
                    self.here.remove(&endpoint.uid);
                }
            }
        }
        Some(service)
    }

    /// Forgets a Service of which nothing is known.
    fn forget(&mut self, name: &Name) {
        let is_nothing = |cell: &Arc<Cell>| {
            let now = cell.now();
            now.service.is_none() && now.slices.is_empty()
        };
        if self.cells.get(name).is_some_and(is_nothing) {
            self.cells.remove(name);
        }
    }
}

impl Cell {
    /// How it is.
    pub(crate) fn now(&self) -> Arc<Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next =
            Now { service: now.service.clone(), endpoints: Vec::new(), slices: now.slices.clone() };
        next.endpoints.clone_from(&now.endpoints);
        change(&mut next);
        *now = Arc::new(next);
    }
}

impl Now {
    fn count(&mut self) {
        let endpoints = self.slices.values().flat_map(|slice| &slice.endpoints);
        self.endpoints = endpoints.cloned().collect();
    }
}
