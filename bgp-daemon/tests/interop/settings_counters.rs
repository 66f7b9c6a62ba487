//! The numbers of `show protocols all`, held against what the peer says that it has sent and seen.

use std::net::IpAddr;

use serde_json::Value;

use crate::lab::host::Host;
use crate::lab::peer::{Kind, Peer, PeerConfig, prefix};
use crate::lab::wait::{LONG, wait_until};
use crate::scenario::{NODE_AS, TOR_AS, addresses, wait_established, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES, described};

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

/// What the feeder announces and the filters of the others do not let in.
const UNWANTED: [&str; 2] = ["172.20.9.0/24", "fd20:9::/64"];

/// A BGPFilter that keeps [`UNWANTED`] out, and a block of the node in.
const FILTER: &str = "apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata: {name: unwanted}
spec:
  importV4: [{action: Reject, cidr: 172.20.9.0/24, matchOperator: Equal}]
  importV6: [{action: Reject, cidr: 'fd20:9::/64', matchOperator: Equal}]
  exportV4: [{action: Reject, cidr: 10.244.1.64/26, matchOperator: Equal}]
";

/// BIRD gets the same messages as the node, from the same router, and keeps out the same routes: it counts the same, in both
/// families.
#[test]
fn import_counters_are_those_of_bird_in_the_same_place() {
    let Some(mut stage) = Stage::open(&[Kind::Bird, Kind::GoBgp]) else {
        return;
    };
    stage.cluster.put("filter.yaml", FILTER);
    stage.peering(TOR_AS, &[], &["filters: [unwanted]"]);
    let witness_host = stage.lab.host("witness", 21);
    let router = PeerConfig::on_lan(
        &stage.tor_host,
        TOR_AS,
        &[(&stage.node_host, NODE_AS), (&witness_host, NODE_AS)],
    );
    let filter = "import keep filtered; import filter { \
                  if net ~ [172.20.9.0/24, fd20:9::/64] then reject; accept; };";
    let sets = |family: &str| match family {
        "ipv4" => filter.replace(", fd20:9::/64", ""),
        _ => filter.replace("172.20.9.0/24, ", ""),
    };
    let witness = PeerConfig::on_lan(&witness_host, NODE_AS, &[(&stage.tor_host, TOR_AS)]);
    let witness = witness.with_sessions(|session| {
        let filter = sets(session.families[0]);
        session.family_settings.push(filter);
    });
    let mut witness = Kind::Bird.on(&witness_host, witness);
    let mut router = Kind::GoBgp.on(&stage.tor_host, router.announcing(&TOR_PREFIXES));
    router.start();
    witness.start();
    stage.node.start();
    wait_established("the node", &stage.node, &stage.tor_host);
    wait_established("the witness", &*witness, &stage.tor_host);
    wait_learned("the node", &stage.node, &TOR_PREFIXES.map(prefix));
    wait_learned("the witness", &*witness, &TOR_PREFIXES.map(prefix));

    let more = ["172.20.3.0/24", "fd20:3::/64"];
    for text in UNWANTED.iter().chain(&more).chain(&TOR_PREFIXES) {
        router.announce(prefix(text));
    }
    let known = [TOR_PREFIXES, more].concat();
    let known: Vec<_> = known.iter().map(|text| prefix(text)).collect();
    wait_learned("the node", &stage.node, &known);
    wait_learned("the witness", &*witness, &known);
    for text in UNWANTED.iter().chain(&more) {
        router.withdraw(prefix(text));
    }
    wait_learned("the node", &stage.node, &TOR_PREFIXES.map(prefix));
    wait_learned("the witness", &*witness, &TOR_PREFIXES.map(prefix));
    wait_until("the same import rows", LONG, || {
        same_rows(&stage, &*witness)
    });
}

fn same_rows(stage: &Stage, witness: &dyn Peer) -> Result<(), String> {
    for router in addresses(&stage.tor_host) {
        let (ours, theirs) = (stage.node.describe(router)?, witness.describe(router)?);
        let same = row(&ours, "Import updates") == row(&theirs, "Import updates")
            && received(&ours, "Import withdraws") == received(&theirs, "Import withdraws")
            && routes(&ours)[0] == routes(&theirs)[0];
        if !same {
            return Err(format!("{ours}\n{theirs}"));
        }
    }
    Ok(())
}

