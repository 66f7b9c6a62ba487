//! The output for Calico's readers, byte for byte, and rules for every reply.

use bgp_core::types::Family;
use bgp_core::wire::attribute::Origin;
use bgp_daemon::control::command::Query;
use bgp_daemon::control::limits::Limits;
use bgp_daemon::control::model::{IgpMetric, RecoverySnapshot, RouteSnapshot};
use bgp_daemon::control::request::Answer;
use proptest::prelude::*;

use crate::fixtures::{self, answer, bgp_route, established_session, route, stream, via};
use crate::grammar;
use crate::peer::Fixture;

const V4: Family = Family::Ipv4Unicast;

fn node() -> Fixture {
    Fixture::start(V4, Limits::default(), answer)
}

fn routes_of(routes: Vec<RouteSnapshot>) -> Fixture {
    Fixture::start(V4, Limits::default(), move |_| Some(stream(routes.clone())))
}

/// Promise 12.3.
#[tokio::test]
async fn protocols_with_a_row_of_each_kind() {
    let mut client = node().client().await;
    assert_eq!(
        client.ask("show protocols").await,
        "2002-name     proto    table    state  since       info
1002-static1  Static   master   up     2024-05-01  \n \
kernel1  Kernel   master   up     2024-05-01  \n \
device1  Device   master   up     2024-05-01  \n \
direct1  Direct   master   up     2024-05-01  \n \
Mesh_172_17_8_102 BGP      master   up     23:30:04    Established   \n \
Mesh_172_17_8_103 BGP      master   start  23:31:10    Active        Socket: Connection refused\n \
Node_10_0_0_1 BGP      master   start  23:31:12    OpenSent      Received: Bad peer AS\n \
Global_192_0_2_1 BGP      master   up     2024-05-01  Established   \n \
Global_192_0_2_2_port_1790 BGP      master   start  23:31:12    Connect       \n \
Local_Workload_10_65_0_2 BGP      master   start  23:31:12    Passive       \n\
0000 \n"
    );
}

#[tokio::test]
async fn protocols_of_a_node_without_any() {
    let node = Fixture::start(V4, Limits::default(), |_| {
        Some(Answer::Protocols(Vec::new()))
    });
    let mut client = node.client().await;
    assert_eq!(client.ask("show protocols").await, "0000 \n");
    assert_eq!(client.ask("show protocols all").await, "0000 \n");
    assert_eq!(
        client.ask("show protocols x").await,
        "8003 No protocols match\n"
    );
}

/// Promise 12.3.
#[tokio::test]
async fn one_protocol_has_no_continuation_rows() {
    let mut client = node().client().await;
    assert_eq!(
        client.ask("show protocols Mesh_172_17_8_102").await,
        "2002-name     proto    table    state  since       info\n\
1002-Mesh_172_17_8_102 BGP      master   up     23:30:04    Established   \n\
0000 \n"
    );
}

/// Promise 12.4.
#[tokio::test]
async fn details_of_a_session_on_a_connection_that_asked_before() {
    let mut client = node().client().await;
    client.ask("show protocols").await;
    let reply = client.ask("show protocols all Mesh_172_17_8_102").await;
    assert_eq!(
        reply,
        "2002-name     proto    table    state  since       info
1002-Mesh_172_17_8_102 BGP      master   up     23:30:04    Established   \n\
1006-  Description:    Connection to BGP peer
   Preference:     100
   Input filter:   (unnamed)
   Output filter:  (unnamed)
   Routes:         1 imported, 1 exported, 1 preferred
   Route change stats:     received   rejected   filtered    ignored   accepted
     Import updates:              1          0          0          0          1
     Import withdraws:            0          0        ---          0          0
     Export updates:              1          0          0        ---          1
     Export withdraws:            0        ---        ---        ---          0
   BGP state:          Established
     Neighbor address: 172.17.8.102
     Neighbor AS:      64512
     Neighbor ID:      172.17.8.102
     Neighbor caps:    refresh enhanced-refresh restart-able llgr-aware AS4 add-path-rx add-path-tx
     Session:          internal multihop AS4 add-path-rx add-path-tx
     Source address:   172.17.8.101
     Hold timer:       181/240
     Keepalive timer:  61/80\n \n\
0000 \n"
    );
    grammar::assert_session_details(&reply, "Established", "172.17.8.102");
}

