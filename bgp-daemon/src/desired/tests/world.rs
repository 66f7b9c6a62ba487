//! The node and its neighbours: real speakers, joined by links that lose nothing and take a millisecond.
//!
//! Messages arrive one by one, and after each of them the neighbour's routes are checked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::rib::{Input, Route, RouteSource};
use bgp_core::session::{ConnId, Direction, State, Stop};
use bgp_core::speaker::{Output, SansIoSpeaker};
use bgp_core::types::{Asn, Family, PeerId, RouterId};
use bytes::{Bytes, BytesMut};
use ipnet::IpNet;

use super::neighbour::{Neighbour, THE_NODE, held, kernel_routes, own_address, routes, text};
use bgp_speaker::{ApplyStep, Desired, PeerSpec, SpeakerConfig};

/// Prefixes by the name of a session.
pub(super) type Prefixes = BTreeMap<Arc<str>, BTreeSet<IpNet>>;
/// Routes with their attributes, by the name of a session.
pub(super) type Routes = BTreeMap<Arc<str>, BTreeSet<String>>;

const LATENCY: Duration = Duration::from_millis(1);
/// Longer than any pause of a session.
const PATIENCE: Duration = Duration::from_secs(300);

/// What arrives at one end of a connection.
enum Arrival {
    Connected,
    Message(Bytes),
    Closed,
}

/// Where something arrives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Node,
    Neighbour,
}

pub(super) struct World {
    now: Instant,
    node: SansIoSpeaker,
    target: Desired,
    /// Each session of the node has a number that no other ever had.
    ids: BTreeMap<Arc<str>, PeerId>,
    next: u32,
    neighbours: BTreeMap<PeerId, Neighbour>,
    names: BTreeMap<PeerId, Arc<str>>,
    on_the_way: VecDeque<(Instant, PeerId, ConnId, End, Arrival)>,
    losses: BTreeSet<Arc<str>>,
    kept: Prefixes,
    allowed: Option<Routes>,
    violations: Vec<String>,
}

impl World {
    /// A node without peers, with a few routes in its kernel.
    pub(super) fn new() -> Self {
        let now = base();
        let mut node = SansIoSpeaker::new(speaker_config().rib, now, 1);
        for (prefix, route) in kernel_routes() {
            node.announce(now, prefix, route);
        }
        Self {
            now,
            node,
            target: Desired::default(),
            ids: BTreeMap::new(),
            next: 0,
            neighbours: BTreeMap::new(),
            names: BTreeMap::new(),
            on_the_way: VecDeque::new(),
            losses: BTreeSet::new(),
            kept: Prefixes::new(),
            allowed: None,
            violations: Vec::new(),
        }
    }

    /// Takes the steps to another target, with time for the neighbours to notice each of them.
    pub(super) fn move_to(&mut self, target: Desired) {
        for step in self.target.steps_to(&target) {
            self.take(step);
            self.deliver_for(10 * LATENCY);
        }
        self.target = target;
    }

    fn take(&mut self, step: ApplyStep) {
        let now = self.now;
        match step {
            ApplyStep::AtOnce { inputs, peers, .. } => {
                for input in inputs {
                    match input {
                        Input::Announce { prefix, route } => {
                            self.node.announce(now, prefix, *route)
                        }
                        Input::Withdraw { prefix, id } => self.node.withdraw(now, prefix, id),
                        Input::ClusterId(cluster_id) => self.node.set_cluster_id(now, cluster_id),
                        other => panic!("not expected of a step: {other:?}"),
                    }
                }
                for (name, spec) in peers {
                    let neighbour = spec.settings(&speaker_config()).neighbour;
                    self.node.configure(now, self.ids[&name], neighbour);
                }
            }
            ApplyStep::Remove(name) => self.end(&name, Stop::Deconfigured),
            ApplyStep::Start(name, spec) => {
                self.end(&name, Stop::ConfigChange);
                self.start(name, &spec);
            }
        }
    }

    fn end(&mut self, name: &str, why: Stop) {
        if let Some(id) = self.ids.remove(name) {
            self.node.stop(self.now, id, why);
            self.node.remove(self.now, id);
            self.deliver_for(2 * LATENCY);
            self.neighbours.remove(&id);
        }
    }

    fn start(&mut self, name: Arc<str>, spec: &PeerSpec) {
        let settings = spec.settings(&speaker_config());
        let id = PeerId(self.next);
        self.next += 1;
        let neighbour = Neighbour::new(&name, &settings, self.now);
        self.neighbours.insert(id, neighbour);
        self.ids.insert(Arc::clone(&name), id);
        self.names.insert(id, name);
        self.node.configure(self.now, id, settings.neighbour);
    }