/// Two routers are told the same octets; each session counts for itself what it was told, and what is gone.
#[test]
fn each_router_of_a_group_is_counted_by_itself() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.cluster.put("filter.yaml", FILTER);
    let second_host = stage.lab.host("tor2", 2);
    let spec = ["filters: [unwanted]"];
    stage.peering(TOR_AS, &[], &spec);
    stage.peering_with(&second_host, TOR_AS, &[], &spec);
    let config = |host| PeerConfig::on_lan(host, TOR_AS, &[(&stage.node_host, NODE_AS)]);
    let mut first = Kind::Bird.on(&stage.tor_host, config(&stage.tor_host));
    let mut second = Kind::Bird.on(&second_host, config(&second_host));
    first.start();
    second.start();
    stage.node.start();
    wait_established("the node", &stage.node, &stage.tor_host);
    wait_established("the node", &stage.node, &second_host);
    let (kept_back, extra) = ("10.244.1.64/26", "10.244.1.128/26");
    for block in [kept_back, extra] {
        stage.cluster.block(&stage.node_host, prefix(block));
    }
    let [ipv4, ipv6] = BLOCKS;
    let all = [ipv4, ipv6, extra].map(prefix);
    wait_learned("the first router", &*first, &all);
    wait_learned("the second router", &*second, &all);
    wait_counted(
        &stage,
        &[(&*first, &stage.tor_host), (&*second, &second_host)],
    );

    for block in [kept_back, extra] {
        stage.cluster.remove_block(&stage.node_host, prefix(block));
    }
    wait_learned("the first router", &*first, &BLOCKS.map(prefix));
    wait_learned("the second router", &*second, &BLOCKS.map(prefix));
    wait_counted(
        &stage,
        &[(&*first, &stage.tor_host), (&*second, &second_host)],
    );
}

/// What the node has told each router is what that one has heard.
fn wait_counted(stage: &Stage, routers: &[(&dyn Peer, &Host)]) {
    for (router, host) in routers {
        for (ours_of, theirs_of) in addresses(host).into_iter().zip(addresses(&stage.node_host)) {
            wait_until("the same numbers on both sides", LONG, || {
                let (ours, theirs) = (stage.node.describe(ours_of)?, router.describe(theirs_of)?);
                let same = accepted(&ours, "Export updates") == received(&theirs, "Import updates")
                    && accepted(&ours, "Export withdraws") == received(&theirs, "Import withdraws")
                    && routes(&ours)[1] == routes(&theirs)[0];
                same.then_some(())
                    .ok_or_else(|| format!("{ours}\n{theirs}"))
            });
        }
    }
}

/// FRR and GoBGP count routes: those that they sent are imported, those that they took are exported.
#[test]
fn routes_are_as_many_as_the_router_says() {
    for kind in [Kind::Frr, Kind::GoBgp] {
        let Some(mut stage) = Stage::open(&[kind]) else {
            return;
        };
        stage.cluster.put("filter.yaml", FILTER);
        stage.peering(TOR_AS, &[], &["filters: [unwanted]"]);
        let config = stage.tor_config(TOR_AS).announcing(&UNWANTED);
        let mut tor = kind.on(&stage.tor_host, config);
        stage.raise(&mut *tor);
        wait_learned("the node", &stage.node, &TOR_PREFIXES.map(prefix));
        wait_learned("the router", &*tor, &BLOCKS.map(prefix));
        let ours_of = addresses(&stage.tor_host);
        for (address, family) in ours_of.into_iter().zip(["ipv4", "ipv6"]) {
            wait_until("as many routes as the router says", LONG, || {
                let ours = stage.node.describe(address)?;
                let session = &described(&*tor, &stage.node_host)[usize::from(family == "ipv6")];
                let (sent, taken) = sent_and_taken(session, family);
                // FRR tells us our own block too, which is a loop.
                let [_, Some(looped), Some(filtered), ..] = row(&ours, "Import updates")[..] else {
                    return Err(ours);
                };
                let [imported, exported, _] = routes(&ours)[..] else {
                    return Err(ours);
                };
                match (imported + looped + filtered, exported) == (sent, taken) {
                    true => Ok(()),
                    false => Err(format!("{kind:?}: {sent} sent, {taken} taken\n{ours}")),
                }
            });
        }
    }
}

/// As FRR or GoBGP has them in the JSON of a session.
fn sent_and_taken(session: &Value, family: &str) -> (u64, u64) {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let frr = &session["addressFamilyInfo"][format!("{family}Unicast")];
    if frr.is_object() {
        return (
            number(&frr["sentPrefixCounter"]),
            number(&frr["acceptedPrefixCounter"]),
        );
    }
    let all = session["afi_safis"].as_array().into_iter().flatten();
    all.fold((0, 0), |(sent, taken), of| {
        let state = &of["state"];
        (
            sent + number(&state["advertised"]),
            taken + number(&state["accepted"]),
        )
    })
}
