//! The running daemon against its own OpenAPI document, judged by schemathesis.

use std::process::{Command, Output};

use crate::lab::http;
use crate::lab::peer::{Kind, prefix};
use crate::lab::requirement::skip;
use crate::scenario::{TOR_AS, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

const SCHEMATHESIS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/schemathesis");
const PORT: u16 = 8080;

fn printed(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&all).into_owned()
}

/// Questions that the document allows, and others: each answer has a status, a type and a form that it describes, and none is the
/// server's own mistake.
#[test]
fn answers_are_what_the_document_says() {
    let there = Command::new(SCHEMATHESIS).arg("--version").output();
    let there = there.expect("a script of this repository");
    if !there.status.success() {
        return skip(&format!("no schemathesis: {}", printed(&there)));
    }
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[("max-prefixes", "10")], &[]);
    let config = stage.tor_config(TOR_AS);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    wait_learned("the node", &stage.node, &TOR_PREFIXES.map(prefix));
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    let host = &stage.node_host;
    http::forward(host, PORT, stage.node.run_dir().join("bgp-daemon.sock"));
    let document = format!("http://127.0.0.1:{PORT}/v1/openapi.json");
    let output = host
        .ns
        .command(SCHEMATHESIS)
        .args(["run", &document, "--no-color", "--generation-deterministic"])
        .args(["--phases", "coverage,fuzzing", "--max-examples", "10"])
        // One has no end, the other looks for seconds; tests of their own ask them.
        .args([
            "--exclude-path",
            "/v1/events",
            "--exclude-path",
            "/v1/doctor",
        ])
        // What a prefix or a cursor is, the document says in words.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .current_dir(&host.directory)
        .output()
        .expect("it was there");
    let report = printed(&output);
    assert!(output.status.success(), "{report}");
    // All but the two that are left out.
    assert!(
        report.contains("Operations:       11 selected / 13 total"),
        "{report}"
    );
}
