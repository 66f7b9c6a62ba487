//! `node status` against a real server: both ends of the socket at once.

use bgp_core::types::Family;
use bgp_daemon::cli::node_status::{self, Output, RunningRule, Surroundings};
use bgp_daemon::cli::processes::Processes;
use bgp_daemon::control::command::Query;
use bgp_daemon::control::server::Limits;

use crate::fixtures::answer;
use crate::peer::Fixture;

async fn status(node: &Fixture, output: Output) -> String {
    let surroundings = Surroundings {
        run_dir: node.path.parent().expect("a directory").to_owned(),
        processes: Processes::default(),
        rule: RunningRule::ProcessOrSocket,
    };
    let print = move || {
        let mut printed = Vec::new();
        node_status::print(&surroundings, output, &mut printed).expect("a status");
        String::from_utf8(printed).expect("UTF-8")
    };
    tokio::task::spawn_blocking(print).await.expect("no panic")
}

#[tokio::test]
async fn the_table() {
    let node = Fixture::start(Family::Ipv4Unicast, Limits::default(), answer);
    let table = status(&node, Output::Table).await;
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .collect();
    assert_eq!(rows.len(), 6, "{table}");
    assert_eq!(
        rows[2],
        "| 172.17.8.103        | node-to-node mesh | start | 23:31:10   | Active Socket: Connection refused |"
    );
}

#[tokio::test]
async fn the_document_has_every_session_and_every_problem() {
    let node = Fixture::start(Family::Ipv4Unicast, Limits::default(), answer);
    let text = status(&node, Output::Json).await;
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["running"], true);
    assert_eq!(document["node"], "node1");
    assert_eq!(document["localAS"], 64512);
    assert_eq!(document["phase"], "running");
    assert_eq!(document["problems"][0]["reason"], "no such BGPFilter: f9");
    let peers = document["peers"].as_array().expect("a list");
    let of = |peer: &serde_json::Value| format!("{} {}", peer["type"], peer["address"]);
    let peers: Vec<String> = peers.iter().map(of).collect();
    assert_eq!(
        peers,
        [
            r#""mesh" "172.17.8.102""#,
            r#""mesh" "172.17.8.103""#,
            r#""node" "10.0.0.1""#,
            r#""global" "192.0.2.1""#,
            r#""global" "192.0.2.2""#,
            r#""local" "10.65.0.2""#,
        ]
    );
    assert_eq!(
        document["peers"][0]["bgp"]["established"]["neighborID"],
        "172.17.8.102"
    );
}

#[tokio::test]
async fn a_daemon_without_an_answer_is_named_with_its_reason() {
    let node = Fixture::start(
        Family::Ipv4Unicast,
        Limits::default(),
        |query| match query {
            Query::Snapshot | Query::Protocols { .. } => None,
            other => answer(other),
        },
    );
    let text = status(&node, Output::Json).await;
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        document["sockets"][0]["error"],
        "The daemon is ending or too busy to answer"
    );
    assert_eq!(document["peers"], serde_json::json!([]));
}
