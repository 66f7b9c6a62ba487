//! A RIB with peers that decode and store what they are sent, as real ones do.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use ipnet::{IpNet, Ipv4Net};

use crate::policy::Policy;
use crate::rib::{
    HandoverCursor, Input, KeepStale, LocalRoute, NextHopMode, Output, PeerConfig, PeerKind,
    PeerUp, Preserved, Rib, RibConfig, RouteCounts,
};
use crate::types::{Asn, Family, PathId, PeerId, PerFamily, RouterId};
use crate::wire::attribute::AsPath;
use crate::wire::update::{encode_reachable, encode_unreachable};
use crate::wire::{
    AttributeView, Attributes, Context, Message, NextHop, RefreshKind, Update, frame,
};

pub(super) const OWN_AS: Asn = Asn(64512);
pub(super) const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

/// The route sent to a peer for a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) attributes: Attributes,
    pub(super) next_hop: NextHop,
}

/// A peer and what it holds.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) up: bool,
    /// Does not read until switched on.
    pub(super) slow: bool,
    waiting: Vec<Bytes>,
    pub(super) held: BTreeMap<(IpNet, PathId), Told>,
    pub(super) end_of_rib: usize,
    pub(super) refresh_marks: Vec<RefreshKind>,
    /// Withdrawals of what it did not hold, and announcements of what it held already.
    pub(super) needless: usize,
    pub(super) add_path: bool,
    pub(super) long_lived_aware: bool,
}

pub(super) struct World {
    pub(super) rib: Rib,
    pub(super) now: Instant,
    pub(super) receivers: Vec<Receiver>,
    pub(super) configs: Vec<Arc<PeerConfig>>,
    pub(super) other_outputs: Vec<Output>,
}

pub(super) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(super) fn address_of(peer: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, u8::try_from(peer + 1).unwrap())
}

pub(super) fn route(path: &[u32]) -> Attributes {
    Attributes {
        as_path: AsPath::sequence(path.iter().map(|asn| Asn(*asn))),
        ..Attributes::default()
    }
}

pub(super) fn local(id: u32) -> LocalRoute {
    let attributes = Attributes {
        local_pref: Some(500),
        ..Attributes::default()
    };
    LocalRoute {
        id,
        attributes,
        next_hop: None,
        interface: None,
        ..LocalRoute::default()
    }
}

/// A peer with address 10.0.0.(n+1), of its own AS 65000 + n or of ours.
pub(super) fn config(peer: usize, kind: PeerKind) -> PeerConfig {
    let peer_as = if kind.is_internal() {
        OWN_AS
    } else {
        Asn(65000 + u32::try_from(peer).unwrap())
    };
    PeerConfig {
        address: address_of(peer).into(),
        scope: 0,
        kind,
        local_as: OWN_AS,
        peer_as,
        allowed_local_as: 0,
        next_hop_mode: NextHopMode::Auto,
        import: Arc::new(Policy::ACCEPT),
        export: Arc::new(Policy::ACCEPT),
        max_prefixes: PerFamily::default(),
        role: None,
    }
}

pub(super) fn rib_config() -> RibConfig {
    RibConfig::new(RouterId(OWN_ADDRESS))
}

impl World {
    /// Peers of these kinds, none of them up.
    pub(super) fn new(config: RibConfig, kinds: &[PeerKind]) -> Self {
        let now = Instant::now_for_tests();
        let mut world = Self {
            rib: Rib::new(config, now, 0),
            now,
            receivers: Vec::new(),
            configs: Vec::new(),
            other_outputs: Vec::new(),
        };
        for (peer, kind) in kinds.iter().enumerate() {
            world.add(self::config(peer, *kind));
        }
        world
    }

    /// As [`World::new`], all of them up.
    pub(super) fn up(config: RibConfig, kinds: &[PeerKind]) -> Self {
        let mut world = Self::new(config, kinds);
        for peer in 0..kinds.len() {
            world.peer_up(peer);
        }
        world.drain();
        world
    }

