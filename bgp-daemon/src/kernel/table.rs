//! Wanted routes against present ones, and the operations that bring the kernel in line. Pure.
//!
//! Input: what the speaker wants, results of earlier operations, full readings of the kernel table, and changes made by
//! others. Output: [`Operation`]s, one per prefix at a time, and [`Key`]s of what the speaker should hear of.
//!
//! What is known of our own routes changes only by results and full readings: an event by which somebody else touched
//! one of them asks for a reading, which also limits the pace at which two programs can fight over a route. Routes of
//! others follow their events; where an event leaves doubt, a reading is asked for too.

use std::collections::{HashMap, HashSet, VecDeque};

use ipnet::IpNet;

use super::KernelStatus;
use super::entry::{Entry, Other};
use super::links::{Links, is_routable};
use super::outbox::Key;
use super::route::{Device, ForeignRoute, InstallError, KernelRoute, RouteChange};

/// A route that the kernel reported: devices by index, metric always there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PresentRoute {
    pub(crate) prefix: IpNet,
    pub(crate) protocol: u8,
    pub(crate) route: KernelRoute,
}

/// One request to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) action: Action,
    pub(crate) prefix: IpNet,
    pub(crate) route: KernelRoute,
}

/// What to do with the route of an [`Operation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Install, unless the destination and metric are taken.
    Add,
    /// Install in the place of ours with the same metric.
    Replace,
    /// Remove.
    Delete,
}

/// The kernel's answer to an operation that it did not carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) errno: i32,
    pub(crate) detail: Option<String>,
}

/// Whether the table must be read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Certainty {
    Known,
    ReadAgain,
}

/// All prefixes that are wanted or present.
#[derive(Debug)]
pub(crate) struct Table {
    /// Our protocol number.
    protocol: u8,
    entries: HashMap<IpNet, Entry>,
    /// Prefixes to look at. Each at most once, so never longer than `entries`.
    queue: VecDeque<IpNet>,
    /// Routes of ours that nobody asked for stay for now.
    recovering: bool,
    rejected: usize,
    changes: Vec<Key>,
}

impl Table {
    /// An empty table whose routes carry this protocol number, in recovery.
    pub(crate) fn new(protocol: u8) -> Self {
        Self {
            protocol,
            entries: HashMap::new(),
            queue: VecDeque::new(),
            recovering: true,
            rejected: 0,
            changes: Vec::new(),
        }
    }

    /// The speaker wants another route, or none, for a prefix.
    pub(crate) fn want(&mut self, change: RouteChange, links: &Links) {
        let prefix = change.prefix.trunc();
        let wanted = change.route.map(KernelRoute::canonical);
        let entry = self.entries.entry(prefix).or_default();
        entry.withdrawn = wanted.is_none() && (entry.withdrawn || entry.wanted.is_some());
        if entry.wanted != wanted || wanted.is_none() {
            entry.want(&prefix, wanted, links);
        }
        if entry.wanted.is_none() || entry.in_place {
            self.judge(prefix, None);
        }
        self.enqueue(prefix);
    }

    /// Unclaimed routes of ours may be removed from now on.
    pub(crate) fn finish_recovery(&mut self) {
        self.recovering = false;
        let stray = self.entries.iter().filter(|(_, e)| !e.strays.is_empty());
        let prefixes: Vec<IpNet> = stray.map(|(prefix, _)| *prefix).collect();
        prefixes.into_iter().for_each(|prefix| self.enqueue(prefix));
    }

    /// A full reading of the kernel table. Everything refused earlier is tried again.
    pub(crate) fn observe_all(&mut self, present: Vec<PresentRoute>, links: &Links) {
        let mut by_prefix: HashMap<IpNet, Vec<PresentRoute>> = HashMap::new();
        for route in present {
            by_prefix.entry(route.prefix).or_default().push(route);
        }
        let prefixes: HashSet<IpNet> = self
            .entries
            .keys()
            .chain(by_prefix.keys())
            .copied()
            .collect();
        for prefix in prefixes {
            let present = by_prefix.remove(&prefix).unwrap_or_default();
            self.observe(prefix, present, links);
        }
    }

