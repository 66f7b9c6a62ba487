//! The numbers of `show protocols all`, held against what the peer says that it has sent and seen.

use std::net::IpAddr;

use crate::lab::peer::{Kind, prefix};
use crate::lab::wait::{LONG, wait_until};
use crate::scenario::{TOR_AS, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

/// A row of `Route change stats`: received, rejected, filtered, ignored, accepted; those that it has.
fn row(text: &str, name: &str) -> Vec<Option<u64>> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    let cells = line.trim_start_matches(':').split_whitespace();
    cells.map(|cell| cell.parse().ok()).collect()
}

fn received(text: &str, name: &str) -> Option<u64> {
    row(text, name)[0]
}

fn accepted(text: &str, name: &str) -> Option<u64> {
    row(text, name)[4]
}

/// `N imported, N exported, N preferred`
fn routes(text: &str) -> Vec<u64> {
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Routes:"));
    let words = line.unwrap_or_default().split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

/// BIRD counts what comes from the node as the node counts what goes to it, and the other way round.
#[test]
fn the_counters_are_what_the_peer_has_seen() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &[]);
    let config = stage.tor_config(TOR_AS);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    let more = "172.20.2.0/24";
    tor.announce(prefix(more));
    let [first, second] = TOR_PREFIXES;
    wait_learned("the node", &stage.node, &[first, second, more].map(prefix));
    tor.withdraw(prefix(more));
    wait_learned("the node", &stage.node, &TOR_PREFIXES.map(prefix));
    let extra = "10.244.1.64/26";
    stage.cluster.block(&stage.node_host, prefix(extra));
    let [ipv4, ipv6] = BLOCKS;
    wait_learned("the router", &*tor, &[ipv4, ipv6, extra].map(prefix));
    stage.cluster.remove_block(&stage.node_host, prefix(extra));
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));

    let router: IpAddr = stage.tor_host.ipv4.into();
    let node: IpAddr = stage.node_host.ipv4.into();
    wait_until("the same numbers on both sides", LONG, || {
        let (ours, theirs) = (stage.node.describe(router)?, tor.describe(node)?);
        let same = accepted(&ours, "Export updates") == received(&theirs, "Import updates")
            && accepted(&ours, "Export withdraws") == received(&theirs, "Import withdraws")
            && received(&ours, "Import updates") == accepted(&theirs, "Export updates")
            && received(&ours, "Import withdraws") == accepted(&theirs, "Export withdraws");
        same.then_some(())
            .ok_or_else(|| format!("{ours}\n{theirs}"))
    });
    let ours = stage.node.describe(router).expect("the session is shown");
    assert_eq!(accepted(&ours, "Export updates"), Some(2), "{ours}");
    assert_eq!(accepted(&ours, "Export withdraws"), Some(1), "{ours}");
    assert_eq!(received(&ours, "Import withdraws"), Some(1), "{ours}");
    assert_eq!(routes(&ours), [1, 1, 1], "{ours}");
    let exports = row(&ours, "Export updates");
    let [received, rejected, filtered, _, accepted] = exports[..] else {
        panic!("{ours}");
    };
    let sum = [rejected, filtered, accepted].into_iter().flatten().sum();
    assert_eq!(received, Some(sum), "{ours}");
}
