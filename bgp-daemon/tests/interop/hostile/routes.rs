//! Valid sessions with expensive routes, repeatedly.

use std::collections::BTreeSet;

use bgp_core::types::Family;
use bgp_core::wire::{RefreshKind, RouteRefresh};

use super::session::Session;
use super::session::{ON_LINK, announcements, attributes, community, nlri, speak, update};
use super::*;
use crate::lab::peer::Route;
use crate::scenario::NODE_AS;

/// A hostile peer sends this; the honest ones do not notice.
fn send(annotations: &[(&str, &str)], words: impl FnMut(u32) -> Vec<u8> + Send + 'static) {
    let Some(mut siege) = Siege::lay_with(annotations, &[]) else {
        return;
    };
    let flood = speak(&siege, words);
    flood.wait(50);
    for _ in 0..3 {
        siege.withstand();
    }
    drop(flood);
}

#[test]
fn many_paths_of_one_prefix() {
    send(&[], |round| {
        let ids = round * 400..round * 400 + 400;
        update(
            &attributes(ON_LINK),
            &ids.flat_map(|id| nlri(id, 1)).collect::<Vec<_>>(),
        )
    });
}

#[test]
fn ever_new_next_hops_of_one_prefix() {
    send(&[], |round| {
        let one = |number: u32| {
            let [_, a, b, c] = number.to_be_bytes();
            update(&attributes([30 + a, b, c, 1]), &nlri(1, 1))
        };
        (round * 100..round * 100 + 100).flat_map(one).collect()
    });
}

#[test]
fn requests_for_all_routes_again_and_again() {
    let refresh = Message::RouteRefresh(RouteRefresh {
        family: Family::Ipv4Unicast.afi_safi(),
        kind: RefreshKind::REQUEST,
    });
    let asked = octets(&vec![refresh; 500]);
    send(&[], move |round| match round {
        1..20 => announcements(&attributes(ON_LINK), round * 400..round * 400 + 400, 400),
        _ => asked.clone(),
    });
}

#[test]
fn a_set_of_attributes_for_each_prefix() {
    send(&[], |round| {
        let one = |number: u32| {
            // Few prefixes, so that the kernel is not what is measured.
            update(
                &[attributes(ON_LINK), community(number)].concat(),
                &nlri(1, number % 500),
            )
        };
        (round * 100..round * 100 + 100).flat_map(one).collect()
    });
}

#[test]
fn prefixes_that_come_and_go() {
    let withdrawn = |number: u32| {
        let nlri = nlri(1, number);
        let body = [&[0, 8], &nlri[..], &[0, 0]].concat();
        [&[0xff; 16], &[0, 31, 2][..], &body].concat()
    };
    send(&[], move |round| {
        let number = round % 100;
        [
            update(&attributes(ON_LINK), &nlri(1, number)),
            withdrawn(number),
        ]
        .concat()
        .repeat(100)
    });
}

/// No route beyond the limit is ever sent on, and the session ends.
#[test]
fn more_prefixes_than_allowed() {
    const LIMIT: usize = 1_000;
    let limit = LIMIT.to_string();
    let Some(mut siege) = Siege::prepare(&[("max-prefixes", &*limit)], &[], export_all) else {
        return;
    };
    let of_mallory = |routes: BTreeSet<Route>| {
        let paths = routes
            .iter()
            .filter(|route| route.as_path.contains(&MALLORY_AS));
        paths.count()
    };
    let mut session = Session::of(&siege.mallory, siege.target());
    for round in 0..2 {
        assert!(session.say(&announcements(
            &attributes(ON_LINK),
            round * 900..round * 900 + 900,
            450
        )));
    }
    siege.wait_ended("Maximum number of prefixes reached");
    siege.withstand();
    let told = of_mallory(siege.tor.routes().expect("BIRD answers"));
    assert!(told <= LIMIT, "{told}");
}

const EDIT: &str = "{addCommunity: {value: '65066:1'}}, {prependASPath: {prefix: [65066, 65066]}}, {setPriority: {value: 1000}}";

/// Policies edit what comes in and what goes out, and UPDATEs are as long as they may be.
#[test]
fn long_updates_through_policies_that_edit() {
    const PREFIXES: u32 = 8_000;
    let edited = |stage: &mut Stage| {
        put_filter(stage, "edit", EDIT);
        stage.peering(TOR_AS, &[], &["filters: [edit]"]);
    };
    let extended = [("extended-messages", "true")];
    let Some(mut siege) = Siege::prepare(&extended, &["filters: [edit]"], edited) else {
        return;
    };
    let flood = speak(&siege, |round| {
        let attributes = [attributes(ON_LINK), community(round)].concat();
        announcements(&attributes, 0..PREFIXES, PREFIXES as usize)
    });
    flood.wait(10);
    for _ in 0..3 {
        siege.withstand();
    }
    drop(flood);
}

/// The log does not tell of each.
#[test]
fn routes_that_are_wrong() {
    const LINES: usize = 100;
    let Some(mut siege) = Siege::prepare(&[], &[], export_all) else {
        return;
    };
    // ORIGIN has no such value (RFC 7606 §7.1), and our own AS is in the path.
    let origin = |value: u8| [&[0x40, 1, 1, value][..], &attributes(ON_LINK)[4..]].concat();
    let mut looped = attributes(ON_LINK);
    let path = [
        &[0x40, 2, 10, 2, 2],
        &MALLORY_AS.to_be_bytes()[..],
        &NODE_AS.to_be_bytes(),
    ]
    .concat();
    looped.splice(4..13, path);
    let flood = speak(&siege, move |round| {
        let one = |number: u32| {
            [
                update(&origin(9), &nlri(1, number)),
                update(&looped, &nlri(1, number)),
            ]
            .concat()
        };
        (round * 100..round * 100 + 100).flat_map(one).collect()
    });
    flood.wait(50);
    for _ in 0..2 {
        siege.withstand();
    }
    assert!(siege.stage.node.established(siege.mallory.ipv4.into()));
    drop(flood);
    let log = siege.stage.node.log();
    let lines = log.lines().count();
    assert!(lines < LINES, "{lines} lines");
}
