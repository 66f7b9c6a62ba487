//! A speaker and its peers.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::policy::Policy;
use bgp_core::rib::{PeerConfig, RibConfig};
use bgp_core::session::{ConnId, Direction, SessionConfig};
use bgp_core::speaker::{NeighbourConfig, Output, SansIoSpeaker};
use bgp_core::types::{Asn, Family, PathId, PeerId, RouterId};
use bgp_core::wire::{
    AddPathDirection, Attributes, Capability, Context, Frame, Message, NextHop, Notification, Open,
    RefreshKind, RouteRefresh, frame,
};
use bytes::BytesMut;
use ipnet::IpNet;

use crate::wire_support::EVERY_FAMILY;

pub(crate) const OWN_AS: Asn = Asn(65000);
/// AS number of the first external peer; the others follow.
pub(crate) const PEER_AS: u32 = 65001;

/// Our own place among the addresses.
pub(crate) const OWN_HOST: usize = 200;

/// Where a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In another AS.
    External,
    /// In ours.
    Internal,
}

/// What came to a peer since it last looked, and what it holds.
#[derive(Default)]
struct Inbox {
    conn: u64,
    closed: bool,
    /// Takes nothing any more.
    stuck: bool,
    /// Octets that were sent to it.
    octets: usize,
    messages: Vec<Message>,
    held: BTreeMap<(IpNet, PathId), Attributes>,
}

/// A speaker that speaks IPv4, exchanges everything, and helps its peers restart.
pub(crate) struct Node {
    pub(crate) speaker: SansIoSpeaker,
    pub(crate) now: Instant,
    peers: Vec<(Kind, Inbox)>,
    add_path: bool,
    /// Connections that come and go while a peer connects.
    pub(crate) strangers: u64,
}

impl Node {
    /// With all peers up, after their first tables.
    pub(crate) fn up(kinds: &[Kind]) -> Self {
        let mut node = Self::new(kinds, false, |_| {});
        for peer in 0..kinds.len() {
            node.connect(peer, &[]);
            node.take(peer);
        }
        node
    }

    /// With no peer up; `add_path`: every session exchanges path identifiers.
    pub(crate) fn new(kinds: &[Kind], add_path: bool, change: impl Fn(&mut PeerConfig)) -> Self {
        let now = base();
        let mut node = Self {
            speaker: SansIoSpeaker::new(RibConfig::new(RouterId(address(OWN_HOST))), now, 7),
            now,
            peers: Vec::new(),
            add_path,
            strangers: 0,
        };
        for (peer, kind) in kinds.iter().enumerate() {
            node.peers.push((*kind, Inbox::default()));
            let config = node.config(peer, &change);
            node.speaker.configure(now, id(peer), config);
        }
        node
    }

    fn config(&self, peer: usize, change: impl Fn(&mut PeerConfig)) -> NeighbourConfig {
        let peer_as = self.peer_as(peer);
        let remote = IpAddr::from(address(peer));
        let mut session = SessionConfig::new(OWN_AS, RouterId(address(OWN_HOST)), remote, peer_as);
        session.passive = true;
        session.add_path = self.add_path.then_some(AddPathDirection::Both);
        session.graceful_restart = Some(bgp_core::session::config::GracefulRestart::new(120));
        let accept = Arc::new(Policy::ACCEPT);
        let mut routes = PeerConfig::new(OWN_AS, remote, peer_as);
        routes.import = Arc::clone(&accept);
        routes.export = accept;
        change(&mut routes);
        NeighbourConfig::new(session, routes)
    }

    /// From now on a peer is sent another next hop of ours.
    pub(crate) fn tell_next_hop(&mut self, peer: usize, next_hop: NextHop) {
        let mut config = self.config(peer, |_| {});
        config.own_next_hop.ipv4 = Some(next_hop);
        self.speaker.configure(self.now, id(peer), config);
        self.drain();
    }

    fn peer_as(&self, peer: usize) -> Asn {
        match self.peers[peer].0 {
            Kind::Internal => OWN_AS,
            Kind::External => Asn(PEER_AS + u32::try_from(peer).expect("few peers")),
        }
    }

    /// The peer connects and offers IPv4, what it must, and these capabilities.
    pub(crate) fn connect(&mut self, peer: usize, more: &[Capability]) {
        self.connect_and_send(peer, more, &[]);
    }

    /// The same, and these messages follow at once.
    pub(crate) fn connect_and_send(
        &mut self,
        peer: usize,
        more: &[Capability],
        messages: &[Message],
    ) {
        let ipv4 = Family::Ipv4Unicast.afi_safi();
        let mut capabilities = vec![
            Capability::Multiprotocol(ipv4),
            Capability::FourOctetAs(self.peer_as(peer)),
        ];
        if self.add_path {
            capabilities.push(Capability::AddPath(vec![(ipv4, AddPathDirection::Both)]));
        }
        capabilities.extend(more.iter().cloned());
        let inbox = &mut self.peers[peer].1;
        inbox.conn += 1;
        inbox.closed = false;
        inbox.held.clear();
        let conn = ConnId(inbox.conn);
        self.speaker.handle_connected(
            self.now,
            id(peer),
            conn,
            Direction::Incoming,
            address(OWN_HOST).into(),
        );
        for stranger in 0..self.strangers {
            let (conn, incoming) = (ConnId(1000 + stranger), Direction::Incoming);
            let elsewhere = address(OWN_HOST + 1).into();
            self.speaker
                .handle_connected(self.now, id(peer), conn, incoming, elsewhere);
            self.speaker.handle_closed(self.now, id(peer), conn, None);
        }
        let open = Open {
            asn: self.peer_as(peer),
            hold_time: 0,
            router_id: RouterId(address(peer)),
            capabilities,
        };
        let first = [Message::Open(open), Message::Keepalive];
        self.send(peer, &[&first, messages].concat());
    }

