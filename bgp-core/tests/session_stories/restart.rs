//! Graceful restart: offered, negotiated, and which routes survive.

use std::sync::Arc;

use bgp_core::session::config::GracefulRestart;
use bgp_core::session::{Negotiated, SessionConfig};
use bgp_core::types::{Family, PerFamily};
use bgp_core::wire::{
    Capability, ErrorCode, GracefulRestartFamily, LongLivedFamily, Message, Notification, Open,
};
use bytes::Bytes;

use crate::lone::{
    Lone, Seen, down, peer_open, peer_open_with, restart_capability, restarts, secs,
};

const KEPT: PerFamily<bool> = PerFamily {
    ipv4: true,
    ipv6: false,
};
const GONE: PerFamily<bool> = PerFamily {
    ipv4: false,
    ipv6: false,
};

fn agreed(change: impl FnOnce(&mut SessionConfig), open: Open) -> Arc<Negotiated> {
    let (lone, _) = Lone::established(change, open);
    lone.session.status().negotiated.expect("Established")
}

fn notification(code: u8, subcode: u8, data: &'static [u8]) -> Message {
    Message::Notification(Notification {
        code: ErrorCode(code),
        subcode,
        data: Bytes::from_static(data),
    })
}

/// R and F bits of each OPEN that was sent.
fn bits(seen: Vec<Seen>) -> Vec<(bool, bool)> {
    let capabilities = seen.into_iter().filter_map(|seen| match seen {
        Seen::Sent(_, Message::Open(open)) => Some(open.capabilities),
        _ => None,
    });
    capabilities
        .flatten()
        .filter_map(|capability| match capability {
            Capability::GracefulRestart {
                restarting,
                families,
                ..
            } => Some((restarting, families[0].forwarding_preserved)),
            _ => None,
        })
        .collect()
}

/// R4724-4.1-01, R4724-4.2-07: R and F until the session has been up once, and never again.
/// Promise 16.6.
#[test]
fn the_restart_is_announced_until_the_session_comes_up() {
    let mut lone = Lone::new(|config| {
        config.graceful_restart = Some(GracefulRestart::new(120).with_restarting(true));
    });
    let first = lone.dial();
    lone.closed(first, None);
    let second = lone.dial();
    lone.accept();
    assert_eq!(bits(lone.take()), [(true, true); 3]);
    lone.receive(second, Message::Open(peer_open()));
    lone.receive(second, Message::Keepalive);
    lone.take();
    lone.closed(second, None);
    lone.accept();
    lone.dial();
    assert_eq!(bits(lone.take()), [(false, false); 2]);
}

/// R4724-3-01: more than one, the last counts; families that were not negotiated do not.
#[test]
fn the_last_capability_counts() {
    let entry = |family: Family, forwarding_preserved| GracefulRestartFamily {
        family: family.afi_safi(),
        forwarding_preserved,
    };
    let capability = |restart_time, families| Capability::GracefulRestart {
        restarting: true,
        notification: false,
        restart_time,
        families,
    };
    let open = peer_open_with([
        capability(10, vec![]),
        capability(
            77,
            vec![
                entry(Family::Ipv6Unicast, true),
                entry(Family::Ipv4Unicast, true),
            ],
        ),
    ]);
    let negotiated = agreed(
        |config| config.graceful_restart = restarts(true),
        open.clone(),
    );
    let restart = negotiated.graceful_restart.expect("it was agreed on");
    assert_eq!((restart.restarting, restart.notification), (true, false));
    assert_eq!(restart.restart_time, secs(77));
    assert_eq!(
        (restart.families.ipv4, restart.families.ipv6),
        (Some(true), None)
    );
    assert_eq!(agreed(|_| {}, open).graceful_restart, None);
}

/// R4724-4.2-02
#[test]
fn routes_survive_the_loss_of_tcp_if_both_sides_restart() {
    for (ours, peers, kept) in [
        (restarts(false), true, KEPT),
        (None, true, GONE),
        (restarts(false), false, GONE),
    ] {
        let open = peer_open_with(peers.then(|| restart_capability(false, false)));
        let (mut lone, conn) = Lone::established(|config| config.graceful_restart = ours, open);
        lone.closed(conn, Some("Connection reset by peer"));
        let seen = lone.take();
        assert_eq!(down(&seen).keep_stale, kept);
        assert!(!down(&seen).keep_older, "it has been lost");
    }
}

