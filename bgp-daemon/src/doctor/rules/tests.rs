mod bfd;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::session::{
    Failures, NotificationRecord, OpenRecord, Session as CoreSession, SessionConfig, State,
};
use bgp_core::types::{Asn, Family, PerFamily, RouterId};
use bgp_core::wire::notification::cease;
use bgp_core::wire::{ErrorCode, Notification, Open};
use bgp_speaker::kernel::query::{KernelPath, NeighbourEntry};
use bgp_speaker::turned_away::{TurnedAway, Why};
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::doctor::facts::*;

/// A healthy node, and a session that is down because its last connection attempt was refused.
struct Scene {
    facts: Facts,
}

const PEER: &str = "10.0.0.1";

impl Scene {
    fn new() -> Self {
        let now = Instant::now();
        let node = Node {
            is_running: true,
            writes_kernel: true,
            ports: Vec::new(),
            capabilities: Capabilities {
                net_admin: true,
                net_bind_service: true,
                first_free_port: 1024,
            },
            passwords: 0,
            option_memory: Some(131_072),
            families: PerFamily::default(),
            interfaces: Vec::new(),
            dropped: Drops::default(),
            dropped_now: Drops::default(),
            kernel: KernelAlarms::default(),
            others: Others::default(),
            clock: Clock {
                now: Timestamp::now().max(Timestamp::constant(1_800_000_000, 0)),
                jumped: SignedDuration::ZERO,
                datastore_ahead: None,
            },
        };
        let store = Store {
            node: Some("node1".into()),
            node_exists: Some(true),
            addresses: PerFamily {
                ipv4: Some("10.0.0.11".parse().expect("an address")),
                ipv6: None,
            },
            has_identifier: true,
            ..Store::default()
        };
        let peers = vec![peer(now)];
        Self {
            facts: Facts {
                now,
                node,
                store,
                peers,
                asked: None,
            },
        }
    }

    /// The same after a change of the session.
    fn with(mut self, change: impl FnOnce(&mut Peer)) -> Self {
        change(&mut self.facts.peers[0]);
        self
    }

    /// The same after a change of the node.
    fn on(mut self, change: impl FnOnce(&mut Node)) -> Self {
        change(&mut self.facts.node);
        self
    }

    /// The same after the sides have sent this.
    fn told(self, sent: bool, code: ErrorCode, subcode: u8) -> Self {
        self.told_with(sent, Notification::new(code, subcode))
    }

    fn told_with(self, sent: bool, notification: Notification) -> Self {
        let at = self.facts.now;
        self.with(|peer| {
            let record = Some(NotificationRecord::new(&notification, at));
            let status = &mut session(peer).status;
            status.failed_dials = None;
            match sent {
                true => status.last_sent = record,
                false => status.last_received = record,
            }
        })
    }

    fn up(self) -> Self {
        self.with(|peer| {
            let status = &mut session(peer).status;
            status.state = State::Established;
            status.failed_dials = None;
        })
    }

    /// Nobody answers, and the machine is alive or not.
    fn silent(self, alive: bool) -> Self {
        let at = self.facts.now;
        self.with(|peer| {
            session(peer).status.failed_dials = failed("Connection timed out", at);
            peer.knocks = Knocks {
                unsigned: Knock::Silent,
                from_anywhere: Knock::Untried,
                alive: Some(alive),
            };
        })
    }

    fn ids(&self) -> Vec<Id> {
        let report = report(&self.facts);
        report.findings.iter().map(|finding| finding.id).collect()
    }

    fn only(&self) -> Finding {
        let report = report(&self.facts);
        let [finding] = &report.findings[..] else {
            panic!("one finding: {report}");
        };
        finding.clone()
    }
}

fn session(peer: &mut Peer) -> &mut Session {
    peer.session.as_mut().expect("it has one")
}

fn failed(error: &str, at: Instant) -> Option<Failures> {
    Some(Failures::new(3, error, at))
}

