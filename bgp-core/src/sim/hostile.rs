//! One speaker between honest peers and hostile ones, which do everything at once: refresh storms, floods of paths, prefixes,
//! attributes and next hops, flapping sessions, invalid messages.
//!
//! Checked after each round: every honest session is up, and every honest peer holds exactly what the other honest peers
//! announced, even if hostile peers announce the same prefixes. The work was bounded by the table and by the announcements, not
//! by the number of requests, and memory stays near its limit. At the end, nothing is left of the peers that are gone.

mod peer;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net};

use super::random::{Random, mix};
use crate::rib::RibConfig;
use crate::session::{ConnId, Direction};
use crate::speaker::{Output, SansIoSpeaker};
use crate::types::{Asn, Family, PathId, PeerId, RouterId};
use crate::wire::attribute::{AsPath, Community};
use crate::wire::update::{encode_reachable, encode_unreachable};
use crate::wire::{
    AddPathDirection, AttributeView, Attributes, Capability, Context, Message, NextHop, Open,
    RefreshKind, RouteRefresh, frame,
};

use peer::{
    HONEST, MAX_PREFIXES, OWN, OWN_AS, address, as_of, config_of, context_of, id, is_hostile, net,
};

/// Number of hostile peers.
const HOSTILE: usize = 4;
/// Rounds of faults, work and checks.
const ROUNDS: u32 = 12;
/// Prefixes of each honest peer.
const PREFIXES: u32 = 20;
/// Memory limit of the speaker, octets.
const MEMORY_LIMIT: usize = 2 << 20;

/// The course of a hostile simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostileReport {
    /// How often a hostile session ended.
    pub losses: u64,
    /// Slots and paths visited by the RIB.
    pub steps: u64,
    /// Hash of everything sent.
    pub trace_hash: u64,
}

/// Runs the hostile simulation of a seed.
///
/// # Errors
///
/// The violated invariant.
pub fn run_hostile(seed: u64, epoch: Instant) -> Result<HostileReport, String> {
    let mut world = World::new(seed, epoch);
    for round in 0..ROUNDS {
        let said = |problem| format!("seed {seed}, round {round}: {problem}");
        world.round(round).map_err(said)?;
    }
    world
        .end()
        .map_err(|problem| format!("seed {seed}, in the end: {problem}"))?;
    Ok(HostileReport {
        losses: world.losses,
        steps: world.speaker.rib().steps(),
        trace_hash: world.trace_hash,
    })
}

/// A peer, with the routes that it holds.
#[derive(Default)]
struct Client {
    conn: u64,
    open: bool,
    octets: BytesMut,
    held: BTreeMap<(IpNet, PathId), Attributes>,
}

struct World {
    speaker: SansIoSpeaker,
    now: Instant,
    random: Random,
    clients: Vec<Client>,
    /// The announcements of honest peers.
    honest: BTreeMap<Ipv4Net, (usize, Attributes)>,
    /// Routes that were announced and withdrawn in this round.
    announced: u64,
    losses: u64,
    trace_hash: u64,
}

impl World {
    fn new(seed: u64, now: Instant) -> Self {
        let config = RibConfig {
            forwarding: true,
            memory_limit: Some(MEMORY_LIMIT),
            ..RibConfig::new(RouterId(OWN))
        };
        let mut world = Self {
            speaker: SansIoSpeaker::new(config, now, seed),
            now,
            random: Random::new(seed),
            clients: Vec::new(),
            honest: BTreeMap::new(),
            announced: 0,
            losses: 0,
            trace_hash: seed,
        };
        for peer in 0..HONEST + HOSTILE {
            world.clients.push(Client::default());
            world.speaker.configure(now, id(peer), config_of(peer));
            world.connect(peer);
        }
        world
    }

    fn round(&mut self, round: u32) -> Result<(), String> {
        let before = self.speaker.rib().steps();
        self.announced = 0;
        for peer in HONEST..HONEST + HOSTILE {
            if self.clients[peer].open {
                self.harm(peer);
            } else {
                self.connect(peer);
            }
        }
        for peer in 0..HONEST {
            self.change(peer, round);
        }
        for peer in HONEST..HONEST + HOSTILE {
            self.harm(peer);
        }
        self.drain();
        self.check()?;
        let steps = self.speaker.rib().steps() - before;
        let table = 1 + self.speaker.rib().prefix_count(Family::Ipv4Unicast) as u64;
        let peers = (HONEST + HOSTILE) as u64;
        let bound = 64 * peers * (table + self.announced + u64::from(MAX_PREFIXES));
        if steps > bound {
            return Err(format!(
                "{steps} steps for {} routes and {table} prefixes",
                self.announced
            ));
        }
        self.now += self.random.time_up_to(Duration::from_secs(40));
        self.speaker.handle_timeout(self.now);
        self.drain();
        self.check()
    }

    /// All hostile peers are gone, and so must be their routes.
    fn end(&mut self) -> Result<(), String> {
        for peer in HONEST..HONEST + HOSTILE {
            self.speaker.remove(self.now, id(peer));
        }
        self.drain();
        self.check()?;
        let left = self.speaker.rib().prefix_count(Family::Ipv4Unicast);
        match left == self.honest.len() {
            true => Ok(()),
            false => Err(format!("{left} prefixes of {}", self.honest.len())),
        }
    }

