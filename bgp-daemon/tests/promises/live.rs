//! A neighbour's view of a running agent.

use std::net::{SocketAddr, TcpListener};

use bgp_core::session::State;
use bgp_core::types::Asn;
use bgp_core::wire::Capability;
use bgp_daemon::plan::OnStop;
use bgp_speaker::NeighbourStatus;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::scene::{self, NODE, NODE_AS, Node, PATIENCE, Router, Start, cluster, object};

const EXTERNAL: Asn = Asn(65001);
const BLOCK: &str = "10.1.5.0/26";

fn is_up(status: &NeighbourStatus) -> bool {
    status.session.state == State::Established
}

/// The code and subcode of the last NOTIFICATION from the node.
fn told(status: &NeighbourStatus) -> Option<(u8, u8)> {
    let record = status.session.last_received.as_ref()?;
    Some((record.notification.code.0, record.notification.subcode))
}

/// Promises 2.6, 2.7.
#[test]
fn an_open_offers_what_the_replaced_speaker_offers() {
    scene::run(
        "live::an_open_offers_what_the_replaced_speaker_offers",
        async {
            let router = Router::start(EXTERNAL).await;
            let node = Node::start(
                &(cluster("") + &router.peer("tor", EXTERNAL, "")),
                Start::default(),
            );
            let status = router.wait("established", is_up).await;
            let open = &status
                .session
                .negotiated
                .as_ref()
                .expect("agreed")
                .received_open;
            let mut codes: Vec<u8> = open.capabilities.iter().map(Capability::code).collect();
            codes.sort_unstable();
            assert_eq!(codes, [1, 2, 64, 65, 69, 70, 71]);
            assert_eq!(open.hold_time, 240);
            let restart_time = open
                .capabilities
                .iter()
                .find_map(|capability| match capability {
                    Capability::GracefulRestart { restart_time, .. } => Some(*restart_time),
                    _ => None,
                });
            assert_eq!(restart_time, Some(120));
            node.end().await;
        },
    );
}

/// Promises 8.6, 8.7.
#[test]
fn own_routes_carry_their_priority_to_internal_peers_only() {
    scene::run(
        "live::own_routes_carry_their_priority_to_internal_peers_only",
        async {
            let services = ", serviceClusterIPs: [{cidr: 10.96.0.0/12}]";
            for (asn, local_pref) in [(NODE_AS, Some(2_147_482_623)), (EXTERNAL, None)] {
                let router = Router::start(asn).await;
                let node = Node::start(
                    &(cluster(services) + &router.peer("tor", asn, "")),
                    Start::default(),
                );
                for route in router.wait_routes(&[BLOCK, "10.96.0.0/12"]).await {
                    assert_eq!(
                        route.next_hop.map(|hop| hop.address()),
                        Some(NODE.into()),
                        "{}",
                        route.prefix
                    );
                    assert_eq!(route.attributes.local_pref, local_pref, "{}", route.prefix);
                }
                node.end().await;
            }
        },
    );
}

/// Promises 7.8, 16.2.
#[test]
fn filters_communities_and_pools_change_without_a_new_session() {
    scene::run(
        "live::filters_communities_and_pools_change_without_a_new_session",
        async {
            let router = Router::start(EXTERNAL).await;
            let filter = object("BGPFilter", "none", "exportV4: [{action: Reject}]");
            let open = cluster("") + &router.peer("tor", EXTERNAL, "");
            let node = Node::start(&open, Start::default());
            router.wait_routes(&[BLOCK]).await;
            node.change(
                &(cluster("") + &filter + &router.peer("tor", EXTERNAL, ", filters: [none]")),
            );
            router.wait_routes(&[]).await;
            node.change(
                &(cluster(", prefixAdvertisements: [{cidr: 10.1.0.0/16, communities: ['1:2']}]")
                    + &router.peer("tor", EXTERNAL, "")),
            );
            let routes = router.wait_routes(&[BLOCK]).await;
            assert_eq!(routes[0].attributes.communities.len(), 1);
            node.change(&open.replace(
                "cidr: 10.1.0.0/16}",
                "cidr: 10.1.0.0/16, disableBGPExport: true}",
            ));
            router.wait_routes(&[]).await;
            node.change(
                &(cluster(
                    ", serviceClusterIPs: [{cidr: 10.96.0.0/12}], ipv4NormalRoutePriority: 900",
                ) + &router.peer("tor", EXTERNAL, "")),
            );
            router.wait_routes(&[BLOCK, "10.96.0.0/12"]).await;
            let counters = router.status().await.session.counters;
            assert_eq!((counters.established, counters.flaps), (1, 0));
            node.end().await;
        },
    );
}

/// Promises 16.1, 16.3.
#[test]
fn what_is_in_an_open_changes_with_a_new_session() {
    scene::run(
        "live::what_is_in_an_open_changes_with_a_new_session",
        async {
            let router = Router::start(EXTERNAL).await;
            let node = Node::start(
                &(cluster("") + &router.peer("tor", EXTERNAL, "")),
                Start::default(),
            );
            router.wait("established", is_up).await;
            node.change(&(cluster("") + &router.peer("tor", EXTERNAL, ", maxRestartTime: 77s")));
            let again = |status: &NeighbourStatus| {
                is_up(status) && status.session.counters.established == 2
            };
            let status = router.wait("established again", again).await;
            assert_eq!(told(&status), Some((6, 6)), "Other Configuration Change");
            node.change(&cluster(""));
            let status = router.wait("down", |status| !is_up(status)).await;
            assert_eq!(told(&status), Some((6, 3)), "Peer De-configured");
            node.end().await;
        },
    );
}

