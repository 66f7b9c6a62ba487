//! The cost of inputs, in visited slots and paths of the table. Ratios, not times: an input that becomes more expensive with
//! earlier requests, or a slice that grows with the table, fails here.

mod rib_lab;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::policy::Policy;
use bgp_core::rib::{Input, KeepStale, Output, PeerConfig, Rib};
use bgp_core::types::{Asn, Family, PeerId, PerFamily};
use bgp_core::wire::attribute::AsPath;
use bgp_core::wire::{Attributes, RefreshKind};
use rib_lab::{config, drain, rib, updates};

const PREFIXES: u32 = 20_000;
const SENDER: PeerId = PeerId(0);
const RECEIVER: PeerId = PeerId(1);

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "no time passes here")]
    Instant::now()
}

/// One peer has announced so many prefixes, and another has received them.
fn filled(now: Instant, prefixes: u32) -> Rib {
    let mut rib = rib(now, 2);
    let attributes = |_| Attributes {
        as_path: AsPath::sequence([65000, 7].map(Asn)),
        ..Attributes::default()
    };
    for update in updates(SENDER.0, prefixes, 500, attributes) {
        let peer = SENDER;
        rib.handle(now, Input::Update { peer, update });
    }
    drain(&mut rib, now);
    rib
}

/// What inputs cost until all that follows from them is done.
fn cost(rib: &mut Rib, now: Instant, inputs: impl FnOnce(&mut Rib)) -> u64 {
    let before = rib.steps();
    inputs(rib);
    drain(rib, now);
    rib.steps() - before
}

fn refresh(rib: &mut Rib, now: Instant) {
    let (peer, family, kind) = (RECEIVER, Family::Ipv4Unicast, RefreshKind::REQUEST);
    rib.handle(now, Input::Refresh { peer, family, kind });
}

/// R7313-4-04
#[test]
fn a_request_before_the_last_one_is_answered_costs_nothing() {
    let now = now();
    let mut rib = filled(now, PREFIXES);
    let storm = |rib: &mut Rib, requests: usize| {
        cost(rib, now, |rib| {
            (0..requests).for_each(|_| refresh(rib, now))
        })
    };
    let once = storm(&mut rib, 1);
    assert!(once >= u64::from(PREFIXES), "all is told again: {once}");
    assert_eq!(storm(&mut rib, 1000), once);
    assert_eq!(storm(&mut rib, 2000), once);
    // While the answer is on its way, more requests together make it come once more.
    let during = |rib: &mut Rib, requests: usize| {
        cost(rib, now, |rib| {
            refresh(rib, now);
            rib.work();
            (0..requests).for_each(|_| refresh(rib, now));
        })
    };
    let twice = during(&mut rib, 1000);
    assert!(twice <= 2 * once + once / 10, "{twice} for {once}");
    assert_eq!(during(&mut rib, 2000), twice);
}

/// What happens to a RIB.
type Inputs<'a> = &'a dyn Fn(&mut Rib);

/// What the dearest slice costs of all the work that follows from inputs.
fn dearest_slice(rib: &mut Rib, now: Instant, inputs: Inputs<'_>) -> u64 {
    let mut dearest = 0;
    let mut before = rib.steps();
    inputs(rib);
    loop {
        let worked = rib.work();
        dearest = dearest.max(rib.steps() - before);
        before = rib.steps();
        while let Some(output) = rib.next_output() {
            if let Output::Send { peer, messages } = output {
                let octets = messages.len();
                rib.handle(now, Input::Written { peer, octets });
            }
        }
        if !worked {
            return dearest;
        }
    }
}

fn configure(rib: &mut Rib, now: Instant, peer: PeerId, change: impl FnOnce(&mut PeerConfig)) {
    let mut config = config(peer.0);
    change(&mut config);
    let config = Arc::new(config);
    rib.handle(now, Input::Configure { peer, config });
}

fn down(rib: &mut Rib, now: Instant, keep: Option<KeepStale>) {
    let peer = SENDER;
    let keep_stale = PerFamily {
        ipv4: keep,
        ipv6: None,
    };
    rib.handle(now, Input::Down { peer, keep_stale });
}

#[test]
fn a_slice_does_not_grow_with_the_table() {
    let now = now();
    let reject = |config: &mut PeerConfig| config.import = Arc::new(Policy::REJECT);
    let silent = |config: &mut PeerConfig| config.export = Arc::new(Policy::REJECT);
    let last_resort = KeepStale {
        long_lived: Duration::from_secs(9),
        ..KeepStale::default()
    };
    let inputs: [(&str, Inputs<'_>); 8] = [
        ("import policy", &|rib| configure(rib, now, SENDER, reject)),
        ("new group", &|rib| configure(rib, now, RECEIVER, silent)),
        ("loops", &|rib| {
            configure(rib, now, SENDER, |config| config.allowed_local_as = 1)
        }),
        ("cluster", &|rib| {
            let cluster_id = Some(bgp_core::types::RouterId::from_bits(7));
            rib.handle(now, Input::ClusterId(cluster_id));
        }),
        ("refresh", &|rib| refresh(rib, now)),
        ("down", &|rib| down(rib, now, None)),
        ("last resort", &|rib| {
            down(rib, now, Some(last_resort));
            rib.handle_timeout(now);
        }),
        ("removed", &|rib| rib.handle(now, Input::Remove(SENDER))),
    ];
    for (name, inputs) in inputs {
        let [small, big] = [2, 4].map(|times| {
            let mut rib = filled(now, times * PREFIXES);
            let all = rib.steps();
            let dearest = dearest_slice(&mut rib, now, inputs);
            assert!(
                rib.steps() - all >= u64::from(times * PREFIXES),
                "{name}: something looked at all of the table"
            );
            dearest
        });
        assert!(big <= small + small / 10, "{name}: {small} and {big}");
    }
}
