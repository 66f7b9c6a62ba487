//! A small node, as its owner would describe it.

use std::net::IpAddr;

use bgp_core::types::{Asn, RouterId};
use bgp_core::wire::attribute::{Community, Origin};
use bgp_daemon::control::command::{NamePattern, Query};
use bgp_daemon::control::model::{
    ActionOutcome, ActionReport, BgpAttributes, BgpRouteSnapshot, BgpSnapshot, BgpState,
    ChangeCounts, ConfigureOutcome, Countdown, ErrorClass, EstablishedSnapshot, IgpMetric,
    LastError, MemorySnapshot, NeighborCapabilities, NodeSnapshot, Phase, ProblemSnapshot,
    ProtocolKind, ProtocolSnapshot, ProtocolState, RecoverySnapshot, RestartSupport, RouteChanges,
    RouteCounts, RouteSnapshot, StatusSnapshot,
};
use bgp_daemon::control::render::Clock;
use bgp_daemon::control::request::Answer;
use bgp_speaker::forwarding::{Gateway, NextHops};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;

pub(crate) const VERSION: &str = "v0.3.3+birdv1.6.8";

/// The evening of 2 May 2024, in UTC.
pub(crate) fn clock() -> Clock {
    Clock {
        now: time("2024-05-02T23:48:43Z"),
        zone: TimeZone::UTC,
    }
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn router_id(text: &str) -> RouterId {
    RouterId(text.parse().expect("an address"))
}

pub(crate) fn status(recovery: Option<RecoverySnapshot>) -> StatusSnapshot {
    StatusSnapshot {
        router_id: router_id("172.17.0.3"),
        boot: time("2024-05-02T20:10:56Z"),
        reconfigured: time("2024-05-02T20:10:57Z"),
        phase: Phase::Running,
        recovery,
        drain: None,
    }
}

fn protocol(name: &str, kind: ProtocolKind, state: ProtocolState, since: &str) -> ProtocolSnapshot {
    ProtocolSnapshot {
        name: name.into(),
        kind,
        state,
        since: time(since),
        description: Some("Connection to BGP peer".to_owned()),
        preference: 100,
        input_filter: "(unnamed)".to_owned(),
        output_filter: "(unnamed)".to_owned(),
        routes: RouteCounts::default(),
        changes: RouteChanges::default(),
        bgp: None,
    }
}

pub(crate) fn internal(name: &str, kind: ProtocolKind) -> ProtocolSnapshot {
    protocol(name, kind, ProtocolState::Up, "2024-05-01T08:00:00Z")
}

pub(crate) fn session(
    name: &str,
    neighbor: &str,
    since: &str,
    state: BgpState,
    last_error: Option<(ErrorClass, &str)>,
) -> ProtocolSnapshot {
    let protocol_state = match state {
        BgpState::Established => ProtocolState::Up,
        BgpState::Down => ProtocolState::Down,
        _ => ProtocolState::Start,
    };
    let bgp = BgpSnapshot {
        state,
        last_error: last_error.map(|(class, text)| LastError {
            class,
            text: text.to_owned(),
        }),
        message: None,
        neighbor_address: address(neighbor),
        neighbor_port: 179,
        neighbor_as: Asn(64512),
        local_as: Asn(64512),
        neighbor_restarting: false,
        waiting: None,
        established: None,
        bfd: None,
    };
    ProtocolSnapshot {
        bgp: Some(bgp),
        ..protocol(name, ProtocolKind::Bgp, protocol_state, since)
    }
}

/// The session of transcript 7.
pub(crate) fn established_session() -> ProtocolSnapshot {
    let mut snapshot = session(
        "Mesh_172_17_8_102",
        "172.17.8.102",
        "2024-05-02T23:30:04Z",
        BgpState::Established,
        None,
    );
    snapshot.routes = RouteCounts {
        imported: 1,
        exported: 1,
        preferred: 1,
    };
    snapshot.changes = one_route_each_way();
    let bgp = snapshot.bgp.as_mut().expect("a session");
    bgp.established = Some(EstablishedSnapshot {
        neighbor_id: router_id("172.17.8.102"),
        capabilities: NeighborCapabilities {
            route_refresh: true,
            enhanced_route_refresh: true,
            graceful_restart: RestartSupport::Able,
            long_lived_restart: RestartSupport::Aware,
            four_octet_as: true,
            add_path_receive: true,
            add_path_send: true,
            extended_messages: false,
        },
        internal: true,
        multihop: true,
        route_reflector_client: false,
        four_octet_as: true,
        add_path_receive: true,
        add_path_send: true,
        extended_messages: false,
        source_address: address("172.17.8.101"),
        route_limit: None,
        hold: Some(countdown(181, 240)),
        keepalive: Some(countdown(61, 80)),
    });
    snapshot
}

fn countdown(remaining_secs: u64, total_secs: u64) -> Countdown {
    Countdown {
        remaining_secs,
        total_secs,
    }
}

fn one_route_each_way() -> RouteChanges {
    let none = ChangeCounts {
        received: Some(0),
        rejected: Some(0),
        filtered: Some(0),
        ignored: Some(0),
        accepted: Some(0),
    };
    let one = ChangeCounts {
        received: Some(1),
        accepted: Some(1),
        ..none
    };
    RouteChanges {
        import_updates: one,
        import_withdraws: ChangeCounts {
            filtered: None,
            ..none
        },
        export_updates: ChangeCounts {
            ignored: None,
            ..one
        },
        export_withdraws: ChangeCounts {
            rejected: None,
            filtered: None,
            ignored: None,
            ..none
        },
    }
}

/// The protocols of transcript 1.
pub(crate) fn protocols() -> Vec<ProtocolSnapshot> {
    use BgpState::{Active, Connect, Established, OpenSent, Passive};
    let refused = Some((ErrorClass::Socket, "Connection refused"));
    let bad_as = Some((ErrorClass::Received, "Bad peer AS"));
    let evening = "2024-05-02T23:31:12Z";
    vec![
        internal("static1", ProtocolKind::Static),
        internal("kernel1", ProtocolKind::Kernel),
        internal("device1", ProtocolKind::Device),
        internal("direct1", ProtocolKind::Direct),
        established_session(),
        session(
            "Mesh_172_17_8_103",
            "172.17.8.103",
            "2024-05-02T23:31:10Z",
            Active,
            refused,
        ),
        session("Node_10_0_0_1", "10.0.0.1", evening, OpenSent, bad_as),
        session(
            "Global_192_0_2_1",
            "192.0.2.1",
            "2024-05-01T08:00:00Z",
            Established,
            None,
        ),
        session(
            "Global_192_0_2_2_port_1790",
            "192.0.2.2",
            evening,
            Connect,
            None,
        ),
        session(
            "Local_Workload_10_65_0_2",
            "10.65.0.2",
            evening,
            Passive,
            None,
        ),
    ]
}

pub(crate) fn route(
    prefix: &str,
    next_hops: NextHops,
    protocol: &str,
    since: &str,
) -> RouteSnapshot {
    RouteSnapshot {
        prefix: prefix.parse().expect("a prefix"),
        next_hops,
        protocol: protocol.into(),
        since: time(&format!("2024-05-02T{since}Z")),
        from: None,
        primary: true,
        refused: false,
        preference: 10,
        bgp: None,
        attributes: None,
    }
}

pub(crate) fn via(gateways: &[(&str, &str)]) -> NextHops {
    let gateway = |(to, interface): &(&str, &str)| Gateway {
        address: address(to),
        interface: (*interface).into(),
    };
    NextHops::Via(gateways.iter().map(gateway).collect())
}

pub(crate) fn bgp_route(origin_as: Option<u32>, origin: Origin) -> Option<BgpRouteSnapshot> {
    Some(BgpRouteSnapshot {
        igp_metric: IgpMetric::Known(0),
        origin,
        origin_as: origin_as.map(Asn),
    })
}

pub(crate) fn attributes(origin_as: Option<u32>, origin: Origin) -> Option<Box<BgpAttributes>> {
    Some(Box::new(BgpAttributes {
        origin,
        as_path: origin_as.map(|asn| asn.to_string()).unwrap_or_default(),
        next_hop: vec![address("172.17.0.5")],
        local_pref: Some(100),
        communities: vec![Community(64512 << 16 | 1), Community::NO_EXPORT],
        ..BgpAttributes::default()
    }))
}

/// The routes of transcript 8.
pub(crate) fn routes() -> Vec<RouteSnapshot> {
    let device = |name: &str| NextHops::Device(name.into());
    vec![
        route(
            "0.0.0.0/0",
            via(&[("172.17.0.1", "eth0")]),
            "kernel1",
            "20:10:57",
        ),
        RouteSnapshot {
            preference: 100,
            bgp: bgp_route(None, Origin::Igp),
            attributes: attributes(None, Origin::Igp),
            ..route(
                "192.168.110.128/26",
                via(&[("172.17.0.5", "eth0")]),
                "Mesh_172_17_0_5",
                "20:10:57",
            )
        },
        RouteSnapshot {
            preference: 200,
            ..route(
                "192.168.162.128/26",
                NextHops::Blackhole,
                "static1",
                "20:10:56",
            )
        },
        route(
            "192.168.162.129/32",
            device("calie58e37f9a7f"),
            "kernel1",
            "20:11:10",
        ),
        RouteSnapshot {
            preference: 200,
            primary: false,
            ..route(
                "192.168.162.129/32",
                NextHops::Unreachable,
                "static1",
                "20:10:56",
            )
        },
        RouteSnapshot {
            preference: 240,
            ..route("172.17.0.0/16", device("eth0"), "direct1", "20:10:56")
        },
    ]
}

/// A stream of ready routes, two at a time.
pub(crate) fn stream(routes: Vec<RouteSnapshot>) -> Answer {
    let (chunks, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for chunk in routes.chunks(2) {
            if chunks.send(chunk.to_vec()).await.is_err() {
                return;
            }
        }
    });
    Answer::Routes(receiver)
}