    pub(crate) fn send(&mut self, peer: usize, messages: &[Message]) {
        let mut octets = BytesMut::new();
        for message in messages {
            message.encode(&Context::default(), &mut octets);
        }
        self.send_octets(peer, octets);
    }

    pub(crate) fn send_frame(&mut self, peer: usize, frame: Frame) {
        self.send_octets(peer, BytesMut::from(&frame.bytes[..]));
    }

    pub(crate) fn send_octets(&mut self, peer: usize, mut octets: BytesMut) {
        let conn = ConnId(self.peers[peer].1.conn);
        self.speaker
            .handle_bytes(self.now, id(peer), conn, &mut octets);
        self.drain();
    }

    /// The peer's connection breaks.
    pub(crate) fn lose(&mut self, peer: usize) {
        let conn = ConnId(self.peers[peer].1.conn);
        self.speaker.handle_closed(self.now, id(peer), conn, None);
        self.drain();
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.speaker.handle_timeout(self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.speaker.poll_output() {
            match output {
                Output::Transmit { peer, conn, bytes } => {
                    self.deliver(peer, BytesMut::from(&bytes[..]));
                    let inbox = &mut self.peers[peer.0 as usize].1;
                    inbox.octets += bytes.len();
                    if !inbox.stuck {
                        let len = bytes.len();
                        self.speaker
                            .handle_written(self.now, peer, conn, len, false);
                    }
                }
                Output::Close { peer, .. } => self.peers[peer.0 as usize].1.closed = true,
                _ => {}
            }
        }
    }

    fn deliver(&mut self, peer: PeerId, mut octets: BytesMut) {
        let mut context = Context {
            four_octet_as: true,
            families: EVERY_FAMILY,
            external: false,
            enhanced_refresh: true,
            ..Context::default()
        };
        context.add_path_receive.ipv4 = self.add_path;
        let inbox = &mut self.peers[peer.0 as usize].1;
        while let Some(frame) = frame::take(&mut octets, u16::MAX).expect("a good header") {
            let message = Message::decode(frame, &context).expect("a good message");
            if let Message::Update(update) = &message {
                for route in update.unreachable().flat_map(|nlri| nlri.nets()) {
                    inbox.held.remove(&(route.1, route.0));
                }
                for (path_id, net) in update.reachable().flat_map(|r| r.nlri.nets()) {
                    inbox.held.insert((net, path_id), update.attributes());
                }
            }
            inbox.messages.push(message);
        }
        assert!(octets.is_empty(), "whole messages");
    }

    /// What came to a peer since it last looked.
    pub(crate) fn take(&mut self, peer: usize) -> Vec<Message> {
        std::mem::take(&mut self.peers[peer].1.messages)
    }

    /// From now on, a peer takes nothing of what is sent to it.
    pub(crate) fn stick(&mut self, peer: usize) {
        self.peers[peer].1.stuck = true;
    }

    /// Octets that were sent to a peer, whether it took them or not.
    pub(crate) fn octets(&self, peer: usize) -> usize {
        self.peers[peer].1.octets
    }

    /// Whether the session with the peer is still up.
    pub(crate) fn is_connected(&self, peer: usize) -> bool {
        !self.peers[peer].1.closed
    }

    /// The NOTIFICATION that a peer was sent last.
    pub(crate) fn notification(&mut self, peer: usize) -> Notification {
        let mut messages = self.take(peer).into_iter().rev();
        let found = messages.find_map(|message| match message {
            Message::Notification(notification) => Some(notification),
            _ => None,
        });
        found.expect("a NOTIFICATION")
    }

    /// The paths of a prefix that a peer holds, by path identifier.
    pub(crate) fn held(&self, peer: usize, net: &str) -> BTreeMap<PathId, Attributes> {
        let net: IpNet = net.parse().expect("a prefix");
        let held = self.peers[peer].1.held.iter();
        held.filter(|((of, _), _)| *of == net)
            .map(|((_, id), attributes)| (*id, attributes.clone()))
            .collect()
    }
}

/// A ROUTE-REFRESH of IPv4.
pub(crate) fn refresh(kind: RefreshKind) -> Message {
    Message::RouteRefresh(RouteRefresh {
        family: Family::Ipv4Unicast.afi_safi(),
        kind,
    })
}

fn id(peer: usize) -> PeerId {
    PeerId(u32::try_from(peer).expect("few peers"))
}

pub(crate) fn address(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, u8::try_from(host).expect("few peers") + 1)
}

#[expect(clippy::disallowed_methods, reason = "time zero of a virtual clock")]
fn base() -> Instant {
    Instant::now()
}
