//! Whoever connects too often, stays too long, or says nothing.

use std::collections::VecDeque;
use std::process::Command;

use super::*;
use crate::lab::peer::PeerConfig;
use crate::scenario::{NODE_AS, wait_established};

/// Few enough that the reserve of descriptors matters.
const DESCRIPTORS: usize = 1024;
/// Connections that are kept open by the hostile ones, more than the daemon has descriptors.
const KEPT: usize = 1500;
/// What a hostile peer may take of them: a session's two connections, some that wait for it, and some that linger.
const OF_ONE_PEER: usize = 16;

#[test]
fn bad_opens_that_stay() {
    connections_that_stay(octets(&[open(NODE_AS + 1)]));
}

#[test]
fn silence_that_stays() {
    connections_that_stay(Vec::new());
}

#[test]
fn half_an_open_that_stays() {
    let mut half = octets(&[open(MALLORY_AS)]);
    half.truncate(25);
    connections_that_stay(half);
}

#[test]
fn garbage_that_stays() {
    connections_that_stay(vec![0x42; 4096]);
}

/// A configured peer connects as fast as it can, says the same each time and does not hang up. Somebody who comes meanwhile gets in.
fn connections_that_stay(words: Vec<u8>) {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    limit_descriptors(&siege);
    let late = siege.stage.lab.host("late", 7);
    siege.stage.peering_with(&late, TOR_AS + 1, &[], &[]);
    let before = siege.descriptors();
    let flood = flood_of(&siege, words);
    flood.wait(2 * KEPT);
    let config = PeerConfig::on_lan(&late, TOR_AS + 1, &[(&siege.stage.node_host, NODE_AS)]);
    let mut bird = Kind::Bird.on(&late, config);
    bird.start();
    wait_established("the late one", &*bird, &siege.stage.node_host);
    siege.withstand();
    // The late one has one for each family.
    let now = siege.descriptors();
    assert!(
        now <= before + OF_ONE_PEER + 4,
        "{before} descriptors became {now}"
    );
    drop(flood);
    let log = siege.stage.node.log();
    let warnings = log.lines().filter(|line| line.contains("WARN"));
    assert!(warnings.count() < 30, "a warning is repeated");
}

fn flood_of(siege: &Siege, words: Vec<u8>) -> Flood {
    let target = siege.target();
    let mut kept = VecDeque::new();
    Flood::start(&siege.mallory, move || {
        if let Some(mut client) = connect(target) {
            // It may have been closed already.
            client.write_all(&words).ok();
            kept.push_back(client);
        }
        if kept.len() > KEPT {
            kept.pop_front();
        }
    })
}

/// Somebody who is not a peer connects as fast as he can.
#[test]
fn strangers() {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    limit_descriptors(&siege);
    let stranger = siege.stage.lab.host("stranger", 99);
    let before = siege.descriptors();
    let target = siege.target();
    let mut kept = VecDeque::new();
    let flood = Flood::start(&stranger, move || {
        kept.extend(connect(target));
        if kept.len() > KEPT {
            kept.pop_front();
        }
    });
    flood.wait(2 * KEPT);
    siege.withstand();
    let now = siege.descriptors();
    assert!(
        now <= before + OF_ONE_PEER,
        "{before} descriptors became {now}"
    );
}

fn limit_descriptors(siege: &Siege) {
    let pid = siege.stage.node.id().to_string();
    let limit = format!("--nofile={DESCRIPTORS}:{DESCRIPTORS}");
    let status = Command::new("prlimit")
        .args(["--pid", &pid, &limit])
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "prlimit (util-linux) fails"
    );
}

/// The daemon takes as many descriptors as it may have.
#[test]
fn the_limit_of_open_files_is_the_highest() {
    let Some(siege) = Siege::lay(&[]) else {
        return;
    };
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", siege.stage.node.id()));
    let limits = limits.expect("the daemon runs");
    let row = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let row: Vec<&str> = row.expect("a row").split_whitespace().collect();
    assert_eq!(row[3], row[4], "{row:?}");
}
