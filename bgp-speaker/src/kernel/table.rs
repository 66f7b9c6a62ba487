//! Wanted routes against present ones, and the operations that bring the kernel in line. Pure.
//!
//! Input: the wanted routes, results of earlier operations, full readings of the kernel table, and changes made by others.
//! Output: [`Operation`]s, one per prefix at a time, and [`Key`]s of the events for the speaker.
//!
//! The state of our own routes changes only with results and full readings. If another program touches one of them, the event asks
//! for a reading; that also limits how fast two programs can fight over a route. Routes of other owners follow their events; an
//! ambiguous event asks for a reading too.
//!
//! Leftovers of the last run are adopted during recovery: until the speaker says what it wants for a prefix, the route found
//! there counts as wanted, and is restored if another program removes it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bgp_core::types::family_of;
use ipnet::IpNet;

use super::counts::Counters;
use super::entry::{Entry, Other};
use super::event::KernelStatus;
use super::links::{Links, is_routable};
use super::operation::{Action, Operation, PresentRoute, Refusal, Refusals};
use super::outbox::Key;
use super::route::{Device, ForeignRoute, InstallError, KernelRoute, RouteChange};
use crate::pool::Pool;

/// Whether the table must be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Certainty {
    Known,
    ReadAgain,
}

/// All prefixes with wanted or present routes.
#[derive(Debug)]
pub(crate) struct KernelTable {
    /// Our protocol number.
    protocol: u8,
    entries: HashMap<IpNet, Entry, foldhash::fast::RandomState>,
    routes: Pool<KernelRoute>,
    work: WorkQueue,
    /// Unclaimed routes of ours stay for now.
    recovering: bool,
    /// Routes of another program with our protocol number, seen after recovery: how often, and the prefix of the last one.
    intruders: (u64, Option<IpNet>),
}

/// The work queue, and the changes to report.
#[derive(Debug, Default)]
struct WorkQueue {
    /// Prefixes to look at, each at most once, so the queue is never longer than the table.
    queue: VecDeque<IpNet>,
    /// Prefixes whose route is rejected.
    rejected: usize,
    changes: Vec<Key>,
    counters: Counters,
}

impl KernelTable {
    /// An empty table for routes with this protocol number, in recovery.
    pub(crate) fn new(protocol: u8) -> Self {
        Self {
            protocol,
            entries: HashMap::default(),
            routes: Pool::default(),
            work: WorkQueue::default(),
            recovering: true,
            intruders: (0, None),
        }
    }

    /// Sets or removes the wanted route of a prefix.
    pub(crate) fn want(&mut self, change: RouteChange, links: &Links) {
        let prefix = change.prefix.trunc();
        let canonical = change.route.map(KernelRoute::canonical);
        let wanted = canonical.map(|route| self.routes.share(route));
        let entry = self.entries.entry(prefix).or_default();
        if entry.adopted && wanted.is_none() {
            return;
        }
        entry.adopted = false;
        entry.withdrawn = wanted.is_none() && (entry.withdrawn || entry.wanted.is_some());
        if entry.wanted != wanted || wanted.is_none() {
            entry.want(&prefix, wanted, links);
        }
        if entry.wanted.is_none() || entry.in_place {
            self.work.record_rejection(prefix, entry, None);
        }
        self.work.count(prefix, entry);
        self.work.enqueue(prefix, entry);
    }

    /// What is counted.
    pub(crate) fn counters(&self) -> Counters {
        self.work.counters.clone()
    }

    /// From now on, unclaimed routes of ours may be removed.
    pub(crate) fn finish_recovery(&mut self) {
        self.recovering = false;
        for (prefix, entry) in &mut self.entries {
            if entry.disown() {
                self.work.record_rejection(*prefix, entry, None);
                self.work.count(*prefix, entry);
                self.work.enqueue(*prefix, entry);
            } else if !entry.strays().is_empty() {
                self.work.enqueue(*prefix, entry);
            }
        }
    }