    fn check(&self) -> Result<(), String> {
        for (peer, client) in self.clients.iter().enumerate().take(HONEST) {
            if !client.open {
                return Err(format!("honest peer {peer} lost its session"));
            }
            for (prefix, (from, attributes)) in &self.honest {
                let held = client.held.get(&(IpNet::V4(*prefix), PathId(0)));
                let path = held.map(|held| held.as_path.clone());
                let mut wanted = attributes.as_path.clone();
                wanted.prepend(OWN_AS, 1);
                let wanted = (*from != peer).then_some(wanted);
                if path != wanted {
                    return Err(format!("peer {peer} holds {held:?} of {prefix}"));
                }
            }
        }
        let memory = self.speaker.rib().memory();
        match memory.tables + memory.attributes <= 4 * MEMORY_LIMIT {
            true => Ok(()),
            false => Err(format!("{memory:?}")),
        }
    }

    /// An honest peer changes some of its routes.
    fn change(&mut self, peer: usize, round: u32) {
        for number in 0..PREFIXES {
            let prefix = net(10 + peer, number);
            match self.random.below(4) {
                0 if self.honest.contains_key(&prefix) => {
                    self.honest.remove(&prefix);
                    self.withdraw(peer, &[(PathId(0), prefix)]);
                }
                1 => {
                    let attributes = Attributes {
                        as_path: AsPath::sequence([as_of(peer), Asn(1 + round)]),
                        ..Attributes::default()
                    };
                    self.honest.insert(prefix, (peer, attributes.clone()));
                    self.announce(peer, &attributes, address(peer), &[(PathId(0), prefix)]);
                }
                _ => {}
            }
        }
    }

    fn harm(&mut self, peer: usize) {
        match self.random.below(8) {
            0 => self.ask_again_and_again(peer),
            1 => self.flood_paths(peer),
            2 => self.flood_next_hops(peer),
            3 => self.flood_attributes(peer),
            4 => self.flood_prefixes(peer),
            5 => self.covet(peer),
            6 => {
                self.lose(peer);
                self.connect(peer);
            }
            _ => self.babble(peer),
        }
    }

    fn ask_again_and_again(&mut self, peer: usize) {
        let kinds = [
            RefreshKind::REQUEST,
            RefreshKind::REQUEST,
            RefreshKind::BEGIN,
            RefreshKind::END,
        ];
        let mut octets = BytesMut::new();
        for _ in 0..self.random.within(1..=300) {
            let refresh = RouteRefresh {
                family: Family::Ipv4Unicast.afi_safi(),
                kind: self.random.pick(&kinds),
            };
            Message::RouteRefresh(refresh).encode(&Context::default(), &mut octets);
        }
        self.send(peer, octets);
    }

    fn flood_paths(&mut self, peer: usize) {
        let prefix = net(20 + peer, 0);
        for number in 0..self.random.within(1..=80) as u32 {
            let attributes = self.attributes(peer);
            self.announce(
                peer,
                &attributes,
                address(peer),
                &[(PathId(number), prefix)],
            );
        }
    }

    fn flood_next_hops(&mut self, peer: usize) {
        let route = [(PathId(0), net(20 + peer, 1))];
        for _ in 0..self.random.within(1..=100) {
            let via = Ipv4Addr::from(0x1e00_0000 + (self.random.number() as u32 & 0xff_ffff));
            let attributes = self.attributes(peer);
            self.announce(peer, &attributes, via, &route);
        }
    }

    fn flood_attributes(&mut self, peer: usize) {
        for number in 0..self.random.within(1..=400) as u32 {
            let attributes = Attributes {
                communities: (0..60)
                    .map(|_| Community(self.random.number() as u32))
                    .collect(),
                ..self.attributes(peer)
            };
            let route = [(PathId(0), net(20 + peer, number))];
            self.announce(peer, &attributes, address(peer), &route);
        }
    }

    /// Announces more prefixes than allowed, if the peer has some already.
    fn flood_prefixes(&mut self, peer: usize) {
        let first = self.random.below(3000) as u32;
        let routes: Vec<_> = (first..first + 400)
            .map(|number| (PathId(0), net(20 + peer, number)))
            .collect();
        let attributes = self.attributes(peer);
        self.announce(peer, &attributes, address(peer), &routes);
        if self.random.chance(50) {
            self.withdraw(peer, &routes);
        }
    }

    /// Announces the prefixes of honest peers, with worse paths.
    fn covet(&mut self, peer: usize) {
        let honest: Vec<_> = self.honest.keys().map(|net| (PathId(0), *net)).collect();
        let attributes = self.attributes(peer);
        self.announce(peer, &attributes, address(peer), &honest);
        // Whether they would be used after the honest ones are gone is not tested here.
        self.withdraw(peer, &honest);
    }