    /// Lets everything happen until all sessions are up and nothing is on the way.
    pub(super) fn settle(&mut self) {
        let until = self.now + PATIENCE;
        self.perform_all();
        while !self.is_settled() {
            assert!(
                self.turn(until),
                "sessions do not come up: {:?}",
                self.sessions()
            );
        }
    }

    fn is_settled(&self) -> bool {
        let up = |(id, neighbour): (&PeerId, &Neighbour)| {
            let ends = [self.node.session(*id), neighbour.speaker.session(THE_NODE)];
            ends.iter()
                .flatten()
                .all(|session| session.state() == State::Established)
        };
        self.on_the_way.is_empty() && self.neighbours.iter().all(up)
    }

    fn deliver_for(&mut self, time: Duration) {
        let until = self.now + time;
        self.perform_all();
        while self.turn(until) {}
        self.now = until;
    }

    /// What happens next, if that is in time.
    fn turn(&mut self, until: Instant) -> bool {
        let arrival = self.on_the_way.front().map(|(at, ..)| *at);
        let timers = self
            .neighbours
            .values()
            .map(|neighbour| neighbour.speaker.poll_timeout());
        let timer = timers.chain([self.node.poll_timeout()]).flatten().min();
        let Some(at) = [arrival, timer]
            .into_iter()
            .flatten()
            .min()
            .filter(|at| *at <= until)
        else {
            return false;
        };
        self.now = self.now.max(at);
        if arrival == Some(at)
            && let Some((_, peer, conn, end, arrival)) = self.on_the_way.pop_front()
        {
            self.arrive(peer, conn, end, arrival);
        } else {
            self.node.handle_timeout(self.now);
            for neighbour in self.neighbours.values_mut() {
                neighbour.speaker.handle_timeout(self.now);
            }
        }
        self.perform_all();
        true
    }

    fn arrive(&mut self, peer: PeerId, conn: ConnId, end: End, arrival: Arrival) {
        let now = self.now;
        let Some(neighbour) = self.neighbours.get_mut(&peer) else {
            return;
        };
        let (speaker, id, local) = match end {
            End::Node => (&mut self.node, peer, own_address(neighbour.address)),
            End::Neighbour => (&mut neighbour.speaker, THE_NODE, neighbour.address),
        };
        match arrival {
            Arrival::Connected => {
                speaker.handle_connected(now, id, conn, Direction::Incoming, local)
            }
            Arrival::Message(octets) => {
                let mut octets = BytesMut::from(&octets[..]);
                speaker.handle_bytes(now, id, conn, &mut octets);
            }
            Arrival::Closed => speaker.handle_closed(now, id, conn, None),
        }
        if end == End::Neighbour {
            self.look(peer);
        }
    }

    /// Asks a neighbour what it holds.
    fn look(&mut self, peer: PeerId) {
        let name = &self.names[&peer];
        let (mut prefixes, mut routes) = (BTreeSet::new(), BTreeSet::new());
        for route in held(&self.neighbours[&peer]) {
            prefixes.insert(route.prefix);
            routes.insert(text(&route));
        }
        let kept = self.kept.get(name);
        if let Some(missed) = kept.and_then(|kept| kept.difference(&prefixes).next()) {
            self.violations.push(format!("{name} misses {missed}"));
        }
        let allowed = self.allowed.as_ref().and_then(|allowed| allowed.get(name));
        if let Some(leaked) = allowed.and_then(|allowed| routes.difference(allowed).next()) {
            self.violations.push(format!("{name} holds {leaked}"));
        }
    }

    fn perform_all(&mut self) {
        while let Some(output) = self.node.poll_output() {
            self.perform(End::Node, None, output);
        }
        let peers: Vec<PeerId> = self.neighbours.keys().copied().collect();
        for peer in peers {
            while let Some(output) = self
                .neighbours
                .get_mut(&peer)
                .and_then(|n| n.speaker.poll_output())
            {
                self.perform(End::Neighbour, Some(peer), output);
            }
        }
    }

    /// What one end wants. A neighbour has only one peer, so the number of the session has to be brought along.
    fn perform(&mut self, from: End, session: Option<PeerId>, output: Output) {
        match output {
            Output::Connect(peer) => self.connect(from, session.unwrap_or(peer)),
            Output::Transmit { peer, conn, bytes } => {
                let session = session.unwrap_or(peer);
                let octets = bytes.len();
                for message in messages(bytes) {
                    self.send(from, session, conn, Arrival::Message(message));
                }
                let now = self.now;
                match from {
                    End::Node => self.node.handle_written(now, peer, conn, octets, false),
                    End::Neighbour => {
                        if let Some(neighbour) = self.neighbours.get_mut(&session) {
                            neighbour
                                .speaker
                                .handle_written(now, peer, conn, octets, false);
                        }
                    }
                }
            }
            Output::Close { peer, conn } => {
                self.send(from, session.unwrap_or(peer), conn, Arrival::Closed)
            }
            Output::Down(peer, _) if from == End::Node => {
                self.losses.insert(Arc::clone(&self.names[&peer]));
            }
            _ => {}
        }
    }