    pub(super) fn add(&mut self, config: PeerConfig) {
        let config = Arc::new(config);
        let peer = id(self.configs.len());
        self.rib.handle(
            self.now,
            Input::Configure {
                peer,
                config: Arc::clone(&config),
            },
        );
        self.configs.push(config);
        self.receivers.push(Receiver {
            up: false,
            slow: false,
            waiting: Vec::new(),
            held: BTreeMap::new(),
            end_of_rib: 0,
            refresh_marks: Vec::new(),
            needless: 0,
            add_path: false,
            long_lived_aware: false,
        });
    }

    pub(super) fn configure(&mut self, peer: usize, change: impl FnOnce(&mut PeerConfig)) {
        let mut config = PeerConfig::clone(&self.configs[peer]);
        change(&mut config);
        self.configs[peer] = Arc::new(config);
        let config = Arc::clone(&self.configs[peer]);
        self.rib.handle(
            self.now,
            Input::Configure {
                peer: id(peer),
                config,
            },
        );
    }

    pub(super) fn set_cluster_id(&mut self, bits: u32) {
        let cluster_id = Some(RouterId::from_bits(bits));
        self.rib.handle(self.now, Input::ClusterId(cluster_id));
    }

    /// How messages between the RIB and a peer are written, seen from the RIB.
    pub(super) fn context(&self, peer: usize) -> Context {
        let add_path = PerFamily {
            ipv4: self.receivers[peer].add_path,
            ipv6: false,
        };
        Context {
            four_octet_as: true,
            add_path_send: add_path,
            add_path_receive: add_path,
            external: !self.configs[peer].kind.is_internal(),
            enhanced_refresh: true,
            ..Context::default()
        }
    }

    pub(super) fn peer_up(&mut self, peer: usize) {
        self.peer_up_keeping(peer, PerFamily::default());
    }

    pub(super) fn peer_up_keeping(&mut self, peer: usize, preserved: PerFamily<Preserved>) {
        self.come_up(peer, RouterId(address_of(peer)), preserved);
    }

    /// With another identifier than usual.
    pub(super) fn peer_up_as(&mut self, peer: usize, peer_id: RouterId) {
        self.come_up(peer, peer_id, PerFamily::default());
    }

    fn come_up(&mut self, peer: usize, peer_id: RouterId, preserved: PerFamily<Preserved>) {
        let up = self.up_of(peer, peer_id);
        self.receivers[peer].up = true;
        self.rib.handle(
            self.now,
            Input::Up {
                peer: id(peer),
                up,
                preserved,
            },
        );
    }

    fn up_of(&self, peer: usize, peer_id: RouterId) -> PeerUp {
        let own_next_hop = PerFamily {
            ipv4: Some(NextHop::V4(OWN_ADDRESS)),
            ipv6: None,
        };
        PeerUp {
            peer_id,
            context: self.context(peer),
            own_next_hop,
            sends_end_of_rib: true,
            long_lived_aware: self.receivers[peer].long_lived_aware,
            opaque_families: Box::default(),
        }
    }

    /// Another process takes over: a new RIB that has been given the same peers, and these local routes.
    pub(super) fn take_over(&mut self, config: RibConfig, local: &[(&str, LocalRoute)]) {
        self.take_outputs();
        let mut rib = Rib::new(config, self.now, 1);
        rib.hold(self.now);
        for (peer, config) in self.configs.iter().enumerate() {
            let config = Arc::clone(config);
            let peer = id(peer);
            rib.handle(self.now, Input::Configure { peer, config });
        }
        for (prefix, route) in local {
            rib.handle(self.now, Input::announce(net(prefix), route.clone()));
        }
        let sessions = self.receivers.iter().enumerate().map(|(peer, receiver)| {
            let up = || self.up_of(peer, RouterId(address_of(peer)));
            (id(peer), (id(peer), receiver.up.then(up)))
        });
        rib.begin_take_over(sessions.collect());
        let mut cursor = HandoverCursor::default();
        while let Some(chunk) = self.rib.hand_over(self.now, &mut cursor, 64) {
            rib.take_over(self.now, &chunk).unwrap();
            assert!(!rib.work(), "it decided before it had everything");
        }
        rib.finish_take_over(self.now);
        assert_eq!(rib.poll_output(), None);
        rib.go_on(self.now);
        self.rib = rib;
    }

