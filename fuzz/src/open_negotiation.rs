//! Two sessions with any configurations and the network between them: their OPENs lead to the same agreement on both sides, or
//! one has a reason of RFC 4271 §6.2, RFC 5492 §5 or RFC 9234 §4.2 to refuse the other.
//!
//! The input is the two configurations, then the order in which the network delivers and where it splits octets. The expected
//! result is derived from the configurations alone (`agreement`); the network (`network`) varies the order of events.

mod agreement;
mod network;

use std::net::Ipv4Addr;
use std::time::Duration;

use bgp_core::session::SessionConfig;
use bgp_core::session::config::{GracefulRestart, RoleConfig};
use bgp_core::types::{Asn, Family, Role, RouterId};
use bgp_core::wire::{AddPathDirection, ExtraCapability};

use super::choices::Choices;
use agreement::{check_agreement, check_routes, refusals};
use network::Network;

/// Two sessions that connect to each other.
pub fn open_negotiation(data: &[u8]) {
    let mut choices = Choices::new(data);
    let [mut a, mut b] = [1, 2].map(|number| config(number, &mut choices));
    introduce(&mut a, &mut b, &mut choices);
    let refused = !refusals(&a, &b).is_empty() || !refusals(&b, &a).is_empty();
    let mut network = Network::new([a.clone(), b.clone()]);
    if refused {
        network.run(&mut choices, TRIES);
        assert_eq!(network.ups, 0, "a session that is to be refused came up");
        for (own, peer, side) in [(&a, &b, 0), (&b, &a, 1)] {
            network.check_notifications(side, &refusals(own, peer));
        }
        return;
    }
    network.run(&mut choices, PATIENCE);
    let [of_a, of_b] = network.agreements();
    check_agreement(&a, &b, &of_a);
    check_agreement(&b, &a, &of_b);
    network.check_notifications(0, &[]);
    network.check_notifications(1, &[]);
    check_routes(&of_a, &of_b);
    check_routes(&of_b, &of_a);
    network.stay(&mut choices, PATIENCE);
}

/// A configuration without its knowledge of the other side.
fn config(number: u8, choices: &mut Choices<'_>) -> SessionConfig {
    let families: [&[Family]; 4] = [
        &[Family::Ipv4Unicast],
        &[Family::Ipv6Unicast],
        &[Family::Ipv4Unicast, Family::Ipv6Unicast],
        &[Family::Ipv6Unicast, Family::Ipv4Unicast],
    ];
    let peer_address = Ipv4Addr::new(192, 0, 2, 3 - number);
    let router_id = RouterId(choices.pick(&[
        Ipv4Addr::new(192, 0, 2, number),
        Ipv4Addr::new(192, 0, 2, 9),
        Ipv4Addr::new(255, 255, 255, 255),
        Ipv4Addr::UNSPECIFIED,
    ]));
    let bits = choices.number();
    let bit = |at: u32| bits >> at & 1 == 1;
    let mut session = SessionConfig::new(Asn(64512), router_id, peer_address.into(), Asn(64513));
    session.passive = false;
    session.hold_time = hold_time(choices);
    session.keepalive_time = bit(0).then(|| Duration::from_secs(choices.octet().into()));
    session.connect_delay = Duration::from_secs(choices.below(4) as u64);
    session.families = choices.pick(&families).to_vec();
    session.add_path = choices.pick(&[
        None,
        Some(AddPathDirection::Both),
        Some(AddPathDirection::Send),
        Some(AddPathDirection::Receive),
    ]);
    session.extended_messages = bit(1);
    session.extended_next_hop = bit(2);
    session.graceful_restart = bit(3).then(|| {
        GracefulRestart::new(choices.number())
            .with_restarting(bit(4))
            .with_notification(bit(5))
    });
    session.long_lived_stale_time =
        bit(6).then(|| Duration::from_secs(u64::from(choices.number()) << choices.below(24)));
    session.role = bit(7).then(|| role(choices));
    session.fqdn = bit(8).then(|| text(choices));
    session.software_version = bit(9).then(|| text(choices));
    session.extra_capabilities = ExtraCapability::new(239, [number])
        .into_iter()
        .filter(|_| bit(10))
        .collect();
    session
}

/// Tells each side about the other, mostly correctly; at least one of them connects.
fn introduce(a: &mut SessionConfig, b: &mut SessionConfig, choices: &mut Choices<'_>) {
    let (of_a, of_b) = (own_as(choices), own_as(choices));
    (a.local_as, b.local_as) = (of_a, of_b);
    let mistakes = choices.octet();
    a.peer_as = if mistakes & 7 == 7 {
        own_as(choices)
    } else {
        of_b
    };
    b.peer_as = if mistakes >> 3 & 7 == 7 {
        own_as(choices)
    } else {
        of_a
    };
    match mistakes >> 6 {
        1 => a.passive = true,
        2 => b.passive = true,
        _ => {}
    }
}

fn own_as(choices: &mut Choices<'_>) -> Asn {
    choices.pick(&[
        Asn(64512),
        Asn(64513),
        Asn(4_200_000_000),
        Asn(65536),
        Asn(65535),
        Asn::TRANS,
        Asn(0),
    ])
}

/// Zero, or 3 s to 65535 s: the valid range of a configuration.
fn hold_time(choices: &mut Choices<'_>) -> Duration {
    let secs = match choices.number() {
        secs @ (1 | 2) => secs + 2,
        secs => secs,
    };
    Duration::from_secs(secs.into())
}

fn role(choices: &mut Choices<'_>) -> RoleConfig {
    let roles = [
        Role::Provider,
        Role::RsServer,
        Role::RsClient,
        Role::Customer,
        Role::Peer,
    ];
    RoleConfig::new(choices.pick(&roles)).with_strict(choices.flag())
}

/// Up to 510 octets: more than fits into a capability.
fn text(choices: &mut Choices<'_>) -> String {
    let letter = choices.pick(&["n", "é"]);
    letter.repeat(choices.octet().into())
}

/// Timers that may expire before two compatible sessions are up, or while they stay up.
const PATIENCE: usize = 64;
/// Timers that expire while incompatible sessions try.
const TRIES: usize = 8;
