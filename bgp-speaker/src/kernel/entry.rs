//! One prefix of the table: the wanted route, and the routes that the kernel has. Pure.
//!
//! Decides which operation is next for the prefix, and when a present route counts as the wanted one.

use std::sync::Arc;

use ipnet::IpNet;

use super::counts::RouteState;
use super::links::Links;
use super::operation::{Action, Operation};
use super::route::{
    Device, ForeignHop, ForeignKind, ForeignRoute, Hop, InstallError, KernelRoute, RouteKind,
};

/// One prefix. Routes are shared through the table's pool: there can be a million prefixes with few different routes.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) wanted: Option<Arc<KernelRoute>>,
    /// `wanted` is in the kernel.
    pub(super) in_place: bool,
    /// `wanted` was left by the last run: the speaker has not yet said what it wants.
    pub(super) adopted: bool,
    /// The speaker wanted a route here and no longer does, so stray routes are removed without waiting for the end of recovery.
    pub(super) withdrawn: bool,
    /// The state under which the prefix is counted.
    pub(super) counted: RouteState,
    /// In the queue of the table.
    pub(super) queued: bool,
    /// The kernel refused `wanted`; it is not tried again before the next reading.
    pub(super) tried: bool,
    rest: Option<Box<Rest>>,
}

/// Fields that most prefixes do not need.
#[derive(Debug, Default)]
struct Rest {
    strays: Vec<Arc<KernelRoute>>,
    others: Vec<Other>,
    rejection: Option<InstallError>,
}

/// A route of another owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) protocol: u8,
    pub(super) route: Arc<KernelRoute>,
}

impl Entry {
    /// Other routes of our protocol number in the kernel.
    pub(super) fn strays(&self) -> &[Arc<KernelRoute>] {
        self.rest.as_deref().map_or(&[], |rest| &rest.strays)
    }

    /// Routes of others, by metric.
    pub(super) fn others(&self) -> &[Other] {
        self.rest.as_deref().map_or(&[], |rest| &rest.others)
    }

    /// Why `wanted` is not in place, as reported to the speaker.
    pub(super) fn rejection(&self) -> Option<&InstallError> {
        self.rest.as_deref()?.rejection.as_ref()
    }

    /// The state of the wanted route.
    pub(super) fn place(&self) -> RouteState {
        if self.adopted {
            return RouteState::Unwanted;
        }
        match (&self.wanted, self.in_place, self.rejection()) {
            (None, _, _) => RouteState::Unwanted,
            (Some(_), true, _) => RouteState::Installed,
            (Some(_), false, Some(_)) => RouteState::Rejected,
            (Some(_), false, None) => RouteState::Pending,
        }
    }

    /// Sets the wanted route. A route installed for the old one becomes a stray; a stray that matches the new one is claimed.
    pub(super) fn want(&mut self, prefix: &IpNet, wanted: Option<Arc<KernelRoute>>, links: &Links) {
        let old = std::mem::replace(&mut self.wanted, wanted);
        if let Some(old) = old.filter(|_| self.in_place) {
            self.edit(|rest| rest.strays.push(old));
        }
        self.tried = false;
        self.in_place = self.claim(prefix, links);
    }

    /// Adopts the stray with the best metric as the wanted route, until the speaker says what it wants.
    pub(super) fn adopt(&mut self, prefix: &IpNet) {
        let strays = self.strays().iter().enumerate();
        let best = strays.min_by_key(|(_, stray)| stray.effective_metric(prefix));
        if let Some((place, _)) = best {
            self.wanted = Some(self.edit(|rest| rest.strays.swap_remove(place)));
            (self.in_place, self.adopted) = (true, true);
        }
    }

    /// Turns an adopted route back into a stray; returns whether there was one.
    pub(super) fn disown(&mut self) -> bool {
        let adopted = std::mem::take(&mut self.adopted);
        if adopted
            && let Some(route) = self.wanted.take()
            && std::mem::take(&mut self.in_place)
        {
            self.edit(|rest| rest.strays.push(route));
        }
        adopted
    }

    /// Moves the wanted route out of the strays, if it is among them.
    pub(super) fn claim(&mut self, prefix: &IpNet, links: &Links) -> bool {
        let Some(wanted) = &self.wanted else {
            return false;
        };
        let mut strays = self.strays().iter();
        let Some(place) = strays.position(|stray| fulfils(prefix, wanted, stray, links)) else {
            return false;
        };
        self.edit(|rest| rest.strays.swap_remove(place));
        true
    }

    /// Replaces the other routes of our protocol number in the kernel.
    pub(super) fn set_strays(&mut self, strays: Vec<Arc<KernelRoute>>) {
        if !(strays.is_empty() && self.strays().is_empty()) {
            self.edit(|rest| rest.strays = strays);
        }
    }

    /// Removes the matching strays.
    pub(super) fn forget_strays(&mut self, matches: impl Fn(&KernelRoute) -> bool) {
        if self.strays().iter().any(|stray| matches(stray)) {
            self.edit(|rest| rest.strays.retain(|stray| !matches(stray)));
        }
    }

    /// Sets or clears the reason why `wanted` is not in place; returns the previous reason.
    pub(super) fn set_rejection(
        &mut self,
        rejection: Option<InstallError>,
    ) -> Option<InstallError> {
        if rejection.is_none() && self.rejection().is_none() {
            return None;
        }
        self.edit(|rest| std::mem::replace(&mut rest.rejection, rejection))
    }

    fn edit<R>(&mut self, edit: impl FnOnce(&mut Rest) -> R) -> R {
        let mut rest = self.rest.take().unwrap_or_default();
        let result = edit(&mut rest);
        let empty = rest.strays.is_empty() && rest.others.is_empty() && rest.rejection.is_none();
        self.rest = Some(rest).filter(|_| !empty);
        result
    }