    pub(super) fn peer_down(&mut self, peer: usize, restart_time: Option<Duration>) {
        let keep = restart_time.map(|restart_time| KeepStale {
            restart_time,
            ..KeepStale::default()
        });
        self.peer_away(peer, keep);
    }

    pub(super) fn peer_away(&mut self, peer: usize, keep: Option<KeepStale>) {
        self.receivers[peer].go_down();
        let keep_stale = PerFamily {
            ipv4: keep,
            ipv6: keep,
        };
        self.rib.handle(
            self.now,
            Input::Down {
                peer: id(peer),
                keep_stale,
            },
        );
    }

    /// The peer announces with itself as next hop.
    pub(super) fn announce(&mut self, peer: usize, prefix: &str, attributes: &Attributes) {
        self.announce_via(peer, prefix, attributes, address_of(peer));
    }

    pub(super) fn announce_via(
        &mut self,
        peer: usize,
        prefix: &str,
        attributes: &Attributes,
        via: Ipv4Addr,
    ) {
        self.announce_path(peer, net(prefix), 0, attributes, via);
    }

    pub(super) fn announce_path(
        &mut self,
        peer: usize,
        prefix: IpNet,
        id: u32,
        attributes: &Attributes,
        via: Ipv4Addr,
    ) {
        let (mut canonical, mut octets) = (Vec::new(), BytesMut::new());
        attributes.encode_canonical(&mut canonical);
        let context = self.mirrored(peer);
        let routes = [(PathId(id), v4(prefix))];
        let view = AttributeView::new(&canonical);
        encode_reachable(&context, view, NextHop::V4(via), &routes, &mut octets).unwrap();
        self.receive(peer, octets);
    }

    pub(super) fn withdraw(&mut self, peer: usize, prefix: &str) {
        self.withdraw_path(peer, net(prefix), 0);
    }

    pub(super) fn withdraw_path(&mut self, peer: usize, prefix: IpNet, id: u32) {
        let mut octets = BytesMut::new();
        encode_unreachable(
            &self.mirrored(peer),
            &[(PathId(id), v4(prefix))],
            &mut octets,
        );
        self.receive(peer, octets);
    }

    pub(super) fn receive(&mut self, peer: usize, octets: BytesMut) {
        self.receive_in(&self.context(peer), peer, octets);
    }

    /// Octets that come from a peer on a session of that kind.
    pub(super) fn receive_in(&mut self, context: &Context, peer: usize, mut octets: BytesMut) {
        for update in decode(&mut octets, context)
            .into_iter()
            .filter_map(as_update)
        {
            self.rib.handle(
                self.now,
                Input::Update {
                    peer: id(peer),
                    update,
                },
            );
        }
    }

    pub(super) fn originate(&mut self, prefix: &str, route: LocalRoute) {
        self.rib
            .handle(self.now, Input::announce(net(prefix), route));
    }

    pub(super) fn end_of_rib(&mut self, peer: usize) {
        self.rib.handle(
            self.now,
            Input::EndOfRib {
                peer: id(peer),
                family: Family::Ipv4Unicast,
            },
        );
    }

    pub(super) fn refresh(&mut self, peer: usize, kind: RefreshKind) {
        self.rib.handle(
            self.now,
            Input::Refresh {
                peer: id(peer),
                family: Family::Ipv4Unicast,
                kind,
            },
        );
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.rib.handle_timeout(self.now);
        self.drain();
    }

    /// Does so many slices of work and delivers what comes of them.
    pub(super) fn work(&mut self, slices: usize) {
        for _ in 0..slices {
            self.rib.work();
            self.take_outputs();
        }
        self.deliver();
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.rib.next_output() {
            self.take_output(output);
        }
    }

    fn take_output(&mut self, output: Output) {
        match output {
            Output::Send { peer, messages } => {
                self.receivers[peer.0 as usize].waiting.push(messages)
            }
            other => self.other_outputs.push(other),
        }
    }

