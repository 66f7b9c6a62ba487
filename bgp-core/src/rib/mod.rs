//! All routes of a speaker: Adj-RIB-In, Loc-RIB and Adj-RIB-Out (RFC 4271 §3.2, §9).
//!
//! Input: [`Input`], from sessions (decoded, with errors already handled by RFC 7606) and from the owner (local routes, policies,
//! next hops). Output: one ordered queue of [`Output`]: encoded UPDATEs for peers, routes for forwarding, next hops to resolve,
//! sessions to stop. The RIB does no IO and never reads a clock.
//!
//! - A prefix is a slot with a number; the slot holds its paths, the best one first (`table`).
//! - Each set of attributes is stored once, and identified by a number (`attributes`).
//! - Advertised routes belong to an update group (`group`): similar peers share one Adj-RIB-Out and the same encoded octets. A
//!   member that lags has a set of slots to catch up on, never a queue of changes.
//!
//! Changes only mark slots; the decision and everything after it happen when outputs are drained, so a prefix that changes twice
//! in between is decided and sent once. Memory is bounded by the number of routes, not by the number of changes.

mod adj_in;
mod adj_out;
mod attributes;
mod bitset;
mod chunks;
mod crowd;
mod deadline;
mod decision;
mod deferral;
mod event;
mod exit;
mod export;
mod exporter;
mod family;
mod few;
mod forwarded;
mod group;
mod groups;
mod handover;
mod hash;
mod import;
mod lag;
mod lifecycle;
mod locals;
mod memory;
mod next_hop;
mod octets;
mod opaque;
mod pack;
mod page;
mod path;
mod peer;
mod query;
mod reason;
mod room;
mod settings;
mod shared;
mod stale;
mod stats;
mod stop;
mod sweep;
mod sync;
mod table;
mod tables;
mod trace;
mod view;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::handover::Malformed;
use crate::types::{Family, PeerId};
use crate::wire::{Attributes, OpaqueRoutes, Update};

use deferral::Deferral;
use handover::TakeOver;
use hash::SeededHash;
use import::{Arrival, hides_loop};
use memory::Guard;
use next_hop::NextHopRequest;
use peer::Peer;
use stale::Stale;
use stop::stop_again;
use sweep::Sweep;
use tables::Tables;

pub use crowd::{MAX_PATHS_PER_PEER, MAX_PATHS_PER_PREFIX};
pub use event::{ForwardRoute, Input, Output};
pub use handover::Cursor as HandoverCursor;
pub use next_hop::Resolution;
pub use opaque::OpaqueError;
pub use path::{RouteSource, Unusable};
pub use query::{Exported, MemoryUse, Route};
pub use reason::{DecisionStep, Standing, Withheld};
pub use settings::{
    LocalRoute, NextHopMode, PEER_PREFERENCE, PeerConfig, PeerKind, PeerUp, RibConfig,
};
pub use stale::{KeepStale, Preserved};
pub use stats::{PeerStats, RouteCounts};
pub use sync::Synced;
pub use trace::{ExportTrace, PolicyTrace};
pub use view::{Cursor, Page, Query, Selection, View, ViewedRoute};

/// All routes of a speaker.
#[derive(Debug)]
pub struct Rib {
    tables: Tables,
    /// Canonical attributes of the current UPDATE.
    scratch: Vec<u8>,
    /// State of the memory limit.
    guard: Guard,
    sweep: Sweep,
    /// Set in the successor of another process until it goes on.
    arrival: Option<Box<TakeOver>>,
}

impl Rib {
    /// An empty RIB; `now` is the origin of the ages of routes. `seed` must be secret: anybody who knows it can choose routes
    /// that are slow to look up. It has no other effect.
    pub fn new(config: RibConfig, now: Instant, seed: u64) -> Self {
        Self {
            tables: Tables::new(config, now, SeededHash::new(seed)),
            scratch: Vec::new(),
            guard: Guard::default(),
            sweep: Sweep::None,
            arrival: None,
        }
    }

