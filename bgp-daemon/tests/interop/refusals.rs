//! Sessions that do not come up: both ends report the reason, for as long as it lasts.

use std::net::IpAddr;

use serde_json::Value;

use crate::lab::bird_socket::ask;
use crate::lab::peer::Kind;
use crate::lab::wait::{LONG, wait_for};
use crate::scenario::{TOR_AS, addresses, wait_down};
use crate::stage::Stage;

/// Retries, and losses of TCP among them, before the log is looked at.
const TRIES: usize = 3;

/// Log lines with all of these words.
fn lines(stage: &Stage, words: &[&str]) -> Vec<String> {
    let log = stage.node.log();
    let has_all = |line: &&str| words.iter().all(|word| line.contains(word));
    log.lines().filter(has_all).map(str::to_owned).collect()
}

fn wait_for_error(stage: &Stage, address: IpAddr, error: &str) {
    wait_for(&format!("{error} of {address}"), LONG, || {
        let row = stage.node.session(address);
        row.is_ok_and(|row| row.contains(error))
    });
}

/// Goes on until the peer is away and was dialled in vain; the reason is still there, and the log has it once.
fn stays(mut stage: Stage, asn_here: u32, asn_there: Option<u32>, error: &str) {
    stage.peering(asn_here, &[], &[]);
    stage
        .node
        .set("BGP_DAEMON_LOG_LEVEL", "info,bgp_speaker=debug");
    let config = stage.tor_config(TOR_AS).with_sessions(|session| {
        session.asn = asn_there.unwrap_or(session.asn);
    });
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    tor.start();
    stage.node.start();
    for address in addresses(&stage.tor_host) {
        wait_for_error(&stage, address, error);
        let peer = format!("peer={}", name(address));
        wait_for("further tries", LONG, || {
            lines(&stage, &[" connected ", &peer]).len() > TRIES
        });
    }
    tor.kill();
    for address in addresses(&stage.tor_host) {
        let peer = format!("peer={}", name(address));
        wait_for("a refused connection", LONG, || {
            !lines(&stage, &["Connection refused", &peer]).is_empty()
        });
        let row = stage.node.session(address).expect("a session");
        assert!(row.contains(error), "{row}");
        let told = lines(&stage, &["WARN", error, &peer]);
        assert_eq!(told.len(), 1, "{told:?}");
    }
    let status = stage.node.print(&["node", "status", "-o", "json"]);
    let status: Value = serde_json::from_str(&status).expect("JSON");
    for peer in status["peers"].as_array().expect("peers") {
        assert_eq!(peer["bgp"]["lastError"], error, "{peer}");
    }
    let table = stage.node.print(&["node", "status"]);
    assert_eq!(table.matches(error).count(), 2, "{table}");
}

/// As in the log.
fn name(address: IpAddr) -> String {
    format!("Global_{}", address.to_string().replace(['.', ':'], "_"))
}

#[test]
fn an_as_that_is_wrong_here_is_named() {
    let Some(stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stays(stage, TOR_AS - 1, None, "BGP Error: Bad peer AS");
}

#[test]
fn an_as_that_is_wrong_there_is_named() {
    let Some(stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stays(stage, TOR_AS, Some(64999), "Received: Bad peer AS");
}

#[test]
fn what_the_peers_operator_wrote_is_told() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &[]);
    let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS));
    stage.raise(&mut *tor);
    let socket = stage.tor_host.directory.join("bird2.ctl");
    ask(&socket, "disable \"bgp*\" \"new fans\"").expect("BIRD obeys");
    wait_down("the node", &stage.node, &stage.tor_host);
    for address in addresses(&stage.tor_host) {
        wait_for_error(&stage, address, "Received: Administrative shutdown");
        let details = stage.node.describe(address).expect("details");
        assert!(details.contains("Message:        new fans"), "{details}");
        let peer = format!("peer={}", name(address));
        let words = [
            "session down",
            &peer,
            r#"Administrative shutdown ("new fans")"#,
        ];
        assert_eq!(lines(&stage, &words).len(), 1, "{}", stage.node.log());
    }
}