fn peer(now: Instant) -> Peer {
    let address: IpAddr = PEER.parse().expect("an address");
    let router_id = RouterId("10.0.0.11".parse().expect("an identifier"));
    let config = SessionConfig::new(Asn(64512), router_id, address, Asn(65001));
    let mut status = CoreSession::new(Arc::new(config), 1).status();
    status.state = State::Active;
    status.failed_dials = failed("Connection refused", now);
    Peer {
        name: "Global_10_0_0_1".into(),
        resource: "BGPPeer/tor".into(),
        remote: (address, 179).into(),
        source: Some("10.0.0.11".parse().expect("an address")),
        local_as: Asn(64512),
        peer_as: Asn(65001),
        passive: false,
        password: false,
        ttl_security: None,
        families: vec![Family::Ipv4Unicast],
        disabled: false,
        key_refused: None,
        session: Some(Session {
            since: now.checked_sub(Duration::from_secs(60)).unwrap_or(now),
            status,
            watch: None,
        }),
        way: Ok(KernelPath {
            interface: Some("eth0".into()),
            ..KernelPath::default()
        }),
        link: NeighbourEntry::Answered(vec![2, 0, 0, 0, 0, 1]),
        sockets: Vec::new(),
        knocks: Knocks::default(),
        turned_away: None,
        strangers: Vec::new(),
        routes: PerFamily::default(),
    }
}

fn socket(state: TcpState, is_ours: bool) -> Socket {
    Socket {
        local: "10.0.0.11:40000".parse().expect("an address"),
        remote: "10.0.0.1:179".parse().expect("an address"),
        state,
        unacknowledged: 45,
        retransmissions: 2,
        user: 0,
        is_ours,
        has_owner: true,
    }
}

#[test]
fn silence_is_told_apart() {
    let with_password = |scene: Scene| scene.with(|peer| peer.password = true);
    let knocked = |scene: Scene, knock: Knock| scene.with(|peer| peer.knocks.unsigned = knock);
    let silent = |alive| Scene::new().silent(alive);
    assert_eq!(Scene::new().ids(), [Id::Refused]);
    assert_eq!(silent(false).ids(), [Id::Unanswered]);
    assert_eq!(silent(true).ids(), [Id::Unanswered]);
    let theirs = silent(false).on(|node| node.dropped_now.signed = 2);
    assert_eq!(theirs.ids(), [Id::PasswordMissing]);
    assert_eq!(with_password(silent(false)).ids(), [Id::Unanswered]);
    assert_eq!(with_password(silent(true)).ids(), [Id::PasswordMismatch]);
    let counted = silent(false).on(|node| node.dropped_now.wrongly_signed = 1);
    assert_eq!(with_password(counted).ids(), [Id::PasswordMismatch]);
    let unsigned = knocked(with_password(silent(true)), Knock::Answered);
    assert_eq!(unsigned.ids(), [Id::PasswordMissing]);
    let nobody = knocked(with_password(silent(true)), Knock::Refused);
    assert_eq!(nobody.ids(), [Id::Refused]);
}

#[test]
fn a_key_that_the_kernel_refuses_comes_before_silence() {
    let scene = Scene::new().silent(true).with(|peer| {
        peer.password = true;
        peer.key_refused = Some("the kernel takes no more TCP MD5 passwords".into());
    });
    assert_eq!(scene.ids(), [Id::PasswordNotSet]);
}

#[test]
fn ttl_security_on_either_side() {
    let ours = |scene: Scene| scene.with(|peer| peer.ttl_security = Some(1));
    let knocked = ours(Scene::new().silent(true));
    let knocked = knocked.with(|peer| peer.knocks.from_anywhere = Knock::Answered);
    assert_eq!(knocked.ids(), [Id::Ttl]);
    let at = Instant::now();
    let came = ours(Scene::new().silent(false)).with(|peer| {
        let from = peer.remote.ip();
        peer.turned_away = Some(TurnedAway::new(from, Why::TooFar(64), 2, at));
    });
    assert!(
        came.only()
            .evidence
            .iter()
            .any(|seen| seen.contains("TTL 64"))
    );
    let theirs = Scene::new().with(|peer| {
        session(peer).status.failed_dials = None;
        peer.sockets = vec![socket(TcpState::ESTABLISHED, true)];
    });
    assert_eq!(theirs.ids(), [Id::Ttl]);
}

