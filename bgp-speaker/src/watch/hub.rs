//! The table's side of watches: the changed prefixes that each watcher has yet to read.
//!
//! Each watcher has a set of changed prefixes, and asks for some of them when it has passed on the earlier ones. A prefix that
//! changes again in the meantime is in the set once. Beyond a limit the set is dropped, and the watcher reads everything again.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Weak;

use bgp_core::rib::{Cursor, Page, Rib, View, ViewedRoute};
use bgp_core::types::PeerId;
use ipnet::IpNet;
use tokio::sync::oneshot;

use super::filter::Filter;

/// Changed prefixes of a slow watcher; beyond this number, it reads everything again.
pub(crate) const MOST_WAITING: usize = if cfg!(test) { 4 } else { 1 << 14 };

/// Prefixes, and approximately the number of routes, per answer.
pub(crate) const AT_ONCE: usize = if cfg!(test) { 2 } else { 256 };

/// Names a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatcherId(u64);

/// Requests of watchers to the table.
#[derive(Debug)]
pub(crate) enum WatchRequest {
    /// Register a watcher, for as long as `alive` is held.
    Begin {
        filter: Filter,
        alive: Weak<()>,
        reply: oneshot::Sender<WatcherId>,
    },
    /// Ask for changed prefixes; answered when there are some.
    Next {
        watcher: WatcherId,
        reply: oneshot::Sender<Answer>,
    },
}

/// The answer to a watcher.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A page of all routes.
    Page(Page),
    /// The routes of the prefixes that it asked about.
    Readings(Vec<Reading>),
    /// Changed prefixes.
    Changes(Changes),
}

/// Changed prefixes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Changes that the watcher will not see individually.
    pub(crate) skipped: u64,
    /// All routes must be read again.
    pub(crate) anew: bool,
    /// The routes of changed prefixes.
    pub(crate) readings: Vec<Reading>,
}

/// All routes of a prefix in a view.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) view: View,
    pub(crate) prefix: IpNet,
    pub(crate) routes: Vec<ViewedRoute>,
}

/// All watchers.
#[derive(Debug)]
pub(crate) struct Hub {
    /// A subscriber wants every decided prefix as well.
    always: bool,
    watchers: Vec<Watcher>,
    next: u64,
}

#[derive(Debug)]
struct Watcher {
    id: WatcherId,
    filter: Filter,
    alive: Weak<()>,
    changed: BTreeSet<IpNet>,
    /// The prefix that was read last. The next answer continues after it, so that every prefix has its turn.
    last: Option<IpNet>,
    skipped: u64,
    anew: bool,
    waiting: Option<oneshot::Sender<Answer>>,
}

impl Hub {
    pub(crate) fn new(rib: &mut Rib, always: bool) -> Self {
        rib.watch(always);
        Self {
            always,
            watchers: Vec::new(),
            next: 0,
        }
    }

    pub(crate) fn handle(&mut self, rib: &mut Rib, request: WatchRequest) {
        match request {
            WatchRequest::Begin {
                filter,
                alive,
                reply,
            } => {
                rib.watch(true);
                let id = WatcherId(self.next);
                self.next += 1;
                self.watchers.push(Watcher {
                    id,
                    filter,
                    alive,
                    changed: BTreeSet::new(),
                    last: None,
                    skipped: 0,
                    anew: false,
                    waiting: None,
                });
                // The caller may be gone.
                reply.send(id).ok();
            }
            WatchRequest::Next { watcher, reply } => {
                let mut watchers = self.watchers.iter_mut();
                if let Some(found) = watchers.find(|other| other.id == watcher) {
                    found.waiting = Some(reply);
                }
            }
        }
    }

    /// Routes of a prefix may have changed.
    pub(crate) fn changed(&mut self, prefix: IpNet) {
        for watcher in &mut self.watchers {
            if watcher.filter.includes(prefix) {
                watcher.changed(prefix);
            }
        }
    }

    /// All routes sent to a peer may have changed.
    pub(crate) fn told_anew(&mut self, peer: PeerId) {
        for watcher in &mut self.watchers {
            watcher.anew |= watcher.filter.looks_at_told(peer);
        }
    }

    /// Answers waiting watchers, and removes those that are gone.
    pub(crate) fn answer(&mut self, rib: &mut Rib) {
        if self.watchers.is_empty() {
            return;
        }
        let is_alive = |watcher: &Watcher| watcher.alive.strong_count() > 0;
        self.watchers.retain(is_alive);
        for watcher in &mut self.watchers {
            watcher.answer(rib);
        }
        if self.watchers.is_empty() {
            rib.watch(self.always);
        }
    }
}

impl Watcher {
    fn changed(&mut self, prefix: IpNet) {
        if !self.changed.insert(prefix) {
            self.skipped += 1;
        } else if self.changed.len() > MOST_WAITING {
            self.skipped += self.changed.len() as u64;
            self.changed.clear();
            self.anew = true;
        }
    }

    fn answer(&mut self, rib: &Rib) {
        if !self.anew && self.changed.is_empty() {
            return;
        }
        let Some(reply) = self.waiting.take() else {
            return;
        };
        let anew = std::mem::take(&mut self.anew);
        let readings = match anew {
            true => Vec::new(),
            false => self.read(rib),
        };
        let changes = Changes {
            skipped: std::mem::take(&mut self.skipped),
            anew,
            readings,
        };
        // The caller may be gone.
        reply.send(Answer::Changes(changes)).ok();
    }

    fn read(&mut self, rib: &Rib) -> Vec<Reading> {
        let (mut readings, mut routes) = (Vec::new(), 0);
        for _ in 0..AT_ONCE {
            if routes >= AT_ONCE {
                break;
            }
            let Some(prefix) = self.take_prefix() else {
                break;
            };
            for query in self.filter.queries_about(prefix) {
                let page = rib.ask(&query, Cursor::START, usize::MAX);
                routes += page.routes.len();
                readings.push(Reading {
                    view: query.view,
                    prefix,
                    routes: page.routes,
                });
            }
        }
        readings
    }

    fn take_prefix(&mut self) -> Option<IpNet> {
        let after = |last| {
            self.changed
                .range((Bound::Excluded(last), Bound::Unbounded))
        };
        let next = self.last.and_then(|last| after(last).next());
        let prefix = next.or_else(|| self.changed.first()).copied();
        if let Some(prefix) = prefix {
            self.changed.remove(&prefix);
            self.last = Some(prefix);
        }
        prefix
    }
}
