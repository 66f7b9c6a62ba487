//! A network for tests of other programs: speakers and custom nodes under virtual time.
//!
//! ```
//! use std::time::Duration;
//! use bgp_core::rib::LocalRoute;
//! use bgp_core::sim::Lab;
//! use bgp_core::types::Asn;
//!
//! let mut lab = Lab::new(7);
//! let (a, b) = (lab.add_speaker(Asn(65001)), lab.add_speaker(Asn(65002)));
//! let link = lab.connect(a, b);
//! lab.announce(a, "198.51.100.0/24".parse()?, LocalRoute::default());
//! lab.run_for(Duration::from_secs(5));
//! assert!(lab.rib(b).best("198.51.100.0/24".parse()?).is_some());
//! // A silent link: the hold timers tell.
//! lab.cut(link);
//! lab.run_for(Duration::from_secs(120));
//! assert!(lab.rib(b).best("198.51.100.0/24".parse()?).is_none());
//! # Ok::<(), ipnet::AddrParseError>(())
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ipnet::IpNet;

use crate::policy::Policy;
use crate::rib::{LocalRoute, PeerConfig, Rib, RibConfig};
use crate::session::{ConnId, Direction, SessionConfig, Stop};
use crate::sim::own_node::{Node, NodeEvent, NodeOutput};
use crate::sim::random::Random;
use crate::speaker::{NeighbourConfig, SansIoSpeaker};
use crate::types::{Asn, PeerId, RouterId};

/// A node of a [`Lab`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

/// A link of a [`Lab`]. Both ends know each other by the peer number of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(usize);

impl LinkId {
    /// The peer number of the link at both nodes.
    pub fn peer(self) -> PeerId {
        PeerId(self.0 as u32)
    }
}

enum Kind {
    Speaker(Box<SansIoSpeaker>, Asn),
    Own(Box<dyn Node>),
}

impl Kind {
    fn node(&mut self) -> &mut dyn Node {
        match self {
            Self::Speaker(speaker, _) => &mut **speaker,
            Self::Own(node) => &mut **node,
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Speaker(speaker, _) => speaker.poll_timeout(),
            Self::Own(node) => node.poll_timeout(),
        }
    }
}

struct LabLink {
    ends: [NodeId; 2],
    latency: Duration,
    /// Octets wait until the link is mended.
    is_cut: bool,
    waiting: Vec<(NodeId, NodeEvent)>,
    /// Connections that are up.
    connections: Vec<ConnId>,
}