/// R4724-4.2-02: families that the peer does not list go at once.
#[test]
fn a_peer_that_only_helps_has_nothing_kept() {
    let helper = Capability::GracefulRestart {
        restarting: false,
        notification: true,
        restart_time: 0,
        families: vec![],
    };
    let (mut lone, conn) = Lone::established(
        |config| config.graceful_restart = restarts(true),
        peer_open_with([helper]),
    );
    lone.closed(conn, None);
    assert_eq!(down(&lone.take()).keep_stale, GONE);
}

/// R4724-4-01, R8538-2-01, R8538-4-01, R8538-3.2-01
#[test]
fn routes_survive_a_notification_only_with_the_n_bit_of_both_and_without_hard_reset() {
    let messages = [
        (notification(6, 4, b""), true),
        (notification(3, 1, b""), true),
        (notification(6, 9, b"\x06\x04"), false),
        (notification(6, 9, b""), false),
    ];
    for (message, soft) in messages {
        for (ours, peers) in [(false, false), (true, false), (false, true), (true, true)] {
            let (mut lone, conn) = Lone::established(
                |config| config.graceful_restart = restarts(ours),
                peer_open_with([restart_capability(false, peers)]),
            );
            lone.receive(conn, message.clone());
            let kept = if ours && peers && soft { KEPT } else { GONE };
            assert_eq!(down(&lone.take()).keep_stale, kept, "{message:?}");
        }
    }
}

/// R8538-4-01
#[test]
fn routes_survive_a_silent_peer_and_its_errors_with_the_n_bit() {
    for bit in [false, true] {
        let kept = if bit { KEPT } else { GONE };
        let up = || {
            Lone::established(
                |config| config.graceful_restart = restarts(bit),
                peer_open_with([restart_capability(false, bit)]),
            )
        };
        let (mut lone, _) = up();
        lone.advance(secs(90));
        assert_eq!(down(&lone.take()).keep_stale, kept);
        let (mut lone, conn) = up();
        lone.receive(conn, Message::Open(peer_open()));
        assert_eq!(down(&lone.take()).keep_stale, kept);
    }
}

fn long_lived_capability(stale_time: u32) -> Capability {
    Capability::LongLivedGracefulRestart(vec![LongLivedFamily {
        family: Family::Ipv4Unicast.afi_safi(),
        forwarding_preserved: true,
        stale_time,
    }])
}

/// R9494-3.1-01
#[test]
fn long_lived_restart_needs_capability_64_and_a_time_of_our_own() {
    let ours = |time: u64| {
        move |config: &mut SessionConfig| {
            config.graceful_restart = restarts(false);
            config.long_lived_stale_time = Some(secs(time));
        }
    };
    let both = || {
        peer_open_with([
            restart_capability(false, false),
            long_lived_capability(3600),
        ])
    };
    let long_lived = agreed(ours(10), both()).long_lived;
    let ipv4 = long_lived.ipv4.expect("it was agreed on");
    assert_eq!(
        (ipv4.forwarding_preserved, ipv4.stale_time),
        (true, secs(3600))
    );
    assert_eq!(long_lived.ipv6, None);
    let without_64 = peer_open_with([long_lived_capability(3600)]);
    assert_eq!(agreed(ours(10), without_64).long_lived.ipv4, None);
    assert_eq!(agreed(ours(0), both()).long_lived.ipv4, None);
    assert_eq!(agreed(|_| {}, both()).long_lived.ipv4, None);
}

/// R9494-4.2-01: a family in capability 71 alone has a restart time of zero, and its routes wait all the same.
#[test]
fn a_long_lived_family_is_kept() {
    let helper = Capability::GracefulRestart {
        restarting: false,
        notification: false,
        restart_time: 0,
        families: vec![],
    };
    let (mut lone, conn) = Lone::established(
        |config| {
            config.graceful_restart = restarts(false);
            config.long_lived_stale_time = Some(secs(60));
        },
        peer_open_with([helper, long_lived_capability(60)]),
    );
    lone.closed(conn, None);
    assert_eq!(down(&lone.take()).keep_stale, KEPT);
}
