//! `node status` against a real server: both ends of the socket at once.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixListener;
use std::path::Path;

use bgp_core::types::Family;
use bgp_daemon::cli::node_status::{self, Output, RunningRule, Surroundings};
use bgp_daemon::cli::processes::Processes;
use bgp_daemon::control::command::Query;
use bgp_daemon::control::limits::Limits;

use crate::fixtures::answer;
use crate::peer::Fixture;

async fn status(node: &Fixture, output: Output) -> String {
    let (printed, error) = ask(node.path.parent().expect("a directory"), output).await;
    assert_eq!(error, "");
    printed
}

/// The standard output, and the standard error; the command fails if the latter is not empty.
async fn ask(run_dir: &Path, output: Output) -> (String, String) {
    let surroundings = Surroundings {
        run_dir: run_dir.to_owned(),
        processes: Processes::default(),
        rule: RunningRule::ProcessOrSocket,
    };
    let print = move || {
        let mut printed = Vec::new();
        let done = node_status::print(&surroundings, output, &mut printed);
        let error = done.err().map(|error| error.to_string());
        let printed = String::from_utf8(printed).expect("UTF-8");
        (printed, error.unwrap_or_default())
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
    let run_dir = node.path.parent().expect("a directory");
    let (text, error) = ask(run_dir, Output::Json).await;
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let reason = "The daemon is ending or too busy to answer";
    assert_eq!(document["sockets"][0]["error"], reason);
    assert_eq!(document["peers"], serde_json::json!([]));
    assert_eq!(error, format!("error executing command: {reason}"));
}

/// Promise 17.13.
///
/// Half an answer is none: what it does not say is not known.
#[tokio::test]
async fn an_answer_that_is_cut_short_is_no_answer() {
    let run_dir = tempfile::tempdir().expect("a directory");
    let listener = UnixListener::bind(run_dir.path().join("bird.ctl")).expect("a socket");
    let server = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        client
            .write_all(b"0001 BIRD ready.\n1900-{\"node\": \"node1\", \"peers\"")
            .expect("it reads");
        client.shutdown(Shutdown::Write).expect("it is connected");
        // What it asks is of no interest, but must not be refused.
        std::io::copy(&mut client, &mut std::io::sink()).ok();
    });
    let (text, error) = ask(run_dir.path(), Output::Json).await;
    server.join().expect("no panic");
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["node"], serde_json::Value::Null);
    assert_eq!(document["sockets"][0]["error"], "the answer is cut short");
    assert_eq!(error, "error executing command: the answer is cut short");
}