    fn babble(&mut self, peer: usize) {
        let mut octets = BytesMut::new();
        match self.random.below(3) {
            0 => octets.extend((0..200).map(|_| self.random.number() as u8)),
            1 => {
                octets.extend_from_slice(&[0xff; 16]);
                octets.extend_from_slice(&[0, 27, 2, 0, 9, 0, 0, 1, 2, 3, 4]);
            }
            _ => {
                octets.extend_from_slice(&[0xff; 16]);
                octets.extend_from_slice(&[0, 19, 99]);
            }
        }
        self.send(peer, octets);
    }

    fn attributes(&mut self, peer: usize) -> Attributes {
        let asn = Asn(1 + self.random.below(50_000) as u32);
        Attributes {
            as_path: AsPath::sequence([as_of(peer), asn, asn, asn]),
            ..Attributes::default()
        }
    }

    fn announce(
        &mut self,
        peer: usize,
        attributes: &Attributes,
        via: Ipv4Addr,
        routes: &[(PathId, Ipv4Net)],
    ) {
        let (mut canonical, mut octets) = (Vec::new(), BytesMut::new());
        attributes.encode_canonical(&mut canonical);
        let view = AttributeView::new(&canonical);
        let context = context_of(peer);
        if encode_reachable(&context, view, NextHop::V4(via), routes, &mut octets).is_ok() {
            self.announced += routes.len() as u64;
            self.send(peer, octets);
        }
    }

    fn withdraw(&mut self, peer: usize, routes: &[(PathId, Ipv4Net)]) {
        let mut octets = BytesMut::new();
        encode_unreachable(&context_of(peer), routes, &mut octets);
        self.announced += routes.len() as u64;
        self.send(peer, octets);
    }

    fn connect(&mut self, peer: usize) {
        let client = &mut self.clients[peer];
        *client = Client {
            conn: client.conn + 1,
            open: true,
            ..Client::default()
        };
        let conn = ConnId(client.conn);
        let incoming = Direction::Incoming;
        self.speaker
            .handle_connected(self.now, id(peer), conn, incoming, OWN.into());
        let family = Family::Ipv4Unicast.afi_safi();
        let mut capabilities = vec![
            Capability::Multiprotocol(family),
            Capability::FourOctetAs(as_of(peer)),
            Capability::RouteRefresh,
            Capability::EnhancedRouteRefresh,
        ];
        if is_hostile(peer) {
            capabilities.push(Capability::AddPath(vec![(family, AddPathDirection::Both)]));
        }
        let open = Open {
            asn: as_of(peer),
            hold_time: 0,
            router_id: RouterId(address(peer)),
            capabilities,
        };
        let mut octets = BytesMut::new();
        for message in [Message::Open(open), Message::Keepalive] {
            message.encode(&Context::default(), &mut octets);
        }
        self.send(peer, octets);
    }

    fn lose(&mut self, peer: usize) {
        if std::mem::take(&mut self.clients[peer].open) {
            self.losses += 1;
            let conn = ConnId(self.clients[peer].conn);
            self.speaker.handle_closed(self.now, id(peer), conn, None);
        }
    }

    /// Half of the time, the speaker's outputs wait until more has arrived.
    fn send(&mut self, peer: usize, mut octets: BytesMut) {
        if self.clients[peer].open {
            let conn = ConnId(self.clients[peer].conn);
            self.speaker
                .handle_bytes(self.now, id(peer), conn, &mut octets);
            if self.random.chance(50) {
                self.drain();
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.speaker.poll_output() {
            match output {
                Output::Transmit { peer, conn, bytes } => {
                    let words = bytes
                        .iter()
                        .fold(0, |hash, octet| mix(hash ^ u64::from(*octet)));
                    self.trace_hash = mix(self.trace_hash ^ words ^ u64::from(peer.0));
                    self.take(peer, conn, &bytes);
                    let len = bytes.len();
                    self.speaker
                        .handle_written(self.now, peer, conn, len, false);
                }
                Output::Close { peer, conn } => {
                    let client = &mut self.clients[peer.0 as usize];
                    if client.conn == conn.0 && std::mem::take(&mut client.open) {
                        self.losses += 1;
                    }
                }
                Output::Connect(_)
                | Output::CancelConnect(_)
                | Output::Up(..)
                | Output::Down(..)
                | Output::Opaque(..)
                | Output::OpaqueRefresh(..)
                | Output::Forward { .. }
                | Output::Forget(_)
                | Output::Resolve(_)
                | Output::DeferralEnded => {}
            }
        }
    }

    fn take(&mut self, peer: PeerId, conn: ConnId, bytes: &[u8]) {
        let client = &mut self.clients[peer.0 as usize];
        if client.conn != conn.0 {
            return;
        }
        let context = context_of(peer.0 as usize);
        client.octets.extend_from_slice(bytes);
        while let Ok(Some(frame)) = frame::take(&mut client.octets, context.max_receive_len) {
            let Ok(Message::Update(update)) = Message::decode(frame, &context) else {
                continue;
            };
            for (id, net) in update.unreachable().flat_map(|nlri| nlri.nets()) {
                client.held.remove(&(net, id));
            }
            for (id, net) in update.reachable().flat_map(|reach| reach.nlri.nets()) {
                client.held.insert((net, id), update.attributes());
            }
        }
    }
}
