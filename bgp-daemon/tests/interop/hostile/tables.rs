//! A table of many prefixes that is sent to several groups of peers: work on all of it is done in slices, and work on little of
//! it is cheap. The honest peer's session would end after three seconds of silence.

use super::session::{ON_LINK, Session, announcements, attributes, community, nlri, speak, update};
use super::*;

/// Prefixes of the table.
const TABLE: u32 = 200_000;
/// In an UPDATE of the usual length.
const AT_ONCE: usize = 500;
/// The next hop of all of them, to which a static route leads.
const NEXT_HOP: [u8; 4] = [192, 0, 2, 1];

/// A siege, a peer that has announced the table, and others that receive it, each in its own group.
struct Big {
    siege: Siege,
    carrier: Rc<Host>,
    /// Who listens, and only that.
    listeners: Vec<Session>,
    table: Session,
}

fn number_of_last() -> IpNet {
    let [_, a, b, c] = (TABLE - 1).to_be_bytes();
    prefix(&format!("{}.{b}.{c}.0/24", 20 + a))
}

fn table() -> Vec<u8> {
    announcements(&attributes(NEXT_HOP), 0..TABLE, AT_ONCE)
}

impl Big {
    fn lay() -> Option<Self> {
        let mut hosts = Vec::new();
        let mut siege = Siege::prepare(&[], &["filters: [all]"], |stage| {
            put_filter(stage, "all", "");
            put_filter(stage, "way", &mark(0));
            stage.peering(TOR_AS, &[("hold-time", "3s")], &["filters: [all]"]);
            for number in [21, 22, 23] {
                let host = stage.lab.host(&format!("listener{number}"), number);
                let filter = format!("filter{number}");
                put_filter(stage, &filter, &mark(number.into()));
                let filters = format!("filters: [{filter}]");
                stage.peering_with(&host, MALLORY_AS, &[("passive", "true")], &[&filters]);
                hosts.push(host);
            }
            lead(stage, Some(7));
        })?;
        let carrier = hosts.pop()?;
        siege.hostile.push(carrier.ipv4.into());
        let target = siege.target();
        let listeners = hosts.iter().map(|host| Session::of(host, target)).collect();
        let mut table = Session::of(&carrier, target);
        assert!(table.say(&self::table()));
        let big = Self {
            siege,
            carrier,
            listeners,
            table,
        };
        big.wait_told();
        Some(big)
    }

    /// Waits until the router has received the first prefix with such a [`mark`]: the change is in progress.
    fn wait_marked(&self, number: u32) {
        let marked = format!("65066:{number}");
        wait_for("the first change", SHORT, || {
            let routes = self.siege.tor.routes_to(prefix("20.0.0.0/24"));
            routes.is_ok_and(|routes| {
                routes
                    .iter()
                    .any(|route| route.communities.contains(&marked))
            })
        });
    }

    /// Waits until the router has the whole table.
    fn wait_told(&self) {
        wait_for("the whole table", LONG, || {
            has(&*self.siege.tor, number_of_last())
        });
    }
}

/// An operation of a BGPFilter.
fn mark(number: u32) -> String {
    format!("{{addCommunity: {{value: '65066:{number}'}}}}")
}

/// The node has a static route to [`NEXT_HOP`] by the host of this number, or none.
fn lead(stage: &Stage, by: Option<u8>) {
    let to: Ipv4Addr = NEXT_HOP.into();
    match by {
        Some(number) => stage
            .node_host
            .ns
            .run(&format!("ip route replace {to} via 10.0.0.{number}")),
        None => stage.node_host.ns.run(&format!("ip route del {to}")),
    };
}

#[test]
fn small_updates() {
    let Some(mut big) = Big::lay() else {
        return;
    };
    let flood = speak(&big.siege, |round| {
        let one = |number: u32| {
            let attributes = [attributes(NEXT_HOP), community(number)].concat();
            update(&attributes, &nlri(2, number % 10))
        };
        (round * 100..round * 100 + 100).flat_map(one).collect()
    });
    flood.wait(50);
    for _ in 0..2 {
        big.siege.withstand();
    }
    drop(flood);
}

/// Walks: each of these concerns all routes.
#[test]
fn policies_that_change() {
    let Some(mut big) = Big::lay() else {
        return;
    };
    for round in 0..2 {
        put_filter(&big.siege.stage, "all", &mark(100 + round));
        big.wait_marked(100 + round);
        big.siege.withstand();
    }
}

#[test]
fn a_peer_that_is_lost_and_comes_back() {
    let Some(mut big) = Big::lay() else {
        return;
    };
    let target = big.siege.target();
    big.table.close();
    big.siege.withstand();
    big.table = Session::of(&big.carrier, target);
    assert!(big.table.say(&table()));
    big.siege.withstand();
}

#[test]
fn next_hops_that_move() {
    let Some(mut big) = Big::lay() else {
        return;
    };
    for by in [Some(66), None] {
        lead(&big.siege.stage, by);
        big.siege.withstand();
    }
}

#[test]
fn new_groups() {
    let Some(mut big) = Big::lay() else {
        return;
    };
    let target = big.siege.target();
    for number in 31..33 {
        let host = big.siege.stage.lab.host(&format!("late{number}"), number);
        let filter = format!("filter{number}");
        put_filter(&big.siege.stage, &filter, &mark(number.into()));
        let filters = format!("filters: [{filter}]");
        big.siege
            .stage
            .peering_with(&host, MALLORY_AS, &[("passive", "true")], &[&filters]);
        big.listeners.push(Session::of(&host, target));
        big.siege.withstand();
    }
}

/// Of all peers the one that holds most is stopped when memory runs out, whether its routes are let in or not.
fn memory_that_runs_out(filter: &str) {
    let spec = format!("filters: [{filter}]");
    let little = |stage: &mut Stage| {
        stage.node.set("BGP_DAEMON_MEMORY_LIMIT", 32);
        put_filter(stage, "all", "");
        let none = "apiVersion: projectcalico.org/v3\nkind: BGPFilter\nmetadata:\n  name: none\nspec:\n\
                    \x20 importV4: [{action: Reject}]\n";
        stage.cluster.put("filter-none", none);
    };
    let Some(mut siege) = Siege::prepare(&[], &[&spec], little) else {
        return;
    };
    let flood = speak(&siege, |round| {
        let one = |number: u32| {
            // As many communities as fit into an ordinary message.
            let communities: Vec<u8> = (0..900u32)
                .flat_map(|low| (number << 10 | low).to_be_bytes())
                .collect();
            let communities = [&[0xd0, 8, 0x0e, 0x10], &communities[..]].concat();
            update(
                &[attributes(ON_LINK), communities].concat(),
                &nlri(1, number),
            )
        };
        (round * 100..round * 100 + 100).flat_map(one).collect()
    });
    siege.wait_ended("Out of resources");
    for _ in 0..2 {
        siege.withstand();
    }
    drop(flood);
}

#[test]
fn memory_that_runs_out_for_routes() {
    memory_that_runs_out("all");
}

#[test]
fn memory_that_runs_out_for_routes_that_are_rejected() {
    memory_that_runs_out("none");
}