    /// Somebody else added a route; with `replace`, in the place of one with the same metric.
    pub(crate) fn added(&mut self, new: PresentRoute, replace: bool) -> Certainty {
        let PresentRoute {
            prefix,
            protocol,
            route,
        } = new;
        if protocol == self.protocol {
            return Certainty::ReadAgain;
        }
        let entry = self.entries.entry(prefix).or_default();
        let other = Other { protocol, route };
        if entry.others.contains(&other) {
            return Certainty::Known;
        }
        let metric = other.route.metric;
        let beside = entry
            .others
            .iter()
            .filter(|o| o.route.metric == metric)
            .count();
        let certain = match (replace, beside) {
            (false, 0) | (true, 1) => !entry.has_own_with(&prefix, metric),
            _ => false,
        };
        let gone = if replace {
            entry.remove_others(|o| o.route.metric == metric)
        } else {
            Vec::new()
        };
        entry.insert_other(other.clone());
        self.tell_routes(prefix, gone.iter().chain([&other]));
        self.enqueue(prefix);
        if certain {
            Certainty::Known
        } else {
            Certainty::ReadAgain
        }
    }

    /// Somebody else removed a route.
    pub(crate) fn removed(&mut self, old: PresentRoute) -> Certainty {
        let PresentRoute {
            prefix,
            protocol,
            route,
        } = old;
        let other = Other { protocol, route };
        let Some(entry) = self.entries.get_mut(&prefix) else {
            return Certainty::ReadAgain;
        };
        if protocol == self.protocol || entry.remove_others(|o| *o == other).is_empty() {
            return Certainty::ReadAgain;
        }
        self.tell_routes(prefix, [&other]);
        self.enqueue(prefix);
        Certainty::Known
    }

    /// Up to `limit` operations for different prefixes. Each must be answered by [`Self::finished`].
    pub(crate) fn operations(&mut self, limit: usize, links: &Links) -> Vec<Operation> {
        let mut operations = Vec::new();
        while operations.len() < limit {
            let Some(prefix) = self.queue.pop_front() else {
                break;
            };
            let Some(entry) = self.entries.get_mut(&prefix) else {
                continue;
            };
            entry.queued = false;
            match entry.install(&prefix, links) {
                Some(Ok(operation)) => {
                    operations.push(operation);
                    continue;
                }
                Some(Err(rejection)) => self.judge(prefix, Some(rejection)),
                None => {}
            }
            operations.extend(self.sweep(prefix));
        }
        operations
    }

    /// What became of an operation.
    pub(crate) fn finished(
        &mut self,
        operation: Operation,
        result: Result<(), Refusal>,
    ) -> Certainty {
        let Operation {
            action,
            prefix,
            route,
        } = operation;
        let Some(entry) = self.entries.get_mut(&prefix) else {
            return Certainty::ReadAgain;
        };
        let certainty = match (action, result) {
            (Action::Delete, result) => {
                entry.strays.retain(|stray| *stray != route);
                if result.is_ok() {
                    Certainty::Known
                } else {
                    Certainty::ReadAgain
                }
            }
            (Action::Add | Action::Replace, Ok(())) => {
                entry.in_place = true;
                let metric = route.effective_metric(&prefix);
                entry
                    .strays
                    .retain(|stray| stray.effective_metric(&prefix) != metric);
                self.judge(prefix, None);
                Certainty::Known
            }
            (Action::Add | Action::Replace, Err(refusal)) => {
                entry.tried = true;
                let occupied = refusal.errno == libc::EEXIST;
                self.judge(prefix, Some(refusal.into()));
                if occupied {
                    Certainty::ReadAgain
                } else {
                    Certainty::Known
                }
            }
        };
        self.enqueue(prefix);
        certainty
    }

    /// Something is left to do.
    pub(crate) fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Some wanted route is rejected.
    pub(crate) fn has_rejected(&self) -> bool {
        self.rejected > 0
    }

    /// Why the route for a prefix is not in place.
    pub(crate) fn rejection(&self, prefix: &IpNet) -> Option<&InstallError> {
        self.entries.get(prefix)?.rejection.as_ref()
    }

