//! All routes of a speaker: Adj-RIB-In, Loc-RIB and Adj-RIB-Out (RFC 4271 §3.2, §9).
//!
//! Input: [`Input`], from sessions (already decoded and judged by RFC 7606), from the owner (local routes, policies, next hops).
//! Output: one ordered queue of [`Output`]: encoded UPDATEs for peers, routes for forwarding, next hops to resolve, sessions
//! to stop. Never does input or output itself, never reads a clock.
//!
//! - A prefix is a slot with a number; its paths stand in the slot, the best one first (`table`).
//! - Attributes are stored once and named by a number (`attributes`).
//! - What a peer is told belongs to its update group (`group`): peers of which the same is true share one Adj-RIB-Out
//!   and the same encoded octets. A member that lags behind has a set of slots to catch up on, never a queue of history.
//!
//! Changes only mark slots; the decision and everything after it happen when the outputs are drained, so a prefix that
//! changes twice in between is decided and sent once. Memory is bounded by the number of routes, not by what happened to them.

mod attributes;
mod bitset;
mod chunks;
mod crowd;
mod decision;
mod export;
mod family;
mod few;
mod forwarded;
mod group;
mod hash;
mod import;
mod lag;
mod membership;
mod memory;
mod next_hop;
mod peer;
mod query;
mod restart;
mod stale;
mod steps;
mod stop;
mod table;
mod walk;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::types::{Family, PeerId, PerFamily, RouterId};
use crate::wire::{Attributes, NextHop, Nlri, RefreshKind, Update};

use attributes::AttrStore;
use bitset::BitSet;
use family::FamilyRib;
use hash::SeededHash;
use memory::Guard;
use peer::{Peer, Peers};
use restart::Deferral;

pub use crowd::{MAX_PATHS_PER_PEER, MAX_PATHS_PER_PREFIX};
pub use next_hop::Resolution;
pub use peer::{NextHopMode, PeerConfig, PeerKind, PeerStats, PeerUp};
pub use query::{Exported, MemoryUse, Route, RouteCounts, RouteSource};
pub use stale::{KeepStale, Preserved};
pub use table::Unusable;

/// Stands for this speaker where a route's peer is asked for.
pub(crate) const LOCAL: PeerId = PeerId(u32::MAX);

/// The preference of routes from peers, if no policy sets another.
pub const PEER_PREFERENCE: u32 = 100;

/// Changed slots that are worked on before the next output is handed out. Of few things, tests make many slices.
const FLUSH_SLICE: usize = if cfg!(test) { 3 } else { 4096 };

/// What is further away than the clock can tell comes then.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Settings of the RIB as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RibConfig {
    /// Our BGP identifier.
    pub router_id: RouterId,
    /// Ours as a route reflector; the identifier if not set (RFC 4456 §7).
    pub cluster_id: Option<RouterId>,
    /// LOCAL_PREF of routes that came without.
    pub default_local_pref: u32,
    /// Ask for the way to next hops; without, every next hop counts as reachable at no cost.
    pub resolve_next_hops: bool,
    /// Routes whose next hop cannot be reached, or is our own address, are used when there is nothing better, instead of not
    /// at all. Whoever forwards must drop their packets.
    pub use_unresolved: bool,
    /// Tell which routes are to be installed.
    pub forwarding: bool,
    /// With more octets than this in tables and attributes, whoever holds most of them is stopped, and whoever holds most
    /// after that until it is less. `None`: no limit.
    pub memory_limit: Option<usize>,
}

impl RibConfig {
    /// Settings of a speaker that does not forward: next hops are not resolved, routes are not installed.
    pub fn new(router_id: RouterId) -> Self {
        Self {
            router_id,
            cluster_id: None,
            default_local_pref: 100,
            resolve_next_hops: false,
            use_unresolved: false,
            forwarding: false,
            memory_limit: None,
        }
    }
}

/// A route of this speaker's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRoute {
    /// Tells apart several local routes of one prefix; the same number replaces.
    pub id: u32,
    /// Its attributes.
    pub attributes: Attributes,
    /// The gateway, if there is one.
    pub next_hop: Option<NextHop>,
    /// The interface it leaves by, if known.
    pub interface: Option<Arc<str>>,
    /// Compared before anything of BGP; routes from peers have 100. With no more than that, the best of the peers' routes is
    /// given for forwarding all the same, beside the local one.
    pub preference: u32,
}