/// Promise 12.4.
#[tokio::test]
async fn details_of_every_session_can_be_found() {
    let mut client = node().client().await;
    for protocol in fixtures::protocols() {
        let Some(bgp) = protocol.bgp else { continue };
        let reply = client
            .ask(&format!("show protocols all {}", protocol.name))
            .await;
        grammar::assert_session_details(
            &reply,
            bgp.state.word(),
            &bgp.neighbor_address.to_string(),
        );
    }
    let all = client.ask("show protocols all").await;
    assert_eq!(all.matches("BGP state:").count(), 6);
    assert!(
        all.contains("\n     Last error:       Socket: Connection refused\n"),
        "{all}"
    );
}

#[tokio::test]
async fn details_without_a_description_still_keep_the_state_off_the_first_line() {
    let mut bare = established_session();
    bare.description = None;
    let node = Fixture::start(V4, Limits::default(), move |_| {
        Some(Answer::Protocols(vec![bare.clone()]))
    });
    let reply = node.client().await.ask("show protocols all x").await;
    assert!(reply.contains("\n1006-  Preference:     100\n"), "{reply}");
    grammar::assert_session_details(&reply, "Established", "172.17.8.102");
}

const STATUS_HEAD: &str = "1000-BIRD v0.3.3+birdv1.6.8
1011-Router ID is 172.17.0.3
 Current server time is 2024-05-02 23:48:43
 Last reboot on 2024-05-02 20:10:56
 Last reconfiguration on 2024-05-02 20:10:57\n";

/// Promises 12.5, 14.3.
#[tokio::test]
async fn status_during_recovery_and_after() {
    let mut waiting = vec![None, Some(1)];
    let node = Fixture::start(V4, Limits::default(), move |_| {
        let recovery = waiting.pop().flatten().map(|waiting| RecoverySnapshot {
            waiting,
            remaining_secs: 215,
            total_secs: 240,
        });
        Some(Answer::Status(fixtures::status(recovery)))
    });
    let mut client = node.client().await;
    let recovering = client.ask("show status").await;
    let recovered = client.ask("show status").await;
    let recovery = "0024-Graceful restart recovery in progress
   Waiting for 1 protocols to recover
   Wait timer is 215/240\n";
    let last = "0013 Daemon is up and running\n";
    assert_eq!(recovering, format!("{STATUS_HEAD}{recovery}{last}"));
    assert_eq!(recovered, format!("{STATUS_HEAD}{last}"));
    grammar::assert_status(&recovering);
    grammar::assert_status(&recovered);
}

/// Promise 12.6.
#[tokio::test]
async fn routes_of_each_kind() {
    let reply = node().client().await.ask("show route").await;
    assert_eq!(
        reply,
        "1007-0.0.0.0/0          via 172.17.0.1 on eth0 [kernel1 20:10:57] * (10)
 192.168.110.128/26 via 172.17.0.5 on eth0 [Mesh_172_17_0_5 20:10:57] * (100/0) [i]
 192.168.162.128/26 blackhole [static1 20:10:56] * (200)
 192.168.162.129/32 dev calie58e37f9a7f [kernel1 20:11:10] * (10)
                    unreachable [static1 20:10:56] (200)
 172.17.0.0/16      dev eth0 [direct1 20:10:56] * (240)
0000 \n"
    );
    let rows: Vec<_> = grammar::route_rows(&reply)
        .into_iter()
        .map(|row| {
            format!(
                "{} {} {} {}",
                row.destination, row.gateway, row.interface, row.in_use
            )
        })
        .collect();
    assert_eq!(rows[0], "0.0.0.0/0 172.17.0.1 eth0 true");
    assert_eq!(rows[3], "192.168.162.129/32 N/A calie58e37f9a7f true");
    assert_eq!(rows[4], "192.168.162.129/32 N/A unreachable false");
}