/// An event in flight. Events of the same instant are ordered by the time of sending.
struct Due {
    at: Instant,
    number: u64,
    node: NodeId,
    event: NodeEvent,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// How long a dialling node waits for an answer.
const NO_ANSWER: Duration = Duration::from_secs(10);
/// Largest piece that a link delivers at once, octets.
const PIECE: usize = 1400;

/// Speakers and other nodes, links between them, and a clock that advances only on request. The same calls with the same seed
/// give the same result, to the octet.
pub struct Lab {
    now: Instant,
    random: Random,
    nodes: Vec<Kind>,
    links: Vec<LabLink>,
    due: BinaryHeap<Reverse<Due>>,
    number: u64,
    /// The configuration for a restart.
    configs: BTreeMap<(NodeId, LinkId), NeighbourConfig>,
    routes: BTreeMap<NodeId, Vec<(IpNet, LocalRoute)>>,
}

impl Lab {
    /// An empty network.
    #[expect(
        clippy::disallowed_methods,
        reason = "any instant will do: only differences count"
    )]
    pub fn new(seed: u64) -> Self {
        Self {
            now: Instant::now(),
            random: Random::new(seed),
            nodes: Vec::new(),
            links: Vec::new(),
            due: BinaryHeap::new(),
            number: 0,
            configs: BTreeMap::new(),
            routes: BTreeMap::new(),
        }
    }

    /// The current virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Adds a speaker in an AS.
    pub fn add_speaker(&mut self, asn: Asn) -> NodeId {
        let node = NodeId(self.nodes.len());
        let speaker = self.new_speaker(node);
        self.nodes.push(Kind::Speaker(Box::new(speaker), asn));
        node
    }

    fn new_speaker(&mut self, node: NodeId) -> SansIoSpeaker {
        let seed = self.random.number();
        SansIoSpeaker::new(RibConfig::new(RouterId(address(node))), self.now, seed)
    }

    /// Adds a custom node.
    pub fn add(&mut self, node: impl Node + 'static) -> NodeId {
        self.nodes.push(Kind::Own(Box::new(node)));
        NodeId(self.nodes.len() - 1)
    }

    /// The address of a node.
    pub fn address(&self, node: NodeId) -> IpAddr {
        address(node).into()
    }

    /// Links two nodes, 1 to 20 ms apart. Speakers peer over the link; between two ASes they accept everything (RFC 8212).
    pub fn connect(&mut self, a: NodeId, b: NodeId) -> LinkId {
        let accept = Arc::new(Policy::ACCEPT);
        self.connect_with(a, b, |_, config| {
            let routes = PeerConfig {
                import: Arc::clone(&accept),
                export: Arc::clone(&accept),
                ..PeerConfig::clone(&config.routes)
            };
            config.routes = Arc::new(routes);
        })
    }

    /// Links two nodes; `adjust` changes the configuration of a speaker, named first, for the other end.
    pub fn connect_with(
        &mut self,
        a: NodeId,
        b: NodeId,
        mut adjust: impl FnMut(NodeId, &mut NeighbourConfig),
    ) -> LinkId {
        let link = LinkId(self.links.len());
        let latency = Duration::from_millis(1 + self.random.number() % 20);
        self.links.push(LabLink {
            ends: [a, b],
            latency,
            is_cut: false,
            waiting: Vec::new(),
            connections: Vec::new(),
        });
        for (me, other) in [(a, b), (b, a)] {
            let (ours, theirs) = (self.asn(me), self.asn(other));
            let Some(ours) = ours else { continue };
            let theirs = theirs.unwrap_or(ours);
            let id = RouterId(address(me));
            let remote = address(other).into();
            let mut session = SessionConfig::new(ours, id, remote, theirs);
            session.passive = me == b;
            let routes = PeerConfig::new(ours, remote, theirs);
            let mut config = NeighbourConfig::new(session, routes);
            adjust(me, &mut config);
            self.configs.insert((me, link), config.clone());
            let now = self.now;
            self.with_speaker(me, |speaker| speaker.configure(now, link.peer(), config));
        }
        link
    }

    /// Calls methods of a speaker, such as [`SansIoSpeaker::configure`].
    ///
    /// # Panics
    ///
    /// The node is not a speaker.
    pub fn with_speaker<T>(
        &mut self,
        node: NodeId,
        change: impl FnOnce(&mut SansIoSpeaker) -> T,
    ) -> T {
        let Kind::Speaker(speaker, _) = &mut self.nodes[node.0] else {
            panic!("node {} is no speaker", node.0);
        };
        let result = change(speaker);
        self.perform(node);
        result
    }

    /// Announces a route, and again after each restart.
    pub fn announce(&mut self, node: NodeId, prefix: IpNet, route: LocalRoute) {
        let routes = self.routes.entry(node).or_default();
        routes.push((prefix, route.clone()));
        let now = self.now;
        self.with_speaker(node, |speaker| speaker.announce(now, prefix, route));
    }

    /// The RIB of a speaker.
    ///
    /// # Panics
    ///
    /// The node is not a speaker.
    pub fn rib(&self, node: NodeId) -> &Rib {
        match &self.nodes[node.0] {
            Kind::Speaker(speaker, _) => speaker.rib(),
            Kind::Own(_) => panic!("node {} is no speaker", node.0),
        }
    }

    /// Silences a link: octets wait until [`Lab::mend`], and no end is notified.
    pub fn cut(&mut self, link: LinkId) {
        self.links[link.0].is_cut = true;
    }

    /// Restores a link.
    pub fn mend(&mut self, link: LinkId) {
        let link = &mut self.links[link.0];
        link.is_cut = false;
        let (latency, waiting) = (link.latency, std::mem::take(&mut link.waiting));
        for (node, event) in waiting {
            self.schedule(latency, node, event);
        }
    }

    /// Resets every connection of a link, at both ends.
    pub fn reset(&mut self, link: LinkId) {
        let LabLink {
            ends, connections, ..
        } = &mut self.links[link.0];
        let (ends, connections) = (*ends, std::mem::take(connections));
        for conn in connections {
            for node in ends {
                let peer = link.peer();
                self.schedule(Duration::ZERO, node, NodeEvent::Closed { peer, conn });
            }
        }
    }

    /// Ends a speaker's process without a NOTIFICATION, and starts another one with the same links and announced routes.
    ///
    /// # Panics
    ///
    /// The node is not a speaker.
    pub fn restart(&mut self, node: NodeId) {
        let fresh = self.new_speaker(node);
        self.with_speaker(node, |speaker| *speaker = fresh);
        let all = self.configs.range((node, LinkId(0))..);
        let own = all.take_while(|((of, _), _)| *of == node);
        let own: Vec<_> = own
            .map(|((_, link), config)| (*link, config.clone()))
            .collect();
        let now = self.now;
        for (link, config) in own {
            self.reset(link);
            self.with_speaker(node, |speaker| speaker.configure(now, link.peer(), config));
        }
        for (prefix, route) in self.routes.get(&node).cloned().unwrap_or_default() {
            self.with_speaker(node, |speaker| speaker.announce(now, prefix, route));
        }
    }

    /// Stops a session of a speaker.
    pub fn stop(&mut self, node: NodeId, link: LinkId, why: Stop) {
        let now = self.now;
        self.with_speaker(node, |speaker| speaker.stop(now, link.peer(), why));
    }

    /// Advances the time, and runs everything that is due.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, node)) = self.next().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            let event = match self.due.peek() {
                Some(Reverse(due)) if due.at <= at => {
                    let Some(Reverse(due)) = self.due.pop() else {
                        continue;
                    };
                    self.deliver(due.node, due.event);
                    continue;
                }
                _ => NodeEvent::Timeout,
            };
            self.deliver(node, event);
        }
        self.now = end;
    }

    /// The next instant with an event. Events in flight come before timers of the same instant.
    fn next(&self) -> Option<(Instant, NodeId)> {
        let timers = self.nodes.iter().enumerate();
        let timers = timers.filter_map(|(at, node)| Some((node.poll_timeout()?, NodeId(at))));
        let due = self.due.peek().map(|Reverse(due)| (due.at, due.node));
        due.into_iter().chain(timers).min_by_key(|(at, _)| *at)
    }

    fn deliver(&mut self, node: NodeId, event: NodeEvent) {
        let is_stale = match &event {
            NodeEvent::Received { peer, conn, .. } | NodeEvent::Written { peer, conn, .. } => {
                !self.links[peer.0 as usize].connections.contains(conn)
            }
            NodeEvent::Closed { peer, conn } => {
                self.links[peer.0 as usize]
                    .connections
                    .retain(|other| other != conn);
                false
            }
            NodeEvent::Timeout | NodeEvent::Connected { .. } | NodeEvent::ConnectFailed(_) => false,
        };
        if is_stale {
            return;
        }
        let now = self.now;
        self.nodes[node.0].node().handle(now, event);
        self.perform(node);
    }

    /// Carries out all outputs of a node.
    fn perform(&mut self, node: NodeId) {
        while let Some(output) = self.nodes[node.0].node().poll_output() {
            match output {
                NodeOutput::Connect(peer) => self.dial(node, peer),
                NodeOutput::Transmit { peer, conn, octets } => self.send(node, peer, conn, &octets),
                NodeOutput::Close { peer, conn } => {
                    self.over(node, peer, NodeEvent::Closed { peer, conn });
                }
            }
        }
    }

    fn dial(&mut self, node: NodeId, peer: PeerId) {
        let other = self.other(node, peer);
        let link = &mut self.links[peer.0 as usize];
        if link.is_cut {
            return self.schedule(NO_ANSWER, node, NodeEvent::ConnectFailed(peer));
        }
        self.number += 1;
        let conn = ConnId(self.number);
        link.connections.push(conn);
        let latency = link.latency;
        for (at, direction, after) in [
            (other, Direction::Incoming, latency),
            (node, Direction::Outgoing, 2 * latency),
        ] {
            let local = address(at).into();
            let event = NodeEvent::Connected {
                peer,
                conn,
                direction,
                local,
            };
            self.schedule(after, at, event);
        }
    }

    fn send(&mut self, node: NodeId, peer: PeerId, conn: ConnId, octets: &Bytes) {
        let mut rest = octets.clone();
        while !rest.is_empty() {
            let length = rest.len().min(PIECE);
            let piece = rest.split_to(length);
            let event = NodeEvent::Received {
                peer,
                conn,
                octets: piece,
            };
            self.over(node, peer, event);
        }
        let octets = octets.len();
        let written = NodeEvent::Written { peer, conn, octets };
        self.schedule(Duration::ZERO, node, written);
    }

    /// Sends an event to the other end of a link.
    fn over(&mut self, node: NodeId, peer: PeerId, event: NodeEvent) {
        let other = self.other(node, peer);
        let link = &mut self.links[peer.0 as usize];
        if link.is_cut {
            link.waiting.push((other, event));
            return;
        }
        let latency = link.latency;
        self.schedule(latency, other, event);
    }

    fn schedule(&mut self, after: Duration, node: NodeId, event: NodeEvent) {
        self.number += 1;
        self.due.push(Reverse(Due {
            at: self.now + after,
            number: self.number,
            node,
            event,
        }));
    }

    fn other(&self, node: NodeId, peer: PeerId) -> NodeId {
        let [a, b] = self.links[peer.0 as usize].ends;
        if a == node { b } else { a }
    }

    fn asn(&self, node: NodeId) -> Option<Asn> {
        match &self.nodes[node.0] {
            Kind::Speaker(_, asn) => Some(*asn),
            Kind::Own(_) => None,
        }
    }
}

fn address(node: NodeId) -> Ipv4Addr {
    let [_, _, high, low] = (node.0 as u32 + 1).to_be_bytes();
    Ipv4Addr::new(10, 0, high, low)
}