    /// Takes in an input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        let tables = &mut self.tables;
        tables.shared.now = now;
        match input {
            Input::Configure { peer, config } => lifecycle::configure(tables, peer, config),
            Input::Remove(peer) => lifecycle::remove(tables, peer),
            Input::Reevaluate(peer) => lifecycle::reevaluate(tables, peer),
            Input::OwnNextHop { peer, own_next_hop } => {
                lifecycle::set_own_next_hop(tables, peer, own_next_hop);
            }
            Input::ClusterId(cluster_id) => lifecycle::set_cluster_id(tables, cluster_id),
            Input::Up {
                peer,
                up,
                preserved,
            } => lifecycle::peer_up(tables, now, peer, up, preserved),
            Input::Down { peer, keep_stale } => lifecycle::peer_down(tables, now, peer, keep_stale),
            Input::Update { peer, update } => {
                self.update(now, peer, &update);
                self.guard.note_update(&mut self.tables, &mut self.sweep);
            }
            Input::EndOfRib { peer, family } => lifecycle::end_of_rib(tables, peer, family),
            Input::Refresh { peer, family, kind } => {
                lifecycle::refresh(tables, now, peer, family, kind);
            }
            Input::Written { peer, octets } => {
                if let Some(peer) = tables.shared.peers.find_mut(peer) {
                    peer.in_flight = peer.in_flight.saturating_sub(octets);
                }
            }
            Input::Announce { prefix, route } => tables.announce_local(now, prefix, &route),
            Input::Withdraw { prefix, id } => tables.withdraw_local(prefix, id),
            Input::NextHop {
                address,
                resolution,
            } => self.resolve(address, resolution),
            Input::Defer {
                expected,
                up_by,
                until,
            } => {
                tables.shared.deferral = Some(Deferral::new(expected, up_by, until));
            }
        }
    }

    /// Handles deadlines up to `now`; harmless if none is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Tables { shared, ipv4, ipv6 } = &mut self.tables;
        shared.now = now;
        stop_again(shared);
        if let Some(deferral) = &mut shared.deferral {
            deferral.expire(now, &shared.peers);
        }
        ipv4.expire_stale(shared, now);
        ipv6.expire_stale(shared, now);
    }

    /// When to call [`Rib::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let shared = &self.tables.shared;
        let deferral = shared.deferral.as_ref().and_then(Deferral::next_deadline);
        let until = |peer: &Peer, family| peer.families[family].stale.map(|stale| stale.until);
        let of_peers = shared.peers.iter().flat_map(|(_, peer)| {
            let stopping = peer.stopping.as_ref().map(|stopping| stopping.again);
            let [ipv4, ipv6] = Family::ALL.map(|family| until(peer, family));
            [ipv4, ipv6, stopping]
        });
        of_peers.chain([deferral]).flatten().min()
    }

    /// The next output; `None` if nothing is left. Does all pending work.
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

    /// The next output that is ready. Together with [`Rib::work`], for owners that have other work in between.
    pub fn next_output(&mut self) -> Option<Output> {
        let shared = &mut self.tables.shared;
        match shared.store.next_hops.next_question() {
            Some(NextHopRequest::Resolve(address)) => Some(Output::Resolve(address)),
            Some(NextHopRequest::Forget(address)) => Some(Output::Forget(address)),
            None => shared.outputs.pop_front(),
        }
    }

    /// Does one slice of work, once no output is ready; `false` if nothing is left but outputs. A slice visits a few thousand
    /// slots of the tables, whatever the inputs were.
    pub fn work(&mut self) -> bool {
        if self.arrival.is_some() {
            // What was taken over so far is not in the tables yet, where a sweep would find it.
            return self.tables.work();
        }
        self.guard.check(&mut self.tables, &mut self.sweep);
        self.tables.note_next_hops();
        let worked = self.tables.work();
        self.sweep.slice(&mut self.tables, !worked);
        let shared = &mut self.tables.shared;
        if worked || !shared.outputs.is_empty() || shared.store.next_hops.has_questions() {
            return true;
        }
        let deferral = &mut shared.deferral;
        if deferral.take_if(|deferral| deferral.is_over()).is_some() {
            shared.outputs.push_back(Output::DeferralEnded);
            return true;
        }
        !self.sweep.is_over()
    }

    /// Sends a peer routes of a family that is not routed here, after the UPDATEs in flight. The family must have been
    /// negotiated.
    ///
    /// # Errors
    ///
    /// See [`OpaqueError`].
    pub fn send_opaque(
        &mut self,
        peer: PeerId,
        attributes: &Attributes,
        routes: OpaqueRoutes<'_>,
    ) -> Result<(), OpaqueError> {
        opaque::send(&mut self.tables.shared, peer, attributes, routes)
    }

    /// Turns [`Output::Changed`] and [`Output::ToldAnew`] on or off. When off, they cost nothing.
    ///
    /// To follow the views, read all of them once, and then read all routes of each reported prefix with [`Rib::ask`]; after
    /// [`Output::ToldAnew`], read all routes advertised to the peer.
    pub fn watch(&mut self, watched: bool) {
        let Tables { shared, ipv4, ipv6 } = &mut self.tables;
        shared.watched = watched;
        ipv4.watch(watched);
        ipv6.watch(watched);
    }

    fn update(&mut self, now: Instant, peer_id: PeerId, update: &Update) {
        let tables = &mut self.tables;
        let Some(peer) = tables
            .shared
            .peers
            .find(peer_id)
            .filter(|peer| peer.up.is_some() && peer.stopping.is_none())
        else {
            return;
        };
        let config = Arc::clone(&peer.config);
        for nlri in update.unreachable() {
            tables.withdraw(peer_id, nlri);
        }
        self.scratch.clear();
        for reachable in update.reachable() {
            if self.scratch.is_empty() {
                update.canonical_attributes(&mut self.scratch);
            }
            // As if the route had never arrived: the stored attributes would not show the loop when the route is imported again.
            if hides_loop(&config, update, &self.scratch) {
                tables.withdraw(peer_id, reachable.nlri);
                continue;
            }
            let mut arrival = Arrival::new(
                &mut tables.shared,
                &config,
                peer_id,
                now,
                reachable.next_hop,
                &self.scratch,
            );
            tables.announce(&mut arrival, reachable.nlri);
            if tables.shared.is_stopping(peer_id) {
                return;
            }
        }
    }

    fn resolve(&mut self, address: IpAddr, resolution: Resolution) {
        let Tables { shared, ipv4, ipv6 } = &mut self.tables;
        if let Some(id) = shared.store.next_hops.resolve(address, resolution) {
            ipv4.walk.next_hop(id);
            ipv6.walk.next_hop(id);
            // Export policies may depend on interfaces.
            self.tables.forget_rewritten();
        }
    }
}