    /// Takes in a full reading of the kernel table. Refused routes are tried again.
    pub(crate) fn observe_all(&mut self, mut present: Vec<PresentRoute>, links: &Links) {
        present.sort_by_key(|route| route.prefix);
        let is_gone = |prefix: &&IpNet| {
            present
                .binary_search_by_key(*prefix, |route| route.prefix)
                .is_err()
        };
        let gone: Vec<IpNet> = self.entries.keys().filter(is_gone).copied().collect();
        for prefix in gone {
            self.observe(prefix, &[], links);
        }
        for of_prefix in present.chunk_by(|a, b| a.prefix == b.prefix) {
            self.observe(of_prefix[0].prefix, of_prefix, links);
        }
    }

    /// Shares equal routes of the kernel.
    pub(crate) fn share(&mut self, present: PresentRoute) -> PresentRoute {
        let route = self.routes.share(Arc::unwrap_or_clone(present.route));
        PresentRoute { route, ..present }
    }

    /// Another program added a route or, with `replace`, replaced the route with the same metric.
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
        if entry.others().contains(&other) {
            return Certainty::Known;
        }
        let metric = other.route.metric;
        let beside = entry
            .others()
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
        self.work.tell_routes(prefix, gone.iter().chain([&other]));
        self.work.enqueue(prefix, entry);
        if certain {
            Certainty::Known
        } else {
            Certainty::ReadAgain
        }
    }

    /// Another program removed a route.
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
        self.work.tell_routes(prefix, [&other]);
        self.work.enqueue(prefix, entry);
        Certainty::Known
    }

    /// Up to `limit` operations for different prefixes. Each must be followed by a call of [`Self::finished`].
    pub(crate) fn operations(&mut self, limit: usize, links: &Links) -> Vec<Operation> {
        let mut operations = Vec::new();
        while operations.len() < limit {
            let Some(prefix) = self.work.queue.pop_front() else {
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
                Some(Err(rejection)) => {
                    self.work.record_rejection(prefix, entry, Some(rejection));
                    self.work.count(prefix, entry);
                }
                None => {}
            }
            operations.extend(self.sweep(prefix));
        }
        operations
    }

    /// The result of an operation.
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
                entry.forget_strays(|stray| *stray == *route);
                if result.is_ok() {
                    Certainty::Known
                } else {
                    Certainty::ReadAgain
                }
            }
            (Action::Add | Action::Replace, Ok(())) => {
                entry.in_place = true;
                let metric = route.effective_metric(&prefix);
                entry.forget_strays(|stray| stray.effective_metric(&prefix) == metric);
                self.work.record_rejection(prefix, entry, None);
                Certainty::Known
            }
            (Action::Add | Action::Replace, Err(refusal)) => {
                entry.tried = true;
                let occupied = refusal.errno == libc::EEXIST;
                self.work
                    .record_rejection(prefix, entry, Some(refusal.into()));
                if occupied {
                    Certainty::ReadAgain
                } else {
                    Certainty::Known
                }
            }
        };
        self.work.count(prefix, entry);
        if !entry.is_settled() {
            self.work.enqueue(prefix, entry);
        }
        certainty
    }

    /// Whether work is left.
    pub(crate) fn has_work(&self) -> bool {
        !self.work.queue.is_empty()
    }

    /// Whether a wanted route is rejected.
    pub(crate) fn has_rejected(&self) -> bool {
        self.work.rejected > 0
    }

    /// Why the route for a prefix is not in place.
    pub(crate) fn rejection(&self, prefix: &IpNet) -> Option<&InstallError> {
        self.entries.get(prefix)?.rejection()
    }

    /// The rejected routes by reason; visits every entry if there are any.
    pub(crate) fn refusals(&self) -> Refusals<'_> {
        let mut refusals = Refusals::new();
        if self.has_rejected() {
            for (prefix, entry) in &self.entries {
                if let Some(error) = entry.rejection() {
                    refusals.entry(error).or_insert((0, *prefix)).0 += 1;
                }
            }
        }
        refusals
    }

    /// How often a foreign route with our protocol number was seen since recovery, and the prefix of the last one.
    pub(crate) fn intruders(&self) -> (u64, Option<IpNet>) {
        self.intruders
    }

    /// The routes of other owners for a prefix that the speaker may learn, by metric.
    pub(crate) fn foreign(&self, prefix: &IpNet, links: &Links) -> Vec<ForeignRoute> {
        let others = self
            .entries
            .get(prefix)
            .map(Entry::others)
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
            let mut learnable = e.others().iter().filter(|o| o.is_learnable());
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
        std::mem::take(&mut self.work.changes)
    }

    /// The counters; visits every entry.
    pub(crate) fn status(&self) -> KernelStatus {
        let mut status = KernelStatus {
            rejected: self.work.rejected,
            ..KernelStatus::default()
        };
        for entry in self.entries.values() {
            let placed = usize::from(entry.in_place);
            status.unclaimed += entry.strays().len();
            if entry.adopted {
                status.unclaimed += placed;
            } else {
                status.wanted += usize::from(entry.wanted.is_some());
                status.installed += placed;
            }
        }
        status
    }

    /// Takes in the present routes of one prefix, from a full reading.
    fn observe(&mut self, prefix: IpNet, present: &[PresentRoute], links: &Links) {
        let entry = self.entries.entry(prefix).or_default();
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for PresentRoute {
            protocol, route, ..
        } in present
        {
            let (protocol, route) = (*protocol, Arc::clone(route));
            match protocol == self.protocol {
                true => own.push(route),
                false => others.push(Other { protocol, route }),
            }
        }
        let known = entry.strays().to_vec();
        entry.set_strays(own);
        entry.in_place = entry.claim(&prefix, links);
        let is_new = |stray: &Arc<KernelRoute>| !known.contains(stray);
        if !self.recovering && entry.strays().iter().any(is_new) {
            self.intruders = (self.intruders.0 + 1, Some(prefix));
        }
        if self.recovering && entry.wanted.is_none() && !entry.withdrawn {
            entry.adopt(&prefix);
        }
        entry.tried = false;
        let before = entry.remove_others(|_| true);
        others
            .into_iter()
            .for_each(|other| entry.insert_other(other));
        let after = entry.others().to_vec();
        if before != after {
            self.work.tell_routes(prefix, before.iter().chain(&after));
        }
        if entry.in_place {
            self.work.record_rejection(prefix, entry, None);
        }
        self.work.count(prefix, entry);
        if !entry.is_settled() {
            self.work.enqueue(prefix, entry);
        }
    }

    /// The next removal for a prefix without a route to install; forgets a prefix that no longer matters.
    fn sweep(&mut self, prefix: IpNet) -> Option<Operation> {
        let entry = self.entries.get(&prefix)?;
        if entry.wanted.is_none() && entry.strays().is_empty() && entry.others().is_empty() {
            self.entries.remove(&prefix);
            return None;
        }
        let undecided = entry.adopted || entry.wanted.is_none() && !entry.withdrawn;
        let kept = self.recovering && undecided;
        let route = Arc::clone(entry.strays().first().filter(|_| !kept)?);
        Some(Operation {
            action: Action::Delete,
            prefix,
            route,
        })
    }
}

