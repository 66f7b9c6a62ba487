//! Routes that the RIB learns from the kernel: those of other programs, and connected networks. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bgp_core::rib::{Input, LocalRoute};
use bgp_core::types::family_of;
use ipnet::IpNet;

use super::rules::ForwardingPlan;
use crate::kernel::{ForeignRoute, KernelEvent};

/// The kernel's routes, and those that the RIB was given.
#[derive(Debug, Default)]
pub(super) struct Learning {
    foreign: BTreeMap<IpNet, ForeignRoute>,
    connected: BTreeMap<IpNet, Vec<Arc<str>>>,
    told: HashMap<(IpNet, Origin), LocalRoute>,
}

/// Where a local route was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Origin {
    Foreign,
    Connected,
}

impl Learning {
    /// The RIB inputs that follow from a kernel event.
    pub(super) fn apply(&mut self, event: &KernelEvent, plan: &ForwardingPlan) -> Vec<Input> {
        match event {
            KernelEvent::Routes { prefix, routes } => {
                // The route that the kernel uses.
                match routes.iter().min_by_key(|route| route.metric) {
                    Some(route) => drop(self.foreign.insert(*prefix, route.clone())),
                    None => drop(self.foreign.remove(prefix)),
                }
                self.tell(*prefix, Origin::Foreign, plan)
            }
            KernelEvent::Direct { prefix, interfaces } => {
                let names = interfaces.iter().map(|(_, name)| Arc::clone(name));
                match interfaces.is_empty() {
                    false => drop(self.connected.insert(*prefix, names.collect())),
                    true => drop(self.connected.remove(prefix)),
                }
                self.tell(*prefix, Origin::Connected, plan)
            }
            KernelEvent::Interface { .. }
            | KernelEvent::Synced
            | KernelEvent::RouteRejected { .. }
            | KernelEvent::RejectionCleared { .. } => Vec::new(),
        }
    }

    /// The RIB inputs that follow from a new plan.
    pub(super) fn follow(&mut self, old: &ForwardingPlan, new: &ForwardingPlan) -> Vec<Input> {
        let foreign = self.foreign.keys().map(|prefix| (*prefix, Origin::Foreign));
        let connected = self.connected.keys();
        let connected = connected.map(|prefix| (*prefix, Origin::Connected));
        let all = foreign.chain(connected);
        let changed: Vec<_> = all
            .filter(|(prefix, _)| !new.has_rules_of(old, *prefix))
            .collect();
        let inputs = changed
            .into_iter()
            .flat_map(|(prefix, origin)| self.tell(prefix, origin, new));
        inputs.collect()
    }

    /// Whether the local route with this number was learned from the kernel.
    pub(super) fn has_told(&self, prefix: IpNet, id: u32) -> bool {
        let origins = [Origin::Foreign, Origin::Connected].into_iter();
        let mut told = origins.filter_map(|origin| self.told.get(&(prefix, origin)));
        told.any(|route| route.id == id)
    }

    /// The route of another program from which the local route with this number was learned.
    pub(super) fn foreign(&self, prefix: IpNet, id: u32) -> Option<&ForeignRoute> {
        let told = self.told.get(&(prefix, Origin::Foreign));
        self.foreign
            .get(&prefix)
            .filter(|_| told.is_some_and(|route| route.id == id))
    }

    /// The RIB inputs for a prefix, empty if nothing changed.
    fn tell(&mut self, prefix: IpNet, origin: Origin, plan: &ForwardingPlan) -> Vec<Input> {
        let rules = &plan.rules[family_of(prefix)];
        let route = match origin {
            Origin::Foreign => {
                let route = self.foreign.get(&prefix);
                route.and_then(|route| rules.learn(prefix, route))
            }
            Origin::Connected => {
                let mut names = self.connected.get(&prefix).into_iter().flatten();
                names.find_map(|name| rules.learn_connected(prefix, name))
            }
        };
        let told = match &route {
            Some(route) => self.told.insert((prefix, origin), route.clone()),
            None => self.told.remove(&(prefix, origin)),
        };
        if told == route {
            return Vec::new();
        }
        let id = route.as_ref().map(|route| route.id);
        let old = told.filter(|told| Some(told.id) != id);
        let withdrawn = old.map(|old| Input::Withdraw { prefix, id: old.id });
        let announced = route.map(|route| Input::announce(prefix, route));
        withdrawn.into_iter().chain(announced).collect()
    }
}
