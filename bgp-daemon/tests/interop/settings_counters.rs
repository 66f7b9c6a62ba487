//! The numbers of `show protocols all`, compared with what the peer has sent and received.

use std::net::IpAddr;
use std::rc::Rc;

use serde_json::Value;

use crate::lab::host::Host;
use crate::lab::peer::{Kind, Peer, PeerConfig, prefix};
use crate::lab::wait::{LONG, wait_until};
use crate::scenario::{NODE_AS, TOR_AS, addresses, wait_down, wait_established, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES, described};

/// A row of `Route change stats`: received, rejected, filtered, ignored, accepted; those that it has.
pub(crate) fn row(text: &str, name: &str) -> Vec<Option<u64>> {
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

/// What the router announces and the filters of the others do not let in.
const UNWANTED: [&str; 2] = ["172.20.9.0/24", "fd20:9::/64"];

/// A block of the node that is not announced.
const KEPT_BACK: &str = "10.244.1.64/26";

/// A BGPFilter that keeps [`UNWANTED`] out, and [`KEPT_BACK`] in.
const FILTER: &str = "apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata: {name: unwanted}
spec:
  importV4: [{action: Reject, cidr: 172.20.9.0/24, matchOperator: Equal}]
  importV6: [{action: Reject, cidr: 'fd20:9::/64', matchOperator: Equal}]
  exportV4: [{action: Reject, cidr: 10.244.1.64/26, matchOperator: Equal}]
";

/// A node and a BIRD in its place: both hear the same of the same router, and keep the same routes out and back.
struct Witnessed {
    witness: Box<dyn Peer>,
    witness_host: Rc<Host>,
    router: Box<dyn Peer>,
    stage: Stage,
}

impl Witnessed {
    /// With sessions that are up.
    fn open(kind: Kind, set: impl Fn(PeerConfig) -> PeerConfig) -> Option<Self> {
        let stage = Stage::open(&[Kind::Bird, kind])?;
        stage.cluster.put("filter.yaml", FILTER);
        stage.peering(TOR_AS, &[], &["filters: [unwanted]"]);
        let witness_host = stage.lab.host("witness", 21);
        let witness = PeerConfig::on_lan(&witness_host, NODE_AS, &[(&stage.tor_host, TOR_AS)]);
        let witness = witness.without_kernel().with_sessions(|session| {
            let filters = bird_filters(session.families[0]);
            session.family_settings.push(filters);
        });
        let router = set(Self::router_config(&stage, &witness_host));
        let mut all = Self {
            witness: Kind::Bird.on(&witness_host, witness),
            router: kind.on(&stage.tor_host, router),
            witness_host,
            stage,
        };
        all.router.start();
        all.witness.start();
        all.stage.node.start();
        all.wait_up();
        Some(all)
    }

    fn router_config(stage: &Stage, witness_host: &Host) -> PeerConfig {
        let neighbors = [(&*stage.node_host, NODE_AS), (witness_host, NODE_AS)];
        PeerConfig::on_lan(&stage.tor_host, TOR_AS, &neighbors)
    }

    fn wait_up(&self) {
        wait_established("the node", &self.stage.node, &self.stage.tor_host);
        wait_established("the witness", &*self.witness, &self.stage.tor_host);
        wait_established("the router", &*self.router, &self.stage.node_host);
        wait_established("the router", &*self.router, &self.witness_host);
    }

    /// Both have these routes of the router, and no others.
    fn wait_known(&self, known: &[&str]) {
        let known: Vec<_> = known.iter().map(|text| prefix(text)).collect();
        wait_learned("the node", &self.stage.node, &known);
        wait_learned("the witness", &*self.witness, &known);
    }

    fn announce(&mut self, prefixes: &[&str]) {
        for text in prefixes {
            self.router.announce(prefix(text));
        }
    }

    fn withdraw(&mut self, prefixes: &[&str]) {
        for text in prefixes {
            self.router.withdraw(prefix(text));
        }
    }

    /// The node's IPv4 session has such a row of `Import updates`.
    fn wait_updates(&self, expected: [u64; 5]) {
        wait_until("what the router has said", LONG, || {
            let ours = self.ours();
            let said = row(&ours, "Import updates") == expected.map(Some);
            said.then_some(()).ok_or(ours)
        });
    }

    /// All rows but that of `Export updates` are as they are in BIRD, both families.
    fn wait_same(&self) {
        wait_until("the same rows", LONG, || self.same());
    }

    fn same(&self) -> Result<(), String> {
        for router in addresses(&self.stage.tor_host) {
            let ours = self.stage.node.describe(router)?;
            let theirs = self.witness.describe(router)?;
            let rows = ["Import updates", "Import withdraws", "Export withdraws"];
            let same = rows
                .iter()
                .all(|name| row(&ours, name) == row(&theirs, name));
            if !same || routes(&ours)[0] != routes(&theirs)[0] {
                return Err(format!("{ours}\n{theirs}"));
            }
        }
        Ok(())
    }

    /// What the node shows for its IPv4 session.
    fn ours(&self) -> String {
        let router = self.stage.tor_host.ipv4.into();
        let ours = self.stage.node.describe(router);
        ours.expect("the session is shown")
    }
}

/// [`FILTER`] as BIRD has it.
fn bird_filters(family: &str) -> String {
    let [ipv4, ipv6] = UNWANTED;
    let unwanted = if family == "ipv4" { ipv4 } else { ipv6 };
    let mut filters = format!("import filter {{ if net = {unwanted} then reject; accept; }};");
    if family == "ipv4" {
        filters += &format!(" export filter {{ if net = {KEPT_BACK} then reject; accept; }};");
    }
    filters
}

fn with_prefixes(config: PeerConfig) -> PeerConfig {
    config.announcing(&TOR_PREFIXES)
}

/// What the router announces for a while.
const MORE: [&str; 2] = ["172.20.3.0/24", "fd20:3::/64"];

/// What comes, goes, and is rejected.
#[test]
fn import_counters_are_those_of_bird_in_the_same_place() {
    let Some(mut all) = Witnessed::open(Kind::GoBgp, with_prefixes) else {
        return;
    };
    all.wait_known(&TOR_PREFIXES);
    all.announce(&UNWANTED);
    all.announce(&MORE);
    all.announce(&TOR_PREFIXES);
    all.wait_known(&[TOR_PREFIXES, MORE].concat());
    all.withdraw(&UNWANTED);
    all.withdraw(&MORE);
    all.wait_known(&TOR_PREFIXES);
    all.wait_same();
    let withdraws = row(&all.ours(), "Import withdraws");
    assert_eq!(
        withdraws,
        [Some(2), Some(0), None, Some(1), Some(1)],
        "{}",
        all.ours()
    );
}

/// ExaBGP has no table, and sends everything as often as it is told to.
#[test]
fn what_is_said_twice_is_ignored_as_by_bird() {
    let without_table = |config: PeerConfig| config.with(&["adj-rib-out false;"]);
    let Some(mut all) = Witnessed::open(Kind::ExaBgp, without_table) else {
        return;
    };
    for expected in [[3, 0, 1, 0, 2], [6, 0, 2, 2, 2]] {
        all.announce(&[UNWANTED, TOR_PREFIXES, MORE].concat());
        all.wait_updates(expected);
    }
    all.wait_known(&[TOR_PREFIXES, MORE].concat());
    all.wait_same();
}

/// A route that a filter withheld from the router is gone as well.
#[test]
fn export_withdraws_are_those_of_bird_in_the_same_place() {
    let Some(mut all) = Witnessed::open(Kind::GoBgp, with_prefixes) else {
        return;
    };
    all.wait_known(&TOR_PREFIXES);
    let told = "10.244.1.128/26";
    for text in [KEPT_BACK, told] {
        all.stage.cluster.block(&all.stage.node_host, prefix(text));
        all.witness.announce(prefix(text));
    }
    wait_until("the node to tell of one", LONG, || {
        let ours = all.ours();
        let told = accepted(&ours, "Export updates") == Some(2);
        told.then_some(()).ok_or(ours)
    });
    for text in [KEPT_BACK, told] {
        let host = &all.stage.node_host;
        all.stage.cluster.remove_block(host, prefix(text));
        all.witness.withdraw(prefix(text));
    }
    wait_learned("the router", &*all.router, &BLOCKS.map(prefix));
    all.wait_same();
    let row = row(&all.ours(), "Export withdraws");
    assert_eq!((row[0], row[4]), (Some(2), Some(1)), "{}", all.ours());
}

/// A graceful restart of the router goes on counting, any other end of the session does not.
#[test]
fn each_session_is_counted_anew_as_by_bird() {
    for graceful in [true, false] {
        let restart = match graceful {
            true => "graceful restart on;",
            false => "graceful restart off;",
        };
        let set = |config: PeerConfig| {
            // One side connects, so that there is one restart; neither side sends the other's routes on.
            let config = with_prefixes(config).with(&[restart]);
            let config = config.with_sessions(|session| session.passive = true);
            config.with_per_family(&["export where source = RTS_STATIC;"])
        };
        let Some(mut all) = Witnessed::open(Kind::Bird, set) else {
            return;
        };
        all.wait_known(&TOR_PREFIXES);
        all.announce(&MORE);
        all.wait_known(&[TOR_PREFIXES, MORE].concat());
        all.withdraw(&MORE);
        all.wait_known(&TOR_PREFIXES);
        all.wait_same();
        all.wait_updates([2, 0, 0, 0, 2]);

        all.router.kill();
        wait_down("the node", &all.stage.node, &all.stage.tor_host);
        wait_down("the witness", &*all.witness, &all.stage.tor_host);
        all.router.resume();
        all.wait_up();
        let after = match graceful {
            true => [3, 0, 0, 1, 2],
            false => [1, 0, 0, 0, 1],
        };
        all.wait_updates(after);
        all.wait_known(&TOR_PREFIXES);
        all.wait_same();
    }
}

/// Two routers are sent the same octets; each session counts its own messages and withdrawals.
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
    let extra = "10.244.1.128/26";
    for block in [KEPT_BACK, extra] {
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

    for block in [KEPT_BACK, extra] {
        stage.cluster.remove_block(&stage.node_host, prefix(block));
    }
    wait_learned("the first router", &*first, &BLOCKS.map(prefix));
    wait_learned("the second router", &*second, &BLOCKS.map(prefix));
    wait_counted(
        &stage,
        &[(&*first, &stage.tor_host), (&*second, &second_host)],
    );
}

/// The messages counted as sent to each router are those that it has received.
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
                // FRR sends us our own block too, which is a loop.
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