    fn send(&mut self, from: End, session: PeerId, conn: ConnId, arrival: Arrival) {
        let to = match from {
            End::Node => End::Neighbour,
            End::Neighbour => End::Node,
        };
        self.on_the_way
            .push_back((self.now + LATENCY, session, conn, to, arrival));
    }

    /// The other end is informed first: nothing can be sent before both know.
    fn connect(&mut self, from: End, session: PeerId) {
        let conn = ConnId(u64::from(self.next));
        self.next += 1;
        self.send(from, session, conn, Arrival::Connected);
        let now = self.now;
        let Some(neighbour) = self.neighbours.get_mut(&session) else {
            return;
        };
        let address = neighbour.address;
        match from {
            End::Node => {
                let local = own_address(address);
                self.node
                    .handle_connected(now, session, conn, Direction::Outgoing, local);
            }
            End::Neighbour => {
                let speaker = &mut neighbour.speaker;
                speaker.handle_connected(now, THE_NODE, conn, Direction::Outgoing, address);
            }
        }
    }

    /// From now on each neighbour must hold these routes and, if requested, no others.
    pub(super) fn watch(&mut self, kept: Prefixes, allowed: Option<Routes>) {
        (self.kept, self.allowed) = (kept, allowed);
    }

    /// Sessions that have ended since the last call.
    pub(super) fn take_losses(&mut self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut self.losses)
    }

    /// What was held and must not be, or the other way round.
    pub(super) fn take_violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.ids.keys()
    }

    /// The route sent to a neighbour, and the session that it was learned from, if any.
    pub(super) fn told(&self, name: &Arc<str>) -> BTreeSet<(IpNet, Option<Arc<str>>)> {
        let Some(id) = self.ids.get(name) else {
            return BTreeSet::new();
        };
        let rib = self.node.rib();
        let told = Family::ALL
            .into_iter()
            .flat_map(|family| rib.exported(*id, family, 0, usize::MAX).0);
        told.map(|told| (told.route.prefix, self.source(&told.route)))
            .collect()
    }

    /// What each neighbour holds.
    pub(super) fn held(&self) -> Routes {
        let of = |id: &PeerId| {
            held(&self.neighbours[id])
                .map(|route| text(&route))
                .collect()
        };
        let sessions = self.ids.iter();
        sessions
            .map(|(name, id)| (Arc::clone(name), of(id)))
            .collect()
    }

    fn source(&self, route: &Route) -> Option<Arc<str>> {
        match route.source {
            RouteSource::Local(_) => None,
            RouteSource::Peer(peer, _) => self.names.get(&peer).cloned(),
        }
    }

    fn sessions(&self) -> Vec<(&Arc<str>, Option<State>)> {
        let state = |id| self.node.session(id).map(|session| session.state());
        self.ids
            .iter()
            .map(|(name, id)| (name, state(*id)))
            .collect()
    }

    /// All that can be seen of the node: what its sessions agreed on, its table, and what each neighbour holds of it.
    pub(super) fn state(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, id) in &self.ids {
            let session = self
                .node
                .session(*id)
                .map(|session| session.status().negotiated);
            lines.push(format!("{name}: {session:?}"));
            let holds = held(&self.neighbours[id]);
            lines.extend(holds.map(|route| format!("{name} holds {}", text(&route))));
        }
        for route in routes(self.node.rib()) {
            let source = self.source(&route);
            let (best, unusable) = (route.best, route.unusable);
            let preference = route.preference;
            lines.push(format!(
                "{} from {source:?} {preference} {best} {unusable:?}",
                text(&route)
            ));
        }
        lines.sort();
        lines
    }
}

/// One by one (RFC 4271 §4.1: the length is the third field of the header).
fn messages(mut octets: Bytes) -> Vec<Bytes> {
    let mut messages = Vec::new();
    while let Some(len) = octets.get(16..18) {
        let len = usize::from(u16::from_be_bytes([len[0], len[1]]));
        messages.push(octets.split_to(len));
    }
    messages
}

/// Time zero: any instant will do.
fn base() -> Instant {
    Instant::now()
}

/// The node's speaker as a whole.
pub(super) fn speaker_config() -> SpeakerConfig {
    SpeakerConfig::new(Asn(64512), RouterId([9, 9, 9, 9].into()))
}
