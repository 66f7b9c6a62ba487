//! What an operator sees of BFD: `show bfd sessions` as BIRD prints it, JSON, `explain`, `doctor`.

use std::path::Path;

use serde_json::Value;

use crate::lab::bird_socket::ask;
use crate::lab::http;
use crate::lab::node::Node;
use crate::lab::peer::Kind;
use crate::lab::wait::{LONG, wait_until};
use crate::scenario::{TOR_AS, addresses, wait_down};
use crate::stage::{BLOCKS, Stage};

use super::{speaking_bfd, wait_sum};

const COMMAND: &str = "show bfd sessions";

/// BIRD and we say the same of the two ends of the same session.
#[test]
fn sessions_as_bird_prints_them() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &[]);
    let mut tor = speaking_bfd(Kind::Bird, &stage, &[]);
    stage.raise(&mut *tor);
    let own = ["bird.ctl", "bird6.ctl"].map(|name| stage.node.run_dir().join(name));
    let birds = stage.tor_host.directory.join("bird2.ctl");
    let lines = |socket: &Path, command: &str| ask(socket, command).expect("an answer");
    assert_eq!(
        lines(&own[0], COMMAND),
        ["There is no BFD protocol running"]
    );

    stage.peering(TOR_AS, &[("bfd", "200ms/200ms/3")], &[]);
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 2.0);
    for (socket, address) in own.iter().zip(addresses(&stage.tor_host)) {
        let of_peer = stage.node_host.address_facing(address);
        wait_until("both to say the same", LONG, || {
            let (ours, theirs) = (lines(socket, COMMAND), lines(&birds, COMMAND));
            assert_eq!((&ours[..2], ours.len()), (&theirs[..2], 4), "{ours:?}");
            let row = theirs
                .iter()
                .find(|row| row.starts_with(&format!("{of_peer} ")));
            let (ours, theirs) = (&ours[2], row.ok_or("no row")?);
            assert!(ours.starts_with(&format!("{address} ")), "{ours}");
            match without_time(ours) == without_time(theirs) {
                true => Ok(()),
                false => Err(format!("{ours}\n{theirs}")),
            }
        });
        for name in ["bfd1", "device1"] {
            let command = format!("{COMMAND} {name}");
            let (ours, theirs) = (lines(socket, &command), lines(&birds, &command));
            assert_eq!(ours[0], theirs[0]);
        }
    }
    json(&stage.node);
    down(&stage, &*tor);
}

/// The columns after the address, where those of a time are blanks.
fn without_time(row: &str) -> String {
    format!("{}{}", &row[26..48], &row[60..])
}

fn get(node: &Node, path: &str) -> Value {
    let socket = node.run_dir().join("bgp-daemon.sock");
    let answer = http::get(&socket, path, &[]).expect("an answer");
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body))
}

fn json(node: &Node) {
    let status = get(node, "/v1/status");
    assert_eq!(status["sessions"]["watched"], 2, "{status}");
    assert_eq!(status["sessions"]["watchedUp"], 2, "{status}");
    let sessions = get(node, "/v1/sessions");
    for session in sessions["sessions"].as_array().expect("a list") {
        let bfd = &session["bfd"];
        assert_eq!(
            (&bfd["state"], &bfd["peerState"]),
            (&"Up".into(), &"Up".into()),
            "{bfd}"
        );
        assert_eq!(bfd["interval"], 0.2, "{bfd}");
        assert_eq!(bfd["multihop"], false, "{bfd}");
    }
    let status = node.print(&["node", "status", "-o", "json"]);
    let status: Value = serde_json::from_str(&status).expect("JSON");
    for peer in status["peers"].as_array().expect("a list") {
        assert_eq!(peer["bgp"]["bfd"]["state"], "Up", "{peer}");
    }
    let doctor = node.print(&["doctor"]);
    assert!(doctor.contains("info: bfd: "), "{doctor}");
    assert!(doctor.contains("its C bit is 0"), "{doctor}");
}

fn down(stage: &Stage, tor: &dyn crate::lab::peer::Peer) {
    stage.tor_host.ns.run("ip link set eth0 down");
    wait_down("the node", &stage.node, &stage.tor_host);
    wait_down("the router", tor, &stage.node_host);
    let explained = stage.node.print(&["explain", BLOCKS[0]]);
    assert!(explained.contains("BFD is Down"), "{explained}");
}