    /// The routes of others for a prefix that a speaker may learn, by metric.
    pub(crate) fn foreign(&self, prefix: &IpNet, links: &Links) -> Vec<ForeignRoute> {
        let others = self
            .entries
            .get(prefix)
            .map(|e| e.others.as_slice())
            .unwrap_or_default();
        others
            .iter()
            .filter(|other| other.is_learnable())
            .map(|other| other.to_foreign(links))
            .collect()
    }

    /// Prefixes with learnable routes through an interface.
    pub(crate) fn foreign_through(&self, index: u32) -> Vec<IpNet> {
        let device = Some(Device::Index(index));
        let through = |e: &Entry| {
            let mut learnable = e.others.iter().filter(|o| o.is_learnable());
            learnable.any(|o| o.route.hops().iter().any(|hop| hop.device == device))
        };
        let routable = self
            .entries
            .iter()
            .filter(|(prefix, e)| is_routable(prefix) && through(e));
        routable.map(|(prefix, _)| *prefix).collect()
    }

    /// Objects that changed since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.changes)
    }

    /// Counts; visits every entry.
    pub(crate) fn status(&self) -> KernelStatus {
        let mut status = KernelStatus {
            rejected: self.rejected,
            ..KernelStatus::default()
        };
        for entry in self.entries.values() {
            status.wanted += usize::from(entry.wanted.is_some());
            status.installed += usize::from(entry.in_place);
            status.unclaimed += entry.strays.len();
        }
        status
    }

    /// What a full reading found for one prefix.
    fn observe(&mut self, prefix: IpNet, present: Vec<PresentRoute>, links: &Links) {
        let entry = self.entries.entry(prefix).or_default();
        let (own, others): (Vec<_>, Vec<_>) = present
            .into_iter()
            .partition(|p| p.protocol == self.protocol);
        entry.strays = own.into_iter().map(|p| p.route).collect();
        entry.in_place = entry.claim(&prefix, links);
        entry.tried = false;
        let before = std::mem::take(&mut entry.others);
        for PresentRoute {
            protocol, route, ..
        } in others
        {
            entry.insert_other(Other { protocol, route });
        }
        let after = entry.others.clone();
        let (in_place, settled) = (entry.in_place, entry.is_settled());
        if before != after {
            self.tell_routes(prefix, before.iter().chain(&after));
        }
        if in_place {
            self.judge(prefix, None);
        }
        if !settled {
            self.enqueue(prefix);
        }
    }

    /// The next removal for a prefix where nothing is to be installed; forgets a prefix that is of no interest.
    fn sweep(&mut self, prefix: IpNet) -> Option<Operation> {
        let entry = self.entries.get(&prefix)?;
        if entry.wanted.is_none() && entry.strays.is_empty() && entry.others.is_empty() {
            self.entries.remove(&prefix);
            return None;
        }
        let kept = self.recovering && entry.wanted.is_none() && !entry.withdrawn;
        let route = entry.strays.first().filter(|_| !kept)?.clone();
        Some(Operation {
            action: Action::Delete,
            prefix,
            route,
        })
    }

    /// Notes whether the wanted route is rejected, and tells if that is new.
    fn judge(&mut self, prefix: IpNet, rejection: Option<InstallError>) {
        let Some(entry) = self.entries.get_mut(&prefix) else {
            return;
        };
        if entry.rejection != rejection {
            self.rejected -= usize::from(entry.rejection.is_some());
            self.rejected += usize::from(rejection.is_some());
            entry.rejection = rejection;
            self.changes.push(Key::Verdict(prefix));
        }
    }

    fn tell_routes<'a>(&mut self, prefix: IpNet, changed: impl IntoIterator<Item = &'a Other>) {
        if is_routable(&prefix) && changed.into_iter().any(|o| o.is_learnable()) {
            self.changes.push(Key::Routes(prefix));
        }
    }

    fn enqueue(&mut self, prefix: IpNet) {
        if let Some(entry) = self.entries.get_mut(&prefix)
            && !std::mem::replace(&mut entry.queued, true)
        {
            self.queue.push_back(prefix);
        }
    }
}

impl From<Refusal> for InstallError {
    fn from(Refusal { errno, detail }: Refusal) -> Self {
        match errno {
            libc::EEXIST => Self::Occupied { protocol: None },
            errno => Self::Refused { errno, detail },
        }
    }
}

#[cfg(test)]
mod tests;