impl Default for LocalRoute {
    /// A route with empty attributes and our own address as next hop, preferred over those of peers.
    fn default() -> Self {
        Self {
            id: 0,
            attributes: Attributes::default(),
            next_hop: None,
            interface: None,
            preference: 2 * PEER_PREFERENCE,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A neighbour was configured, or its settings changed. Its routes are judged anew, it is sent what differs.
    Configure {
        /// Which.
        peer: PeerId,
        /// How it is treated from now on.
        config: Arc<PeerConfig>,
    },
    /// A neighbour is no longer configured.
    Remove(PeerId),
    /// Our own next hops in the session with a peer changed.
    OwnNextHop {
        /// Which peer.
        peer: PeerId,
        /// As [`PeerUp::own_next_hop`].
        own_next_hop: PerFamily<Option<NextHop>>,
    },
    /// Our cluster ID changed. What was reflected is judged and told anew.
    ClusterId(Option<RouterId>),
    /// The session came up.
    Up {
        /// Whose.
        peer: PeerId,
        /// What is known of it.
        up: PeerUp,
        /// Whether its stale routes, if there are any, may stay until End-of-RIB.
        preserved: PerFamily<Preserved>,
    },
    /// The session ended.
    Down {
        /// Whose.
        peer: PeerId,
        /// Families whose routes stay as stale, and for how long.
        keep_stale: PerFamily<Option<KeepStale>>,
    },
    /// Routes came or went.
    Update {
        /// From whom.
        peer: PeerId,
        /// Which.
        update: Update,
    },
    /// The peer has sent all its routes.
    EndOfRib {
        /// Who.
        peer: PeerId,
        /// In which family.
        family: Family,
    },
    /// The peer asks for our routes again, or marks its own answer.
    Refresh {
        /// Who.
        peer: PeerId,
        /// In which family.
        family: Family,
        /// What it says.
        kind: RefreshKind,
    },
    /// The peer's connection has taken so many octets of what was sent.
    Written {
        /// Whose.
        peer: PeerId,
        /// How many.
        octets: usize,
    },
    /// A local route is there.
    Announce {
        /// Its prefix.
        prefix: IpNet,
        /// All else.
        route: LocalRoute,
    },
    /// A local route is gone.
    Withdraw {
        /// Its prefix.
        prefix: IpNet,
        /// Its number.
        id: u32,
    },
    /// The answer to [`Output::Resolve`], again whenever it changes.
    NextHop {
        /// Which.
        address: IpAddr,
        /// The way to it.
        resolution: Resolution,
    },
    /// This speaker has just restarted: nothing is decided, sent or installed until these peers have sent End-of-RIB.
    Defer {
        /// Who is expected to send it, in which family. A family nobody is waited for in goes its way.
        expected: Vec<(PeerId, Family)>,
        /// Whoever is not up by then is not waited for.
        up_by: Instant,
        /// The end of all waiting (RFC 4724 §4.1, selection deferral timer).
        until: Instant,
    },
}

/// What is to happen, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these messages; report with [`Input::Written`].
    Send {
        /// To whom.
        peer: PeerId,
        /// Whole messages, shared with other peers where they are the same.
        messages: Bytes,
    },
    /// The route to a prefix changed.
    Forward {
        /// Which.
        prefix: IpNet,
        /// `None`: there is none from a peer, or a local one is preferred by its preference.
        route: Option<ForwardRoute>,
    },
    /// The way to this next hop is wanted from now on.
    Resolve(IpAddr),
    /// The peer has sent more prefixes than it may (RFC 4486 §4). Those that are too many are not in the tables, and nothing
    /// more of it is looked at until its session has ended.
    TooManyPrefixes {
        /// Who.
        peer: PeerId,
        /// In which family.
        family: Family,
        /// How many it may.
        limit: u32,
    },
    /// This speaker holds more than it may, and most of it from this peer, whose session is to end (RFC 4486 §4).
    OutOfResources(PeerId),
    /// Waiting after a restart is over: all that is to be installed has been told.
    DeferralEnded,
}

/// A route from a peer, as it is to be installed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForwardRoute {
    /// Next hops of equal cost, the best path's first, without repetition.
    pub next_hops: Vec<NextHop>,
    /// LOCAL_PREF, the default if it came without.
    pub local_pref: u32,
    /// The preference that it won with.
    pub preference: u32,
    /// A local route of no more than [`PEER_PREFERENCE`] is better. Whoever installed that one forwards by it; this one may be
    /// installed beside it, where it does not take its place.
    pub standby: bool,
}

/// What both families share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: RibConfig,
    pub(crate) store: AttrStore,
    pub(crate) peers: Peers,
    pub(crate) outputs: VecDeque<Output>,
    /// Time zero of [`table::Path::since`].
    pub(crate) start: Instant,
    pub(crate) deferral: Option<Deferral>,
    /// Slots and paths that were looked at, the measure of work.
    pub(crate) steps: u64,
    /// When the last input came.
    pub(crate) now: Instant,
}