    /// Delivers everything; slow peers take nothing.
    pub(super) fn drain(&mut self) {
        loop {
            while let Some(output) = self.rib.poll_output() {
                self.take_output(output);
            }
            if !self.deliver() {
                return;
            }
        }
    }

    fn deliver(&mut self) -> bool {
        let mut delivered = false;
        for peer in 0..self.receivers.len() {
            let context = self.mirrored(peer);
            let receiver = &mut self.receivers[peer];
            if receiver.slow || !receiver.up {
                continue;
            }
            let mut octets = 0;
            for messages in std::mem::take(&mut receiver.waiting) {
                octets += messages.len();
                receiver.take(&mut BytesMut::from(&messages[..]), &context);
            }
            delivered |= octets > 0;
            self.rib.handle(
                self.now,
                Input::Written {
                    peer: id(peer),
                    octets,
                },
            );
        }
        delivered
    }

    /// The other side's view of [`World::context`].
    pub(super) fn mirrored(&self, peer: usize) -> Context {
        let context = self.context(peer);
        Context {
            add_path_send: context.add_path_receive,
            add_path_receive: context.add_path_send,
            ..context
        }
    }

    /// What a peer holds for a prefix, whatever the path identifiers.
    pub(super) fn told(&self, peer: usize, prefix: &str) -> Vec<Told> {
        let of_prefix = |((told, _), _): &(&(IpNet, PathId), &Told)| *told == net(prefix);
        self.receivers[peer]
            .held
            .iter()
            .filter(of_prefix)
            .map(|(_, told)| told.clone())
            .collect()
    }

    pub(super) fn counts(&self, peer: usize) -> RouteCounts {
        self.rib.counts(id(peer), Family::Ipv4Unicast)
    }
}

impl Receiver {
    pub(super) fn go_down(&mut self) {
        self.up = false;
        self.held.clear();
        self.waiting.clear();
    }

    fn take(&mut self, octets: &mut BytesMut, context: &Context) {
        for message in decode(octets, context) {
            match message {
                Message::Update(update) => self.take_update(&update),
                Message::RouteRefresh(refresh) => self.refresh_marks.push(refresh.kind),
                other => panic!("the RIB sent {other:?}"),
            }
        }
    }

    fn take_update(&mut self, update: &Update) {
        self.end_of_rib += usize::from(update.end_of_rib().is_some());
        for (path_id, prefix) in update.unreachable().flat_map(|nlri| nlri.nets()) {
            self.needless += usize::from(self.held.remove(&(prefix, path_id)).is_none());
        }
        let attributes = update.attributes();
        for reachable in update.reachable() {
            for (path_id, prefix) in reachable.nlri.nets() {
                let told = Told {
                    attributes: attributes.clone(),
                    next_hop: reachable.next_hop,
                };
                let old = self.held.insert((prefix, path_id), told.clone());
                self.needless += usize::from(old == Some(told));
            }
        }
    }
}

fn decode(octets: &mut BytesMut, context: &Context) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(frame) = frame::take(octets, context.max_receive_len).unwrap() {
        messages.push(Message::decode(frame, context).unwrap());
    }
    assert!(octets.is_empty(), "a message was cut");
    messages
}

fn as_update(message: Message) -> Option<Update> {
    match message {
        Message::Update(update) => Some(update),
        _ => None,
    }
}

pub(super) fn id(peer: usize) -> PeerId {
    PeerId(u32::try_from(peer).unwrap())
}

fn v4(prefix: IpNet) -> Ipv4Net {
    match prefix {
        IpNet::V4(prefix) => prefix,
        IpNet::V6(_) => panic!("these stories are about IPv4"),
    }
}

pub(super) fn via(peer: usize) -> NextHop {
    NextHop::from(IpAddr::from(address_of(peer)))
}

/// Tests count from some instant; which one does not matter.
trait ForTests {
    fn now_for_tests() -> Self;
}

impl ForTests for Instant {
    #[expect(clippy::disallowed_methods, reason = "time zero of a virtual clock")]
    fn now_for_tests() -> Self {
        Self::now()
    }
}