/// The peer's OPEN and KEEPALIVE are enough for the session to be up here.
#[test]
fn a_session_that_is_up_for_one_side_only() {
    let stuck = |alive| {
        Scene::new().up().with(move |peer| {
            peer.sockets = vec![socket(TcpState::ESTABLISHED, true)];
            peer.knocks.alive = Some(alive);
        })
    };
    assert_eq!(stuck(true).ids(), [Id::Ttl]);
    assert_eq!(stuck(false).ids(), [Id::Unanswered]);
    let long = stuck(true).with(|peer| {
        let session = session(peer);
        session.since -= Duration::from_secs(60);
        session.status.counters.received.update = 9;
    });
    assert_eq!(long.ids(), [Id::Unanswered]);
}

#[test]
fn ways_and_addresses() {
    let no_way = Scene::new().with(|peer| peer.way = Err("Network is unreachable".into()));
    assert_eq!(no_way.ids(), [Id::NoRoute]);
    let at = Instant::now();
    let dial = |error: &'static str| {
        Scene::new().with(move |peer| session(peer).status.failed_dials = failed(error, at))
    };
    assert_eq!(dial("No route to host").ids(), [Id::NoRoute]);
    let absent = dial("No route to host").with(|peer| peer.link = NeighbourEntry::Silent);
    assert_eq!(absent.ids(), [Id::Unanswered]);
    let foreign = dial("source address 10.0.0.99 is not on this node");
    assert_eq!(foreign.ids(), [Id::WrongSource]);
    let hangs_up = Scene::new().with(|peer| {
        let status = &mut session(peer).status;
        status.failed_dials = None;
        status.unheard = failed("Connection closed", at);
    });
    assert_eq!(hangs_up.ids(), [Id::WrongSource]);
    let once = hangs_up.with(|peer| {
        session(peer).status.unheard.as_mut().expect("some").count = 1;
    });
    assert_eq!(once.ids(), [Id::WrongSource]);
    let refused_since = once.with(|peer| {
        session(peer).status.failed_dials = failed("Connection refused", at);
    });
    assert_eq!(refused_since.ids(), [Id::Refused]);
    let elsewhere = Scene::new().with(|peer| {
        let from = "10.0.0.2".parse().expect("an address");
        peer.strangers = vec![TurnedAway::new(from, Why::Stranger, 5, at)];
    });
    assert!(elsewhere.only().fix.contains("10.0.0.2"));
}

#[test]
fn what_the_sides_say() {
    let id = |sent, code, subcode| Scene::new().told(sent, code, subcode).only().id;
    let open = ErrorCode::OPEN;
    assert_eq!(id(true, open, 2), Id::PeerAs);
    assert_eq!(id(false, open, 2), Id::OurAs);
    assert_eq!(id(true, open, 3), Id::Identifier);
    assert_eq!(id(false, open, 3), Id::Identifier);
    assert_eq!(id(true, open, 6), Id::HoldTime);
    assert_eq!(id(false, ErrorCode::HOLD_TIMER, 0), Id::HoldTime);
    assert_eq!(id(true, open, 7), Id::Family);
    assert_eq!(id(false, open, 7), Id::Capability);
    assert_eq!(id(false, open, 11), Id::Capability);
    assert_eq!(
        id(true, ErrorCode::CEASE, cease::MAX_PREFIXES),
        Id::MaxPrefixes
    );
    assert_eq!(
        id(false, ErrorCode::CEASE, cease::ADMIN_SHUTDOWN),
        Id::Administrative
    );
    assert_eq!(id(false, ErrorCode::CEASE, cease::COLLISION), Id::Collision);
    assert_eq!(id(false, ErrorCode::UPDATE, 3), Id::ProtocolError);
    let demanded = Notification::new(open, 7).with_data(vec![1, 4, 0, 1, 0, 1]);
    assert_eq!(
        Scene::new().told_with(false, demanded).only().id,
        Id::Family
    );
    let hard = Notification::cease(cease::ADMIN_SHUTDOWN).into_hard_reset();
    assert_eq!(
        Scene::new().told_with(false, hard).only().id,
        Id::Administrative
    );
}