/// The owner of this node. It answers every query.
pub(crate) fn answer(query: Query) -> Option<Answer> {
    let action = |name: &NamePattern, outcome| {
        let reports = matching(name)
            .into_iter()
            .map(|protocol| ActionReport {
                name: protocol.name,
                outcome,
            })
            .collect();
        Answer::Actions(reports)
    };
    Some(match query {
        Query::Status => Answer::Status(status(None)),
        Query::Protocols { name, .. } => Answer::Protocols(matching(&name)),
        Query::Routes(query) => match query.export.or(query.protocol) {
            Some(name) if matching(&NamePattern::exactly(&name)).is_empty() => Answer::NoProtocol,
            _ => stream(routes()),
        },
        Query::Interfaces => Answer::Interfaces(Vec::new()),
        Query::BfdSessions { .. } => Answer::BfdSessions(None),
        Query::Memory => Answer::Memory(MemorySnapshot::default()),
        Query::Configure => Answer::Configured(ConfigureOutcome::Reconfigured),
        Query::Enable(name) => action(&name, ActionOutcome::AlreadyEnabled),
        Query::Disable(name) => action(&name, ActionOutcome::Disabled),
        Query::Restart(name) => action(&name, ActionOutcome::Restarted),
        Query::Reload { name, .. } => action(&name, ActionOutcome::Reloading),
        Query::Snapshot => Answer::Snapshot(Box::new(snapshot())),
    })
}

fn matching(name: &NamePattern) -> Vec<ProtocolSnapshot> {
    let mut protocols = protocols();
    protocols.retain(|protocol| name.matches(&protocol.name));
    protocols
}

fn snapshot() -> NodeSnapshot {
    NodeSnapshot {
        node: "node1".to_owned(),
        local_as: Asn(64512),
        status: status(None),
        problems: vec![ProblemSnapshot {
            object: "BGPPeer(rack1-tor)".to_owned(),
            reason: "no such BGPFilter: f9".to_owned(),
        }],
        protocols: protocols(),
    }
}
