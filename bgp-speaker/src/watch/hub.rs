//! The side of watches that the table has: which prefixes each watcher has still to look at.
//!
//! A set of prefixes for each watcher, which asks for some of them when it has told its owner of those before. A prefix that changes
//! again meanwhile is in the set once; beyond a limit the set is given up, and the watcher reads everything anew.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Weak;

use bgp_core::rib::{Cursor, Page, Rib, View, ViewedRoute};
use bgp_core::types::PeerId;
use ipnet::IpNet;
use tokio::sync::oneshot;

use super::filter::Filter;

/// Prefixes that wait for a slow watcher; with more, it reads everything anew.
pub(crate) const MOST_WAITING: usize = if cfg!(test) { 4 } else { 1 << 14 };

/// Prefixes, and about as many routes, that a watcher is given at once.
pub(crate) const AT_ONCE: usize = if cfg!(test) { 2 } else { 256 };

/// Names a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatcherId(u64);

/// What the table is told about watches.
#[derive(Debug)]
pub(crate) enum Order {
    /// Somebody begins to watch, for as long as `alive` is.
    Begin {
        filter: Filter,
        alive: Weak<()>,
        reply: oneshot::Sender<WatcherId>,
    },
    /// A watcher wants to know what has changed; answered when something has.
    Next {
        watcher: WatcherId,
        reply: oneshot::Sender<Answer>,
    },
}

/// What a watcher is answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Some of all routes.
    Page(Page),
    /// What there is of prefixes that it asked about.
    Readings(Vec<Reading>),
    /// What has changed.
    Changes(Changes),
}

/// What has changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// So many times a prefix changed and the watcher will not hear of it by itself.
    pub(crate) skipped: u64,
    /// All routes are to be read anew.
    pub(crate) anew: bool,
    /// What there is of prefixes that have changed.
    pub(crate) readings: Vec<Reading>,
}

/// All that a view has of a prefix.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) view: View,
    pub(crate) prefix: IpNet,
    pub(crate) routes: Vec<ViewedRoute>,
}

/// Everybody who watches.
#[derive(Debug)]
pub(crate) struct Hub {
    /// There is somebody else who wants to know of each prefix.
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
    /// The prefix that was given last: it goes on from there, so that each has its turn.
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

    pub(crate) fn handle(&mut self, rib: &mut Rib, order: Order) {
        match order {
            Order::Begin {
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
                // Whoever asked may have gone.
                reply.send(id).ok();
            }
            Order::Next { watcher, reply } => {
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

    /// What a peer is told may be something else altogether.
    pub(crate) fn told_anew(&mut self, peer: PeerId) {
        for watcher in &mut self.watchers {
            watcher.anew |= watcher.filter.looks_at_told(peer);
        }
    }

    /// Answers those who wait, and forgets those who have gone.
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
        // Whoever asked may have gone.
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
