use super::*;
use crate::control::model::{BgpSnapshot, Phase, RouteChanges, RouteCounts};
use bgp_core::types::Asn;
use bgp_speaker::forwarding::Gateway;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn clock() -> Clock {
    Clock {
        now: time("2024-05-02T12:00:00Z"),
        zone: TimeZone::UTC,
    }
}

fn protocol(name: &str, kind: ProtocolKind, bgp: Option<(BgpState, &str)>) -> ProtocolSnapshot {
    let up = bgp.is_none_or(|(state, _)| state == BgpState::Established);
    ProtocolSnapshot {
        name: name.into(),
        kind,
        state: if up {
            ProtocolState::Up
        } else {
            ProtocolState::Start
        },
        since: time("2024-05-02T11:30:00Z"),
        description: None,
        preference: 100,
        input_filter: String::new(),
        output_filter: String::new(),
        routes: RouteCounts::default(),
        changes: RouteChanges::default(),
        bgp: bgp.map(|(state, address)| BgpSnapshot {
            state,
            last_error: None,
            message: None,
            neighbor_address: address.parse().expect("an address"),
            neighbor_port: 179,
            neighbor_as: Asn(64512),
            local_as: Asn(64512),
            neighbor_restarting: false,
            waiting: None,
            established: None,
            bfd: None,
        }),
    }
}

fn session(name: &str, state: BgpState, address: &str) -> ProtocolSnapshot {
    protocol(name, ProtocolKind::Bgp, Some((state, address)))
}

fn route(prefix: &str, protocol: &str, next_hops: NextHops) -> RouteSnapshot {
    RouteSnapshot {
        prefix: prefix.parse().expect("a prefix"),
        next_hops,
        protocol: protocol.into(),
        since: time("2024-05-02T11:30:00Z"),
        from: None,
        primary: true,
        refused: false,
        preference: 100,
        bgp: None,
        attributes: None,
    }
}

fn via(address: &str) -> Gateway {
    Gateway {
        address: address.parse().expect("an address"),
        interface: "eth0".into(),
    }
}

fn of_ipv4(class: StatusClass, seen: Seen) -> Value {
    let seen = PerFamily {
        ipv4: seen,
        ipv6: Seen::default(),
    };
    serde_json::to_value(build(&[class], &seen, &clock())).expect("JSON")
}

/// Promise 15.2.
#[test]
fn every_state_is_one_that_the_api_knows() {
    let states = [
        (BgpState::Idle, "Idle"),
        (BgpState::Connect, "Connect"),
        (BgpState::Active, "Active"),
        (BgpState::OpenSent, "OpenSent"),
        (BgpState::OpenConfirm, "OpenConfirm"),
        (BgpState::Established, "Established"),
        (BgpState::Close, "Close"),
        (BgpState::Passive, "Active"),
        (BgpState::Down, "Idle"),
    ];
    for (state, word) in states {
        let seen = Seen {
            protocols: vec![session("Mesh_10_0_0_2", state, "10.0.0.2")],
            ..Seen::default()
        };
        let status = of_ipv4(StatusClass::BGP, seen);
        let peer =
            json!({ "peerIP": "10.0.0.2", "type": "NodeMesh", "state": word, "since": "11:30:00" });
        assert_eq!(status["bgp"]["peersV4"], json!([peer]));
        let up = usize::from(word == "Established");
        assert_eq!(status["bgp"]["numberEstablishedV4"], up);
        assert_eq!(status["bgp"]["numberNotEstablishedV4"], 1 - up);
    }
}

/// Promise 15.2.
#[test]
fn types_of_peers_are_those_of_the_api() {
    let seen = Seen {
        protocols: vec![
            protocol("static1", ProtocolKind::Static, None),
            session(
                "Global_192_0_2_2_port_1790",
                BgpState::Established,
                "192.0.2.2",
            ),
            session(
                "Local_Workload_10_65_0_2",
                BgpState::Established,
                "10.65.0.2",
            ),
            session("Node_10_0_0_1", BgpState::Established, "10.0.0.1"),
        ],
        ..Seen::default()
    };
    let status = of_ipv4(StatusClass::BGP, seen);
    let peers = status["bgp"]["peersV4"].as_array().expect("a list");
    let shown: Vec<_> = peers
        .iter()
        .map(|peer| (&peer["peerIP"], &peer["type"]))
        .collect();
    assert_eq!(
        shown,
        [
            (&json!("192.0.2.2"), &json!("GlobalPeer")),
            (&json!("10.0.0.1"), &json!("NodePeer"))
        ]
    );
}