/// Promise 12.6.
#[tokio::test]
async fn several_gateways_are_rows_of_their_own() {
    let multipath = route(
        "10.0.0.0/8",
        via(&[("172.17.0.1", "eth0"), ("172.17.1.1", "eth1")]),
        "kernel1",
        "20:10:57",
    );
    let node = routes_of(vec![multipath]);
    let reply = node.client().await.ask("show route").await;
    assert_eq!(
        reply,
        "1007-10.0.0.0/8         via 172.17.0.1 on eth0 [kernel1 20:10:57] * (10)
                    via 172.17.1.1 on eth1 [kernel1 20:10:57] * (10)
0000 \n"
    );
    assert_eq!(grammar::route_rows(&reply).len(), 2);
}

/// Promise 12.6.
#[tokio::test]
async fn routes_of_local_workloads_are_only_shown_when_asked_for() {
    let workload = "Local_Workload_10_65_0_2";
    let to = |protocol| {
        route(
            "10.0.0.0/8",
            via(&[("10.65.0.2", "cali1")]),
            protocol,
            "20:10:57",
        )
    };
    let node = routes_of(vec![to(workload), to("Mesh_10_65_0_3")]);
    let mut client = node.client().await;
    let plain = client.ask("show route").await;
    assert_eq!(
        plain,
        "1007-10.0.0.0/8         via 10.65.0.2 on cali1 [Mesh_10_65_0_3 20:10:57] * (10)\n0000 \n"
    );
    grammar::route_rows(&plain);
    for command in [
        "show route 10.0.0.0/8",
        "show route all",
        "show route primary",
    ] {
        assert!(client.ask(command).await.contains(workload), "{command}");
    }
}

#[tokio::test]
async fn a_route_with_its_attributes() {
    let mut from_afar = route(
        "10.0.0.0/8",
        via(&[("172.17.0.5", "eth0")]),
        "Node_10_0_0_1",
        "20:10:57",
    );
    from_afar.preference = 100;
    from_afar.from = Some("10.0.0.1".parse().expect("an address"));
    from_afar.bgp = bgp_route(Some(64513), Origin::Incomplete);
    from_afar.attributes = fixtures::attributes(Some(64513), Origin::Incomplete);
    let mut refused = from_afar.clone();
    refused.refused = true;
    refused.bgp.as_mut().expect("BGP").igp_metric = IgpMetric::Unresolvable;
    let node = routes_of(vec![from_afar, refused]);
    let details = "1008-\tType: BGP unicast univ
1012-\tBGP.origin: Incomplete
 \tBGP.as_path: 64513
 \tBGP.next_hop: 172.17.0.5
 \tBGP.local_pref: 100
 \tBGP.community: (64512,1) (65535,65281)\n";
    assert_eq!(
        node.client().await.ask("show route 10.0.0.0/8 all").await,
        format!(
            "1007-10.0.0.0/8         via 172.17.0.5 on eth0 \
             [Node_10_0_0_1 20:10:57 from 10.0.0.1] * (100/0) [AS64513?]\n{details}\
             1007-                   via 172.17.0.5 on eth0 \
             [Node_10_0_0_1 20:10:57 from 10.0.0.1] ! (100/-) [AS64513?]\n{details}0000 \n"
        )
    );
}

/// Promise 12.7.
#[tokio::test]
async fn what_is_not_there_is_said_with_its_code() {
    let mut client = node().client().await;
    let no_protocol = "8003 No protocols match\n";
    for command in [
        "show protocols all Mesh_1",
        "show protocols \"Mesh_2*\"",
        "show route export Mesh_1",
        "show route protocol Mesh_1",
        "disable Mesh_1",
    ] {
        assert_eq!(client.ask(command).await, no_protocol, "{command}");
    }
    let empty = routes_of(Vec::new());
    let mut client = empty.client().await;
    assert_eq!(client.ask("show route").await, "0000 \n");
    for command in ["show route 10.0.0.0/8", "show route for 10.0.0.1"] {
        assert_eq!(client.ask(command).await, "8001 Network not in table\n");
    }
    assert_eq!(
        client.ask("sing").await,
        "9001 syntax error, unexpected `sing`: there are configure, disable, enable, reload, restart, restrict, show\n"
    );
}