impl WorkQueue {
    /// Records whether the wanted route is rejected, and reports a change.
    fn record_rejection(
        &mut self,
        prefix: IpNet,
        entry: &mut Entry,
        rejection: Option<InstallError>,
    ) {
        if entry.rejection() != rejection.as_ref() {
            self.rejected += usize::from(rejection.is_some());
            self.rejected -= usize::from(entry.set_rejection(rejection).is_some());
            self.changes.push(Key::Verdict(prefix));
        }
    }

    /// Updates the counters with the prefix's current state.
    fn count(&self, prefix: IpNet, entry: &mut Entry) {
        let place = entry.place();
        let before = std::mem::replace(&mut entry.counted, place);
        if before != place {
            self.counters.moved(family_of(prefix), before, place);
        }
    }

    fn tell_routes<'a>(&mut self, prefix: IpNet, changed: impl IntoIterator<Item = &'a Other>) {
        if is_routable(&prefix) && changed.into_iter().any(|o| o.is_learnable()) {
            self.changes.push(Key::Routes(prefix));
        }
    }

    fn enqueue(&mut self, prefix: IpNet, entry: &mut Entry) {
        if !std::mem::replace(&mut entry.queued, true) {
            self.queue.push_back(prefix);
        }
    }
}

#[cfg(test)]
mod tests;
