//! Scrapes that were not taken of a speaker: with a series of everything.

use std::collections::BTreeMap;

use bgp_core::rib::{MemoryUse, RouteCounts};
use bgp_core::session::{Counters, MessageCounts, Notifications, State, Tally, Transitions};
use bgp_core::types::PerFamily;
use bgp_core::wire::ErrorCode;
use bgp_speaker::kernel::KernelCounts;
use jiff::Timestamp;

use crate::api::metrics::gather::{BfdSample, STATES, Scrape, SessionSample};
use crate::api::metrics::text::{First, More};
use crate::meters::Meters;

/// So many sessions of each type, each with so many routes in each family.
pub(super) fn scrape(sessions: usize, routes: usize) -> Scrape {
    let kinds = ["mesh", "node", "global", "local"];
    let all = (0..sessions).flat_map(|number| kinds.map(|kind| session(kind, number, routes)));
    let mut kernel = KernelCounts::default();
    (kernel.installed, kernel.rejected, kernel.pending) = (routes, 1, 1);
    Scrape {
        node: "node1".into(),
        boot: Timestamp::UNIX_EPOCH,
        reconfigured: Timestamp::UNIX_EPOCH,
        plan: None,
        connected: true,
        last_change: Some(Timestamp::UNIX_EPOCH),
        sessions: all.collect(),
        best: PerFamily {
            ipv4: routes,
            ipv6: routes,
        },
        kernel: Some(PerFamily {
            ipv4: kernel,
            ipv6: kernel,
        }),
        problems: BTreeMap::from([("netlink".to_owned(), 1)]),
        memory: MemoryUse::default(),
        meters: Meters::default(),
        protocols: Vec::new(),
    }
}

/// As a session is after a day: up, after it was down once.
fn session(kind: &'static str, number: usize, routes: usize) -> SessionSample {
    let mut messages = MessageCounts::default();
    (messages.open, messages.update, messages.keepalive) = (2, 4321, 1440);
    messages.notification = 1;
    let mut counters = Counters::default();
    (counters.received, counters.sent) = (messages, messages);
    (counters.established, counters.flaps) = (2, 1);
    let mut counts = RouteCounts::default();
    counts.received = routes;
    counts.imported = routes;
    let name = format!("{kind}_10_{}_{}_1", number / 256, number % 256);
    SessionSample {
        label: First::of(&[("peer", &name)]),
        about: More::of(&[
            (
                "peer_address",
                &format!("10.{}.{}.1", number / 256, number % 256),
            ),
            ("peer_as", "4200000001"),
            ("type", kind),
        ]),
        states: STATES.map(|state| u64::from(state == State::Established)),
        established_at: Some(Timestamp::UNIX_EPOCH),
        counters,
        tally: tally().into(),
        families: PerFamily {
            ipv4: true,
            ipv6: true,
        },
        routes: PerFamily {
            ipv4: counts,
            ipv6: counts,
        },
        outstanding: 0,
        limit: Some(1000),
        bfd: Some(BfdSample {
            up: 1,
            ups: 2,
            downs: 1,
        }),
    }
}

fn tally() -> Tally {
    let mut tally = Tally::default();
    let mut steps = STATES.windows(2);
    let further = steps.by_ref().map(|step| (step[0], step[1]));
    let transitions = further.chain([(State::Established, State::Idle)]);
    tally.transitions = transitions
        .map(|(from, to)| Transitions { from, to, count: 1 })
        .collect();
    tally.notifications = [true, false]
        .map(|sent| Notifications {
            sent,
            code: Some((ErrorCode::CEASE, 2)),
            count: 1,
        })
        .to_vec();
    tally
}