/// All routes of a speaker.
#[derive(Debug)]
pub struct Rib {
    shared: Shared,
    ipv4: FamilyRib<Ipv4Net>,
    ipv6: FamilyRib<Ipv6Net>,
    /// Canonical attributes of the UPDATE in hand.
    scratch: Vec<u8>,
    /// What is known of the limit of memory.
    guard: Guard,
}

impl Rib {
    /// An empty RIB; `now` is the instant that ages of routes are counted from. `seed` is a secret: whoever knows it can choose
    /// routes that are slow to find. It changes nothing else.
    pub fn new(config: RibConfig, now: Instant, seed: u64) -> Self {
        let hash = SeededHash::new(seed);
        let shared = Shared {
            store: AttrStore::new(&config, hash.clone()),
            config,
            peers: Peers::default(),
            outputs: VecDeque::new(),
            start: now,
            deferral: None,
            steps: 0,
            now,
        };
        Self {
            shared,
            ipv4: FamilyRib::new(hash.clone()),
            ipv6: FamilyRib::new(hash),
            scratch: Vec::new(),
            guard: Guard::default(),
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.shared.now = now;
        match input {
            Input::Configure { peer, config } => self.configure(peer, config),
            Input::Remove(peer) => self.remove(peer),
            Input::OwnNextHop { peer, own_next_hop } => self.set_own_next_hop(peer, own_next_hop),
            Input::ClusterId(cluster_id) => self.set_cluster_id(cluster_id),
            Input::Up {
                peer,
                up,
                preserved,
            } => self.peer_up(now, peer, up, preserved),
            Input::Down { peer, keep_stale } => self.peer_down(now, peer, keep_stale),
            Input::Update { peer, update } => {
                self.update(now, peer, &update);
                self.note_update();
            }
            Input::EndOfRib { peer, family } => self.end_of_rib(peer, family),
            Input::Refresh { peer, family, kind } => self.refresh(now, peer, family, kind),
            Input::Written { peer, octets } => {
                if let Some(peer) = self.shared.peers.find_mut(peer) {
                    peer.in_flight = peer.in_flight.saturating_sub(octets);
                }
            }
            Input::Announce { prefix, route } => match prefix {
                IpNet::V4(prefix) => {
                    self.ipv4
                        .announce_local(&mut self.shared, now, prefix.trunc(), &route)
                }
                IpNet::V6(prefix) => {
                    self.ipv6
                        .announce_local(&mut self.shared, now, prefix.trunc(), &route)
                }
            },
            Input::Withdraw { prefix, id } => match prefix {
                IpNet::V4(prefix) => self
                    .ipv4
                    .withdraw_local(&mut self.shared, prefix.trunc(), id),
                IpNet::V6(prefix) => self
                    .ipv6
                    .withdraw_local(&mut self.shared, prefix.trunc(), id),
            },
            Input::NextHop {
                address,
                resolution,
            } => {
                if let Some(id) = self.shared.store.next_hops.resolve(address, resolution) {
                    self.ipv4.walk.next_hop(id);
                    self.ipv6.walk.next_hop(id);
                }
            }
            Input::Defer {
                expected,
                up_by,
                until,
            } => {
                self.shared.deferral = Some(Deferral::new(expected, up_by, until));
            }
        }
    }

    /// Does what is due at `now`; harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.shared.now = now;
        self.shared.stop_again();
        if let Some(deferral) = &mut self.shared.deferral {
            deferral.expire(now, &self.shared.peers);
        }
        self.ipv4.expire_stale(&mut self.shared, now);
        self.ipv6.expire_stale(&mut self.shared, now);
    }