/// Promise 12.8.
#[tokio::test]
async fn commands_that_change_something() {
    let mut client = node().client().await;
    assert_eq!(
        client.ask("configure").await,
        "0002-Reading configuration from the datastore\n0003 Reconfigured\n"
    );
    assert_eq!(
        client.ask("disable Node_10_0_0_1").await,
        "0009-Node_10_0_0_1: disabled\n0000 \n"
    );
    assert_eq!(
        client.ask("reload in \"Mesh_*\"").await,
        "0015-Mesh_172_17_8_102: reloading\n Mesh_172_17_8_103: reloading\n0000 \n"
    );
    assert_eq!(client.ask("restrict").await, "0016 Access restricted\n");
    for command in [
        "configure",
        "enable all",
        "disable x",
        "restart x",
        "reload x",
    ] {
        assert_eq!(
            client.ask(command).await,
            "8007 Access denied\n",
            "{command}"
        );
    }
    assert!(
        client
            .ask("show status")
            .await
            .ends_with("0013 Daemon is up and running\n")
    );
}

#[tokio::test]
async fn the_snapshot_is_one_json_document() {
    let mut client = node().client().await;
    let reply = client.ask("show snapshot").await;
    let lines = grammar::coded_lines(&reply);
    let text: String = lines
        .iter()
        .filter(|(code, _)| *code == 1900)
        .map(|(_, text)| *text)
        .collect();
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["family"], "ipv4-unicast");
    assert_eq!(document["version"], fixtures::VERSION);
    assert_eq!(document["now"], "2024-05-02T23:48:43Z");
    assert_eq!(document["routerID"], "172.17.0.3");
    assert_eq!(document["localAS"], 64512);
    assert_eq!(document["problems"][0]["object"], "BGPPeer(rack1-tor)");
    let session = &document["protocols"][5];
    assert_eq!(session["name"], "Mesh_172_17_8_103");
    assert_eq!(session["state"], "start");
    assert_eq!(session["since"], "2024-05-02T23:31:10Z");
    assert_eq!(session["bgp"]["state"], "Active");
    assert_eq!(session["bgp"]["lastError"], "Socket: Connection refused");
    assert_eq!(
        document["protocols"][4]["bgp"]["established"]["hold"]["remainingSecs"],
        181
    );
}

#[tokio::test]
async fn the_ipv6_socket_speaks_of_ipv6() {
    let node = Fixture::start(
        Family::Ipv6Unicast,
        Limits::default(),
        |query| match query {
            Query::Routes(query) => {
                assert_eq!(format!("{:?}", query.selection), "Exact(fd00::/8)");
                Some(stream(Vec::new()))
            }
            other => answer(other),
        },
    );
    let mut client = node.client().await;
    assert_eq!(
        client.ask("show route fd00::/8").await,
        "8001 Network not in table\n"
    );
    assert_eq!(
        client.ask("show route 10.0.0.0/8").await,
        "9001 syntax error, `10.0.0.0/8` is of the other address family\n"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any lines at all, ours among them: each gets one reply by the grammar, which [`Fixture`]'s client checks.
    #[test]
    fn every_line_gets_exactly_one_reply(
        lines in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>().prop_filter("one line", |b| *b != b'\n'), 0..60),
                prop::sample::select(vec![
                    "show protocols", "show protocols all", "show status", "show route", "",
                    "show route all", "show snapshot", "configure", "restart all", "restrict",
                    "show memory", "show interfaces", "show route 10.0.0.0/8", "show protocols x",
                ]).prop_map(|line| line.as_bytes().to_vec()),
            ],
            1..12,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut client = node().client().await;
            for line in &lines {
                client.send(&[line, b"\n".as_slice()].concat()).await;
                client.reply().await;
            }
        });
    }
}
