//! `doctor` on injected faults, each with a real peer: the id of the fault must be reported, and no wrong one.

mod node;
mod reach;
mod security;
mod store;
mod told;

use serde_json::Value;

use crate::lab::host::Host;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, Peer, PeerConfig};
use crate::lab::wait::{LONG, wait_for};
use crate::scenario::TOR_AS;
use crate::stage::Stage;

/// Tries that come soon, so that tests are quick.
const SOON: (&str, &str) = ("bgp-daemon.io/connect-retry-time", "1s");

/// A node that forwards, with one peer over IPv4.
struct Ward {
    /// The router, where it is not the test's own.
    tor: Option<Box<dyn Peer>>,
    stage: Stage,
}

/// The output of `doctor`.
#[derive(Debug)]
struct Diagnosis {
    findings: Vec<Value>,
    exit: Option<i32>,
}

impl Ward {
    fn open(kinds: &[Kind]) -> Option<Self> {
        let stage = Stage::open(kinds)?;
        stage.node_host.enable_forwarding();
        Some(Self { tor: None, stage })
    }

    /// The BGPPeer `tor` of the router's IPv4 address, with more annotations and lines of its `spec`.
    fn peering(&self, asn: u32, annotations: &[(&str, &str)], spec: &[&str]) {
        self.peering_at(
            &self.stage.tor_host.ipv4.to_string(),
            asn,
            annotations,
            spec,
        );
    }

    fn peering_at(&self, address: &str, asn: u32, annotations: &[(&str, &str)], spec: &[&str]) {
        let annotations = [&[SOON], annotations].concat();
        self.stage
            .cluster
            .peer_with("tor", address, asn, &annotations, spec);
    }

    /// The settings of a router with a session over IPv4.
    fn tor_config(&self) -> PeerConfig {
        let mut config = self.stage.tor_config(TOR_AS);
        config.neighbors.retain(|session| session.address.is_ipv4());
        config.without_kernel()
    }

    /// Starts the router and the node.
    fn raise(&mut self, tor: &mut dyn Peer) {
        tor.start();
        self.stage.node.start();
    }

    fn is_up(&self) -> bool {
        self.stage.node.established(self.stage.tor_host.ipv4.into())
    }

    fn wait_up(&self) {
        wait_for("the session", LONG, || self.is_up());
    }

    /// Waits until the row of the session has this text.
    fn wait_row(&self, words: &str) {
        wait_row(&self.stage.node, &self.stage.tor_host, words);
    }

    fn diagnose(&self, arguments: &[&str]) -> Diagnosis {
        Diagnosis::of(&self.stage.node, arguments)
    }

    /// Asks once: these ids of errors and warnings, and no others. Errors make the exit code 1.
    fn assert_ids(&self, wanted: &[&str]) -> Diagnosis {
        let diagnosis = self.diagnose(&[]);
        diagnosis.assert_ids(wanted);
        diagnosis
    }
}

impl Diagnosis {
    fn of(node: &Node, arguments: &[&str]) -> Self {
        let arguments = [&["doctor", "-o", "json"], arguments].concat();
        let output = node.command(&arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}{errors}"));
        let findings = report["findings"].as_array().cloned();
        Self {
            findings: findings.expect("a list of findings"),
            exit: output.status.code(),
        }
    }

    fn ids(&self) -> Vec<&str> {
        let told = self
            .findings
            .iter()
            .filter(|finding| finding["severity"] != "info");
        let mut ids: Vec<&str> = told.filter_map(|finding| finding["id"].as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    #[track_caller]
    fn assert_ids(&self, wanted: &[&str]) {
        assert_eq!(self.ids(), wanted, "{self:#?}");
        let has_error = self
            .findings
            .iter()
            .any(|finding| finding["severity"] == "error");
        assert_eq!(self.exit, Some(i32::from(has_error)), "{self:#?}");
    }

    /// What was seen, and what is to be done, of the only finding with this id.
    #[track_caller]
    fn text(&self, id: &str) -> String {
        let mut found = self.findings.iter().filter(|finding| finding["id"] == id);
        let finding = found.next().unwrap_or_else(|| panic!("{id}: {self:#?}"));
        finding.to_string()
    }
}

fn wait_row(node: &Node, host: &Host, words: &str) {
    wait_for(&format!("{words} of the session"), LONG, || {
        node.session(host.ipv4.into())
            .is_ok_and(|row| row.contains(words))
    });
}

#[test]
fn nothing_is_wrong() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &[]);
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, ward.tor_config());
    ward.raise(&mut *tor);
    ward.wait_up();
    for (asked, peer) in [
        (&[][..], Value::Null),
        (&["tor"], "Global_10_0_0_1".into()),
        (&["10.0.0.1"], "Global_10_0_0_1".into()),
        (&["Global_10_0_0_1"], "Global_10_0_0_1".into()),
    ] {
        let diagnosis = ward.diagnose(asked);
        let [finding] = &diagnosis.findings[..] else {
            panic!("{diagnosis:#?}");
        };
        assert_eq!(finding["id"], "healthy", "{asked:?}");
        assert_eq!(finding["severity"], "info");
        assert_eq!(finding["peer"], peer);
        assert_eq!(diagnosis.exit, Some(0));
    }
    let unknown = ward.stage.node.command(&["doctor", "192.0.2.7"]);
    let error = String::from_utf8_lossy(&unknown.stderr);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        error.contains("no session") && error.contains("Global_10_0_0_1"),
        "{error}"
    );
    let text = ward.stage.node.print(&["doctor"]);
    assert!(text.starts_with("info: healthy: this node\n"), "{text}");
}

#[test]
fn no_daemon_runs() {
    let Some(ward) = Ward::open(&[]) else {
        return;
    };
    let asked = ward.stage.node.command(&["doctor"]);
    let error = String::from_utf8_lossy(&asked.stderr);
    assert_eq!(asked.status.code(), Some(1));
    assert!(
        error.contains("not running") && error.contains("--preflight"),
        "{error}"
    );
}