    /// When [`Rib::handle_timeout`] is wanted next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deferral = self.shared.deferral.as_ref().map(Deferral::next_deadline);
        let until = |peer: &Peer, family| peer.families[family].stale.map(|stale| stale.until);
        let peers = self.shared.peers.iter();
        let of_peers = peers.flat_map(|(_, peer)| {
            let stopping = peer.stopping.as_ref().map(|stopping| stopping.again);
            let [ipv4, ipv6] = Family::ALL.map(|family| until(peer, family));
            [ipv4, ipv6, stopping]
        });
        of_peers.chain([deferral]).flatten().min()
    }

    /// The next thing to do; `None`: nothing is left. Does all the work that it takes to find out.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.next_output() {
                return Some(output);
            }
            if !self.work() {
                return self.next_output();
            }
        }
    }

    /// The next thing to do of what has been found out so far. With [`Rib::work`], for those who have other things to look
    /// at in between.
    pub fn next_output(&mut self) -> Option<Output> {
        let wanted = self.shared.store.next_hops.pop_wanted();
        wanted
            .map(Output::Resolve)
            .or_else(|| self.shared.outputs.pop_front())
    }

    /// Does one slice of work, when there are no outputs to take; `false`: nothing is left but outputs. A slice looks at some
    /// thousand slots of the tables, whatever has happened to them.
    pub fn work(&mut self) -> bool {
        self.check_memory();
        let deferral = self.shared.deferral.as_ref();
        let deferred = |family| deferral.is_some_and(|deferral| !deferral.is_over_for(family));
        let (ipv4, ipv6) = (deferred(Family::Ipv4Unicast), deferred(Family::Ipv6Unicast));
        let worked = self.ipv4.work(&mut self.shared, ipv4);
        if self.ipv6.work(&mut self.shared, ipv6) || worked || !self.shared.outputs.is_empty() {
            return true;
        }
        let deferral = &mut self.shared.deferral;
        if deferral.take_if(|deferral| deferral.is_over()).is_some() {
            self.shared.outputs.push_back(Output::DeferralEnded);
            return true;
        }
        let sweeps = self.shared.store.wants_sweep();
        if sweeps {
            self.sweep();
        }
        sweeps
    }

    fn sweep(&mut self) {
        let mut marked = BitSet::default();
        self.ipv4.mark_attributes(&mut marked);
        self.ipv6.mark_attributes(&mut marked);
        self.shared.store.sweep(&marked);
    }

    fn configure(&mut self, peer: PeerId, config: Arc<PeerConfig>) {
        let old = self
            .shared
            .peers
            .find(peer)
            .map(|peer| Arc::clone(&peer.config));
        if old
            .as_ref()
            .is_some_and(|old| old.address != config.address)
        {
            // What it holds was told to another router.
            self.ipv4.leave_group(&mut self.shared, peer);
            self.ipv6.leave_group(&mut self.shared, peer);
        }
        self.shared.peers.insert(peer, Arc::clone(&config));
        let Some(old) = old.filter(|old| *old != config) else {
            return;
        };
        if old.judges_otherwise(&config) {
            self.ipv4.judge_again_all(&self.shared, peer);
            self.ipv6.judge_again_all(&self.shared, peer);
        }
        if (old.kind, old.address) != (config.kind, config.address) {
            // Whom its routes may be told, and whose are better.
            self.ipv4.tell_again();
            self.ipv6.tell_again();
        }
        self.ipv4.regroup(&mut self.shared, peer);
        self.ipv6.regroup(&mut self.shared, peer);
        for family in Family::ALL {
            self.shared.check_limit(peer, family);
        }
    }

    fn remove(&mut self, peer: PeerId) {
        self.shared.drop_outputs_to(peer);
        self.ipv4.forget_peer(&mut self.shared, peer);
        self.ipv6.forget_peer(&mut self.shared, peer);
        if let Some(deferral) = &mut self.shared.deferral {
            deferral.forget(peer);
        }
        self.shared.peers.remove(peer);
        self.forget_rewritten();
    }

    fn withdraw(&mut self, peer: PeerId, nlri: Nlri<'_>) {
        match nlri.family() {
            Family::Ipv4Unicast => self.ipv4.withdraw(&mut self.shared, peer, nlri),
            Family::Ipv6Unicast => self.ipv6.withdraw(&mut self.shared, peer, nlri),
        }
    }

    fn update(&mut self, now: Instant, peer_id: PeerId, update: &Update) {
        let Some(peer) = self
            .shared
            .peers
            .find(peer_id)
            .filter(|peer| peer.up.is_some() && peer.stopping.is_none())
        else {
            return;
        };
        let config = Arc::clone(&peer.config);
        for nlri in update.unreachable() {
            self.withdraw(peer_id, nlri);
        }
        self.scratch.clear();
        for reachable in update.reachable() {
            if self.scratch.is_empty() {
                update.canonical_attributes(&mut self.scratch);
            }
            // As if it had never come: what the table keeps would not show the loop when the route is judged again.
            if import::hides_loop(&config, update, &self.scratch) {
                self.withdraw(peer_id, reachable.nlri);
                continue;
            }
            let arrival = import::Arrival::new(
                &mut self.shared,
                &config,
                peer_id,
                now,
                reachable.next_hop,
                &self.scratch,
            );
            match reachable.nlri.family() {
                Family::Ipv4Unicast => {
                    self.ipv4
                        .announce(&mut self.shared, &arrival, reachable.nlri)
                }
                Family::Ipv6Unicast => {
                    self.ipv6
                        .announce(&mut self.shared, &arrival, reachable.nlri)
                }
            }
            if self.shared.is_stopping(peer_id) {
                return;
            }
        }
    }
}

/// The end of a time, which may be longer than the clock can tell.
fn later(now: Instant, time: Duration) -> Instant {
    let far = || now + FAR;
    now.checked_add(time).unwrap_or_else(far)
}

#[cfg(test)]
mod tests;
