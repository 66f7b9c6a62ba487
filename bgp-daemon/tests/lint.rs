//! `lint` of the binary: its output and exit codes.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn lint(documents: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("dir")).expect("a folder");
    fs::write(folder.path().join("dir/peers.yaml"), documents).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bgp-daemon"));
    command.arg("lint").args(arguments);
    let command = command.current_dir(folder.path()).env_clear();
    command.output().expect("it runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

const UNUSED: &str = "\
apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata:
  name: nobody
spec:
  exportV4:
  - action: Accept
  - action: Reject
    cidr: 10.0.0.0/8
    matchOperator: In
";

const MISSING: &str = "\
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata:
  name: tor
spec:
  peerIP: 192.0.2.1
  asNumber: 65001
  filters:
  - elsewhere
";

#[test]
fn warnings_alone_are_no_failure() {
    let output = lint(UNUSED, &["-f", "dir", "-o", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = answer["findings"].as_array().expect("a list");
    assert_eq!(
        findings[0],
        json!({
            "id": "filter-unused", "severity": "warning", "object": "BGPFilter/nobody", "field": null,
            "file": "dir/peers.yaml", "line": 1,
            "text": "no BGPPeer names this filter",
            "fix": "name the filter in spec.filters of a BGPPeer, or delete the filter",
        })
    );
    let shadowed = &findings[1];
    assert_eq!(
        (&shadowed["id"], &shadowed["line"]),
        (&json!("rule-shadowed"), &json!(8))
    );
    assert_eq!(findings.len(), 2);
}

#[test]
fn an_error_is_a_failure_and_comes_first() {
    let output = lint(&format!("{UNUSED}{MISSING}"), &["-f", "dir"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let first = "error filter-missing: dir/peers.yaml:20: BGPPeer/tor spec.filters[0]\n  BGPFilter/elsewhere does not exist";
    assert!(text.starts_with(first), "{text}");
    assert!(text.ends_with("\n1 error, 2 warnings\n"), "{text}");
}

#[test]
fn nothing_found_and_nothing_to_look_at() {
    let fine = "{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: p}, spec: {cidr: 10.0.0.0/16}}";
    let output = lint(fine, &["-f", "dir"]);
    assert_eq!(
        (output.status.code(), &*stdout(&output)),
        (Some(0), "nothing found\n")
    );
    let output = lint(fine, &["-f", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    let output = lint(fine, &[]);
    assert_eq!(output.status.code(), Some(1));
}