/// Handing all routes over to another process, and taking them over.
impl Rib {
    /// The next chunk of the handover, of about `limit` octets; `None` at the end. Between the first and the last chunk the RIB
    /// must not change.
    pub fn hand_over(
        &self,
        now: Instant,
        cursor: &mut HandoverCursor,
        limit: usize,
    ) -> Option<Vec<u8>> {
        handover::chunk(&self.tables, now, cursor, limit)
    }

    /// Whether decisions wait for peers or for the owner: the routes are not complete.
    pub fn is_deferred(&self) -> bool {
        self.tables.shared.deferral.is_some()
    }

    /// Decides and sends nothing until [`Rib::go_on`].
    pub fn hold(&mut self, now: Instant) {
        self.tables.shared.deferral = Some(Deferral::held(now));
    }

    /// Begins to take over the routes of another process. `peers` maps its peer numbers to the own ones, with the properties of
    /// the sessions that go on; the routes of all other peers are left out.
    pub fn begin_take_over(&mut self, peers: BTreeMap<PeerId, (PeerId, Option<PeerUp>)>) {
        self.arrival = Some(Box::new(TakeOver::new(peers)));
    }

    /// Takes in a chunk; all of them in order.
    ///
    /// # Errors
    ///
    /// The chunk is malformed, or [`Rib::begin_take_over`] is missing. The RIB is of no use then.
    pub fn take_over(&mut self, now: Instant, chunk: &[u8]) -> Result<(), Malformed> {
        self.tables.shared.now = now;
        let arrival = self.arrival.as_mut().ok_or(Malformed)?;
        arrival.chunk(&mut self.tables, now, chunk)
    }

    /// All chunks are in: from now on the sessions that go on are up.
    pub fn finish_take_over(&mut self, now: Instant) {
        self.tables.shared.now = now;
        if let Some(arrival) = self.arrival.take() {
            arrival.finish(&mut self.tables);
        }
    }

    /// Decides from now on: as soon as all next hops are resolved, or after a while.
    pub fn go_on(&mut self, now: Instant) {
        if let Some(deferral) = &mut self.tables.shared.deferral {
            deferral.go_on(deadline::later(now, RESOLVED_WITHIN));
        }
    }
}

/// How long [`Rib::go_on`] waits for next hops.
const RESOLVED_WITHIN: Duration = Duration::from_secs(5);