#[test]
fn the_as_that_came_is_told() {
    let scene = Scene::new().told(true, ErrorCode::OPEN, 2).with(|peer| {
        session(peer).status.last_open = Some(OpenRecord::new(
            Open {
                asn: Asn(65002),
                hold_time: 90,
                router_id: RouterId("10.0.0.1".parse().expect("an identifier")),
                capabilities: Vec::new(),
            },
            Instant::now(),
        ));
    });
    let found = scene.only();
    assert!(
        found.fix.contains("AS 65002") && found.fix.contains("AS 65001"),
        "{}",
        found.fix
    );
}

/// A network that has failed since explains more than an error before, but not more than an operator's word.
#[test]
fn what_came_last_counts() {
    let later = |scene: Scene, error: &'static str| {
        let at = scene.facts.now + Duration::from_secs(5);
        scene.with(move |peer| session(peer).status.failed_dials = failed(error, at))
    };
    let told = |code, subcode| Scene::new().told(false, code, subcode);
    let error = later(told(ErrorCode::OPEN, 2), "Connection refused");
    assert_eq!(error.ids(), [Id::Refused]);
    let expired = later(told(ErrorCode::HOLD_TIMER, 0), "Connection timed out");
    assert_eq!(expired.ids(), [Id::Unanswered]);
    let ordered = later(
        told(ErrorCode::CEASE, cease::ADMIN_SHUTDOWN),
        "Connection refused",
    );
    assert_eq!(ordered.ids(), [Id::Administrative]);
    // From an earlier session.
    let old = Scene::new().told(false, ErrorCode::OPEN, 2).with(|peer| {
        let session = session(peer);
        session.since += Duration::from_secs(90);
    });
    assert_eq!(old.ids(), [Id::Unanswered]);
}

#[test]
fn a_session_that_is_up_may_be_unwell() {
    let routes = |change: fn(&mut Routes)| {
        Scene::new()
            .up()
            .with(move |peer| change(&mut peer.routes.ipv4))
            .ids()
    };
    assert_eq!(Scene::new().up().ids(), [Id::Healthy]);
    assert_eq!(routes(|routes| routes.filtered = (2, None)), [Id::NoExport]);
    assert_eq!(
        routes(|routes| (routes.filtered, routes.told) = ((2, None), 1)),
        [Id::Healthy]
    );
    assert_eq!(
        routes(|routes| routes.unreachable = (1, None)),
        [Id::NextHop]
    );
    assert_eq!(
        routes(|routes| routes.impossible = (1, None)),
        [Id::NextHop]
    );
    assert_eq!(
        routes(|routes| routes.without_next_hop = (1, None)),
        [Id::NextHop]
    );
}