/// One route of each kind, and one of a session that has ended.
fn routes_of_each_kind() -> Vec<RouteSnapshot> {
    let gateways = |addresses: &[&str]| NextHops::Via(addresses.iter().map(|a| via(a)).collect());
    let cali = || NextHops::Device("cali1".into());
    let refused = RouteSnapshot {
        refused: true,
        ..route("10.4.0.0/26", "Node_10_0_0_1", NextHops::Unreachable)
    };
    vec![
        route(
            "0.0.0.0/0",
            "kernel1",
            gateways(&["10.0.0.254", "10.0.0.253"]),
        ),
        route("10.1.0.0/26", "static1", NextHops::Blackhole),
        route("10.2.0.0/26", "Mesh_10_0_0_2", gateways(&["10.0.0.2"])),
        route("10.3.0.1/32", "Local_Workload_10_65_0_2", cali()),
        refused,
        route("10.5.0.0/26", "Mesh_gone", NextHops::Blackhole),
    ]
}

/// Promise 15.3.
#[test]
fn every_route_has_rows_that_the_api_takes() {
    let up = |name, address| session(name, BgpState::Established, address);
    let seen = Seen {
        protocols: vec![
            protocol("kernel1", ProtocolKind::Kernel, None),
            protocol("static1", ProtocolKind::Static, None),
            up("Mesh_10_0_0_2", "10.0.0.2"),
            up("Node_10_0_0_1", "10.0.0.1"),
            up("Local_Workload_10_65_0_2", "10.65.0.2"),
        ],
        routes: routes_of_each_kind(),
        ..Seen::default()
    };
    let status = of_ipv4(StatusClass::Routes, seen);
    let rows = status["routes"]["routesV4"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let shown: Vec<String> = rows
        .iter()
        .map(|row| {
            let from = &row["learnedFrom"];
            let columns = [
                &row["type"],
                &row["destination"],
                &row["gateway"],
                &row["interface"],
            ];
            let columns = columns
                .into_iter()
                .chain([&from["sourceType"], &from["peerIP"]]);
            columns.map(text).collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(
        shown,
        [
            "FIB 0.0.0.0/0 10.0.0.254 eth0 Kernel -",
            "FIB 0.0.0.0/0 10.0.0.253 eth0 Kernel -",
            "FIB 10.1.0.0/26 N/A blackhole Static -",
            "FIB 10.2.0.0/26 10.0.0.2 eth0 NodeMesh 10.0.0.2",
            "FIB 10.3.0.1/32 N/A cali1 BGPPeer 10.65.0.2",
            "RIB 10.4.0.0/26 N/A unreachable BGPPeer 10.0.0.1",
        ]
    );
}

/// Promise 15.3.
#[test]
fn routes_are_cut_where_an_api_server_would_refuse_them() {
    let many = (0..=MAX_ROUTES).map(|_| route("10.1.0.0/26", "static1", NextHops::Blackhole));
    let seen = Seen {
        protocols: vec![protocol("static1", ProtocolKind::Static, None)],
        routes: many.collect(),
        ..Seen::default()
    };
    let status = of_ipv4(StatusClass::Routes, seen);
    let rows = status["routes"]["routesV4"].as_array().map(Vec::len);
    assert_eq!(rows, Some(MAX_ROUTES));
    assert!(
        2 * status.to_string().len() < 1 << 20,
        "both families fit into etcd's 1.5 MB"
    );
}

/// Promise 15.4.
#[test]
fn a_speaker_without_a_router_id_is_not_ready() {
    let status = |bits| StatusSnapshot {
        router_id: RouterId::from_bits(bits),
        boot: time("2024-05-01T20:10:56Z"),
        reconfigured: time("2024-05-02T11:00:00Z"),
        phase: Phase::Running,
        recovery: None,
        drain: None,
    };
    let of = |bits| {
        let seen = Seen {
            status: Some(status(bits)),
            ..Seen::default()
        };
        of_ipv4(StatusClass::Agent, seen)["agent"].clone()
    };
    assert_eq!(
        of(0x0a00_0001)["birdV4"],
        json!({
            "state": "Ready", "version": VERSION, "routerID": "10.0.0.1",
            "lastBootTime": "2024-05-01 20:10:56", "lastReconfigurationTime": "2024-05-02 11:00:00"
        })
    );
    assert_eq!(of(0)["birdV4"]["state"], "NotReady");
    assert_eq!(of(0)["birdV6"]["state"], "NotReady", "it does not answer");
}