/// Queries about the routes, for operators and tests. None of them changes anything.
impl Rib {
    /// Memory in use.
    pub fn memory(&self) -> MemoryUse {
        let peers = self.tables.shared.peers.iter();
        MemoryUse {
            tables: self.tables.ipv4.octets() + self.tables.ipv6.octets(),
            attributes: self.tables.shared.store.octets(),
            messages: peers.map(|(_, peer)| peer.in_flight).sum(),
        }
    }

    /// Prefixes with at least one path.
    pub fn prefix_count(&self, family: Family) -> usize {
        self.tables.prefixes(family)
    }

    /// Prefixes with a best route.
    pub fn best_count(&self, family: Family) -> usize {
        self.tables.best(family)
    }

    /// Stored sets of attributes.
    pub fn attribute_set_count(&self) -> usize {
        self.tables.shared.store.len()
    }

    /// Every path of a prefix, the best one first.
    pub fn paths(&self, prefix: IpNet) -> Vec<Route> {
        query::paths(&self.tables, prefix)
    }

    /// The inputs that turn the local routes with a number into the wanted ones, and their counts. Handle these inputs before
    /// taking the next output, so that no peer sees an intermediate state. The numbers in the wanted routes are ignored; of
    /// several routes for one prefix, the last one counts.
    ///
    /// ```
    /// use std::time::Instant;
    /// use bgp_core::rib::{LocalRoute, Rib, RibConfig};
    /// use bgp_core::types::RouterId;
    ///
    /// let now = Instant::now();
    /// let mut rib = Rib::new(RibConfig::new(RouterId("192.0.2.1".parse()?)), now, 0);
    /// let wanted = [("198.51.100.1/32".parse()?, LocalRoute::default())];
    /// let (inputs, synced) = rib.difference(7, wanted.clone());
    /// assert_eq!((synced.announced, synced.withdrawn, synced.unchanged), (1, 0, 0));
    /// inputs.into_iter().for_each(|input| rib.handle(now, input));
    /// assert!(rib.difference(7, wanted).0.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn difference(
        &self,
        id: u32,
        wanted: impl IntoIterator<Item = (IpNet, LocalRoute)>,
    ) -> (Vec<Input>, Synced) {
        sync::difference(&self.tables, id, wanted)
    }

    /// The best path of a prefix.
    pub fn best(&self, prefix: IpNet) -> Option<Route> {
        self.paths(prefix).into_iter().find(|route| route.best)
    }

    /// Routes in table order, starting at a slot, about `limit` of them; and the slot to continue from.
    pub fn routes(&self, family: Family, from: u32, limit: usize) -> (Vec<Route>, Option<u32>) {
        let Tables { shared, ipv4, ipv6 } = &self.tables;
        match family {
            Family::Ipv4Unicast => query::routes(ipv4, shared, from, limit),
            Family::Ipv6Unicast => query::routes(ipv6, shared, from, limit),
        }
    }

    /// A page of the answer to a query, starting at a cursor: about `limit` routes. There are fewer if many slots are searched in
    /// vain, and more if one prefix has more. For the next page, pass [`Page::next`]. The RIB may work in between: a route that
    /// changes in the meantime may appear twice or not at all.
    ///
    /// ```
    /// use std::time::Instant;
    /// use bgp_core::rib::{Cursor, Input, LocalRoute, Query, Rib, RibConfig, Standing, View};
    /// use bgp_core::types::{Family, RouterId};
    ///
    /// let now = Instant::now();
    /// let mut rib = Rib::new(RibConfig::new(RouterId("192.0.2.1".parse()?)), now, 0);
    /// rib.handle(now, Input::announce("198.51.100.0/24".parse()?, LocalRoute::default()));
    /// while rib.poll_output().is_some() {}
    ///
    /// let query = Query::new(View::Best, Family::Ipv4Unicast);
    /// let (mut from, mut best) = (Some(Cursor::START), Vec::new());
    /// while let Some(cursor) = from {
    ///     let page = rib.ask(&query, cursor, 100);
    ///     best.extend(page.routes);
    ///     from = page.next;
    /// }
    /// assert_eq!(best[0].standing, Standing::Best);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ask(&self, query: &Query, from: Cursor, limit: usize) -> Page {
        page::page(&self.tables, query, from, limit)
    }

    /// Runs the import policy on a peer's path again; `None` if there is no such path, or if another rule decides first.
    pub fn trace_import(&self, prefix: IpNet, source: RouteSource) -> Option<PolicyTrace> {
        trace::import(&self.tables, prefix, source)
    }

    /// Whether a peer is, or would be, sent a path of a prefix, and by which rule, even if the path is not the best one; `None`
    /// if there is no such path or peer. Runs the policy again.
    pub fn trace_export(
        &self,
        prefix: IpNet,
        source: RouteSource,
        to: PeerId,
    ) -> Option<ExportTrace> {
        trace::export(&self.tables, prefix, source, to)
    }

    /// Like [`Rib::routes`], for the routes advertised to a peer.
    pub fn exported(
        &self,
        peer: PeerId,
        family: Family,
        from: u32,
        limit: usize,
    ) -> (Vec<Exported>, Option<u32>) {
        let Tables { shared, ipv4, ipv6 } = &self.tables;
        match family {
            Family::Ipv4Unicast => query::exported(ipv4, shared, peer, from, limit),
            Family::Ipv6Unicast => query::exported(ipv6, shared, peer, from, limit),
        }
    }

    /// The routes of a prefix advertised to a peer.
    pub fn exported_paths(&self, peer: PeerId, prefix: IpNet) -> Vec<Exported> {
        query::exported_paths(&self.tables, peer, prefix)
    }

    /// Counters of a peer's routes.
    pub fn counts(&self, peer: PeerId, family: Family) -> RouteCounts {
        let state = self.tables.shared.peers.find(peer);
        let state = state.map(|peer| &peer.families[family]);
        let counts = state.map(|state| RouteCounts {
            received: state.paths as usize,
            stale: state.stale_paths() as usize,
            imported: state.imported as usize,
            exported: state.group.map_or(0, |_| state.exported as usize),
            preferred: state.preferred as usize,
        });
        counts.unwrap_or_default()
    }

    /// Octets of UPDATEs that a peer's TCP has not taken yet.
    pub fn outstanding(&self, peer: PeerId) -> usize {
        let peer = self.tables.shared.peers.find(peer);
        peer.map_or(0, |peer| peer.in_flight)
    }

    /// Octets of UPDATEs output to all peers since the start.
    pub fn handed_out(&self) -> u64 {
        self.tables.shared.handed_out
    }

    /// The peers with octets that TCP has not taken yet.
    pub fn peers_with_outstanding(&self) -> impl Iterator<Item = PeerId> {
        let peers = self.tables.shared.peers.iter();
        let waiting = peers.filter(|(_, peer)| peer.in_flight > 0);
        waiting.map(|(id, _)| id)
    }

    /// Whether a peer has sent End-of-RIB of a family (RFC 4724 §2) in the current session.
    pub fn has_sent_all(&self, peer: PeerId, family: Family) -> bool {
        let peer = self.tables.shared.peers.find(peer);
        peer.is_some_and(|peer| peer.families[family].complete)
    }

    /// Counters of the local routes with a number.
    pub fn local_counts(&self, id: u32, family: Family) -> RouteCounts {
        self.tables.local_counts(id, family)
    }

    /// Slots and paths visited since the start: a measure of all work so far.
    pub fn steps(&self) -> u64 {
        self.tables.shared.steps
    }

    /// The peers that decisions wait for after our own restart (RFC 4724 §4.1).
    pub fn awaited(&self) -> BTreeSet<PeerId> {
        let deferral = self.tables.shared.deferral.as_ref();
        deferral.map(Deferral::awaited).unwrap_or_default()
    }

    /// Whether routes of a peer are kept because it restarts (RFC 4724 §4.2, RFC 9494 §4.2).
    pub fn is_restarting(&self, peer: PeerId) -> bool {
        let stale = |peer: &Peer| Family::ALL.map(|family| peer.families[family].stale);
        let stale = self.tables.shared.peers.find(peer).map(stale);
        stale.into_iter().flatten().flatten().any(Stale::is_restart)
    }

    /// Counters of a peer.
    pub fn stats(&self, peer: PeerId, family: Family) -> PeerStats {
        let Some(known) = self.tables.shared.peers.find(peer) else {
            return PeerStats::default();
        };
        let mut stats = known.families[family].stats;
        let kept = self.tables.kept_from(peer, family);
        stats.count_kept(kept.unwrap_or_default());
        stats
    }

    /// Next hops that the owner is asked to resolve.
    pub fn next_hops(&self) -> impl Iterator<Item = IpAddr> {
        self.tables.shared.store.next_hops.addresses()
    }
}

#[cfg(test)]
mod tests;