    /// The operation that installs the wanted route, or the reason why it cannot be installed; `None` if there is nothing to do.
    pub(super) fn install(
        &self,
        prefix: &IpNet,
        links: &Links,
    ) -> Option<Result<Operation, InstallError>> {
        let wanted = self
            .wanted
            .as_ref()
            .filter(|_| !self.in_place && !self.tried)?;
        let metric = wanted.effective_metric(prefix);
        if let Some(other) = self
            .others()
            .iter()
            .find(|o| o.route.effective_metric(prefix) == metric)
        {
            return Some(Err(InstallError::Occupied {
                protocol: Some(other.protocol),
            }));
        }
        let replaces = self
            .strays()
            .iter()
            .any(|stray| stray.effective_metric(prefix) == metric);
        let action = if replaces {
            Action::Replace
        } else {
            Action::Add
        };
        let route = with_indexes(wanted, links);
        Some(route.map(|route| Operation {
            action,
            prefix: *prefix,
            route,
        }))
    }

    /// Nothing is left to install, remove or forget.
    pub(super) fn is_settled(&self) -> bool {
        let present = self.wanted.is_some() || !self.others().is_empty();
        present && self.in_place == self.wanted.is_some() && self.strays().is_empty()
    }

    /// Whether one of our routes with this metric is in the kernel.
    pub(super) fn has_own_with(&self, prefix: &IpNet, metric: Option<u32>) -> bool {
        let placed = self.wanted.iter().filter(|_| self.in_place);
        placed
            .chain(self.strays())
            .any(|own| Some(own.effective_metric(prefix)) == metric)
    }

    /// Adds a route of another owner, sorted by metric.
    pub(super) fn insert_other(&mut self, other: Other) {
        let place = self.others().partition_point(|o| {
            (o.route.metric, o.protocol) <= (other.route.metric, other.protocol)
        });
        self.edit(|rest| rest.others.insert(place, other));
    }

    /// Removes the matching routes of other owners.
    pub(super) fn remove_others(&mut self, matches: impl Fn(&Other) -> bool) -> Vec<Other> {
        if !self.others().iter().any(&matches) {
            return Vec::new();
        }
        self.edit(|rest| rest.others.extract_if(.., |other| matches(other)).collect())
    }
}

impl Other {
    /// Redirects, routes of unknown origin and the kernel's own routes (connected prefixes) are not learned.
    pub(super) fn is_learnable(&self) -> bool {
        const RTPROT_KERNEL: u8 = 2;
        self.protocol > RTPROT_KERNEL
    }

    /// The route in the form that the speaker sees.
    pub(super) fn to_foreign(&self, links: &Links) -> ForeignRoute {
        let hop = |hop: &Hop| {
            let index = hop
                .device
                .as_ref()
                .and_then(|d| index_of(d, links))
                .unwrap_or(0);
            let interface = links
                .interface(index)
                .map_or_else(|| Arc::from(""), |i| i.name.clone());
            ForeignHop {
                gateway: hop.gateway,
                index,
                interface,
            }
        };
        let kind = match &self.route.kind {
            RouteKind::Blackhole => ForeignKind::Blackhole,
            RouteKind::Unreachable => ForeignKind::Unreachable,
            RouteKind::Prohibit => ForeignKind::Prohibit,
            RouteKind::Unicast { next_hops } => {
                ForeignKind::Unicast(next_hops.iter().map(hop).collect())
            }
        };
        ForeignRoute {
            metric: self.route.metric.unwrap_or(0),
            protocol: self.protocol,
            kind,
        }
    }
}

/// Whether a present route is the wanted one. If the wanted route names no device, any device matches.
fn fulfils(prefix: &IpNet, wanted: &KernelRoute, present: &KernelRoute, links: &Links) -> bool {
    let same_kind = std::mem::discriminant(&wanted.kind) == std::mem::discriminant(&present.kind);
    let (want, have) = (wanted.hops(), present.hops());
    let same_device = |wanted: &Device, present: &Device| {
        wanted == present
            || index_of(wanted, links).is_some_and(|i| index_of(present, links) == Some(i))
    };
    let fits = |w: &Hop, h: &Hop| {
        let device = w
            .device
            .as_ref()
            .is_none_or(|d| h.device.as_ref().is_some_and(|p| same_device(d, p)));
        device && (w.gateway, w.onlink, w.weight) == (h.gateway, h.onlink, h.weight)
    };
    same_kind
        && wanted.effective_metric(prefix) == present.effective_metric(prefix)
        && want.len() == have.len()
        && want.iter().all(|w| have.iter().any(|h| fits(w, h)))
}

/// The same route with device names replaced by indexes.
fn with_indexes(route: &Arc<KernelRoute>, links: &Links) -> Result<Arc<KernelRoute>, InstallError> {
    let named = |hop: &Hop| matches!(hop.device, Some(Device::Name(_)));
    let mut route = Arc::clone(route);
    if !route.hops().iter().any(named) {
        return Ok(route);
    }
    if let RouteKind::Unicast { next_hops } = &mut Arc::make_mut(&mut route).kind {
        for hop in next_hops {
            if let Some(Device::Name(name)) = &hop.device {
                let index = links.index_of(name);
                let index =
                    index.ok_or_else(|| InstallError::NoInterface { name: name.clone() })?;
                hop.device = Some(Device::Index(index));
            }
        }
    }
    Ok(route)
}

fn index_of(device: &Device, links: &Links) -> Option<u32> {
    match device {
        Device::Index(index) => Some(*index),
        Device::Name(name) => links.index_of(name),
    }
}