/// What the router receives from a node that is stopped.
async fn told_at_the_end(resources: &str, on_stop: Option<OnStop>) -> Option<(u8, u8)> {
    let router = Router::start(EXTERNAL).await;
    let how = Start {
        on_stop,
        ..Start::default()
    };
    let tor = router.peer("tor", EXTERNAL, "");
    let node = Node::start(&(cluster("") + &tor + resources), how);
    router.wait("established", is_up).await;
    node.end().await;
    let status = router.wait("down", |status| !is_up(status)).await;
    told(&status)
}

const CORDONED: &str =
    "---\n{apiVersion: v1, kind: Node, metadata: {name: node}, spec: {unschedulable: true}}\n";

/// Promise 16.4.
#[test]
fn a_speaker_that_ends_leaves_its_peers_to_graceful_restart() {
    scene::run(
        "live::a_speaker_that_ends_leaves_its_peers_to_graceful_restart",
        async {
            assert_eq!(told_at_the_end("", None).await, None);
            let keep = Some(OnStop::Keep);
            assert_eq!(told_at_the_end(CORDONED, keep).await, None);
        },
    );
}

/// Promises 16.4, 16.11, 16.12.
#[test]
fn a_speaker_that_ends_for_good_says_so() {
    scene::run("live::a_speaker_that_ends_for_good_says_so", async {
        let shutdown = Some((6, 2));
        assert_eq!(told_at_the_end(CORDONED, None).await, shutdown);
        let withdraw = Some(OnStop::Withdraw);
        assert_eq!(told_at_the_end("", withdraw).await, shutdown);
        let auto = Some(OnStop::Auto);
        assert_eq!(told_at_the_end(CORDONED, auto).await, shutdown);
    });
}

/// Promise 1.7.
#[test]
fn one_bad_object_does_not_freeze_the_rest() {
    scene::run("live::one_bad_object_does_not_freeze_the_rest", async {
        let router = Router::start(EXTERNAL).await;
        let bad = object("BGPPeer", "bad", "peerIP: nowhere, asNumber: 65002")
            + &object("BGPPeer", "worse", "peerIP: 192.0.2.9, asNumber: many")
            + "---\n{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: f}, spec: 7}\n";
        let node = Node::start(&(cluster("") + &bad), Start::default());
        node.change(&(cluster("") + &bad + &router.peer("tor", EXTERNAL, "")));
        router.wait_routes(&[BLOCK]).await;
        node.end().await;
    });
}

/// Promise 2.9.
#[test]
fn a_node_object_that_vanishes_changes_nothing() {
    scene::run("live::a_node_object_that_vanishes_changes_nothing", async {
        let router = Router::start(EXTERNAL).await;
        let tor = router.peer("tor", EXTERNAL, "");
        let node = Node::start(&(cluster("") + &tor), Start::default());
        router.wait_routes(&[BLOCK]).await;
        let gone = cluster("").replace("kind: Node,", "kind: Profile,");
        node.change(&gone);
        node.wait_problem("Node/node").await;
        let service = cluster(", serviceClusterIPs: [{cidr: 10.96.0.0/12}]");
        node.change(&(service + &tor));
        router.wait_routes(&[BLOCK, "10.96.0.0/12"]).await;
        let counters = router.status().await.session.counters;
        assert_eq!((counters.established, counters.flaps), (1, 0));
        node.end().await;
    });
}

/// Both peers speak graceful restart; one of them never answers.
/// Promise 16.5.
#[test]
fn after_a_restart_a_peer_that_stays_away_holds_nothing_back() {
    scene::run(
        "live::after_a_restart_a_peer_that_stays_away_holds_nothing_back",
        async {
            let router = Router::start(EXTERNAL).await;
            let away = object("BGPPeer", "away", "peerIP: '192.0.2.3:1', asNumber: 65002");
            let recover = Start {
                recover: true,
                ..Start::default()
            };
            let started = Instant::now();
            let node = Node::start(
                &(cluster("") + &away + &router.peer("tor", EXTERNAL, "")),
                recover,
            );
            router.wait_routes(&[BLOCK]).await;
            assert!(started.elapsed() < PATIENCE, "and not 240 s");
            node.end().await;
        },
    );
}

/// Promise 2.5.
#[test]
fn a_new_listen_port_is_taken_over_at_once() {
    scene::run("live::a_new_listen_port_is_taken_over_at_once", async {
        let ports = [(); 2].map(|()| TcpListener::bind((NODE, 0)).expect("a port"));
        let [first, second] = ports.map(|free| free.local_addr().expect("an address"));
        let at = |address: SocketAddr| cluster(&format!(", listenPort: {}", address.port()));
        let listen = Start {
            listen: true,
            ..Start::default()
        };
        let node = Node::start(&at(first), listen);
        reach(first, true).await;
        node.change(&at(second));
        reach(second, true).await;
        reach(first, false).await;
        node.end().await;
    });
}

/// Waits until the port has a listener, or has none.
async fn reach(address: SocketAddr, wanted: bool) {
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(address).await.is_ok() != wanted {
        assert!(Instant::now() < end, "{address}: listening is not {wanted}");
        sleep(std::time::Duration::from_millis(10)).await;
    }
}