#[test]
fn the_node_itself() {
    let ids = |change: fn(&mut Node)| Scene::new().up().on(change).ids();
    let port = |taken_by: Option<&str>| Port {
        address: "0.0.0.0:179".parse().expect("an address"),
        is_ours: false,
        taken_by: taken_by.map(str::to_owned),
    };
    let taken = Scene::new()
        .up()
        .on(|node| node.ports = vec![port(Some("`bird` (pid 7)"))]);
    assert_eq!(taken.ids(), [Id::PortTaken]);
    let shut = Scene::new().up().on(|node| {
        node.ports = vec![port(None)];
        node.capabilities.net_bind_service = false;
    });
    assert_eq!(shut.ids(), [Id::NotPermitted]);
    assert_eq!(
        ids(|node| node.capabilities.net_admin = false),
        [Id::NotPermitted]
    );
    assert_eq!(
        ids(|node| node.kernel.refused = Some("no".into())),
        [Id::KernelRefuses]
    );
    assert_eq!(
        ids(|node| node.kernel.occupied = Some("in the way".into())),
        [Id::KernelRefuses]
    );
    assert_eq!(
        ids(|node| node.kernel.contested = Some("again".into())),
        [Id::OtherSpeaker]
    );
    assert_eq!(
        ids(|node| {
            node.kernel.occupied = Some("in the way".into());
            node.others.routes = vec![(80, 1, "10.1.0.0/26".into())];
        }),
        [Id::OtherSpeaker]
    );
    assert_eq!(
        ids(|node| node.families.ipv4 = FamilyFacts {
            originated: 1,
            forwards: Some(false)
        }),
        [Id::ForwardingOff]
    );
    assert_eq!(
        ids(|node| node.clock.jumped = SignedDuration::from_hours(-1)),
        [Id::Clock]
    );
    assert_eq!(
        ids(|node| node.clock.datastore_ahead = Some(SignedDuration::from_hours(2))),
        [Id::Clock]
    );
    assert_eq!(
        ids(|node| node.clock.now = Timestamp::UNIX_EPOCH),
        [Id::Clock]
    );
    let mut early = Scene::new().up();
    let reason = "invalid peer certificate: certificate not valid yet".to_owned();
    early.facts.store.unread = vec![("bgppeers".into(), reason)];
    assert_eq!(early.ids(), [Id::Datastore, Id::Clock]);
}

#[test]
fn strict_reverse_paths_are_as_bad_as_they_show() {
    let interfaces = |count: usize| -> Vec<Interface> {
        let names = ["eth0", "eth1"].into_iter().take(count);
        names
            .map(|name| Interface {
                name: name.into(),
                filter: Filter::Strict,
                leads_to_peer: true,
            })
            .collect()
    };
    let strict = |count| {
        Scene::new()
            .up()
            .on(|node| node.interfaces = interfaces(count))
    };
    assert_eq!(strict(1).ids(), [Id::RpFilter, Id::Healthy]);
    assert_eq!(strict(2).only().severity, Severity::Warning);
    let dropped = strict(1).on(|node| node.dropped.reverse_path = 3);
    assert_eq!(dropped.only().severity, Severity::Error);
}

#[test]
fn the_datastore() {
    let ids = |change: fn(&mut Store)| {
        let mut scene = Scene::new().up();
        change(&mut scene.facts.store);
        scene.ids()
    };
    let part = || vec![("bgppeers".to_owned(), "no".to_owned())];
    assert_eq!(ids(|store| store.node_exists = Some(false)), [Id::NoNode]);
    assert_eq!(ids(|store| store.has_identifier = false), [Id::NoAddress]);
    let mut scene = Scene::new().up();
    scene.facts.store.unread = part();
    assert_eq!(scene.ids(), [Id::Datastore]);
    scene.facts.store.unread.clear();
    scene.facts.store.forbidden = part();
    assert_eq!(scene.ids(), [Id::Forbidden]);
    let mut scene = Scene::new();
    scene.facts.store.passwords = vec![("BGPPeer/tor".into(), "kept down".into())];
    assert_eq!(scene.ids(), [Id::PasswordMissing]);
    scene.facts.peers.clear();
    assert_eq!(scene.only().peer, None);
}

#[test]
fn an_operator_has_switched_it_off() {
    let scene = Scene::new().told(true, ErrorCode::CEASE, cease::ADMIN_SHUTDOWN);
    assert_eq!(
        scene.with(|peer| peer.disabled = true).ids(),
        [Id::Administrative]
    );
}
