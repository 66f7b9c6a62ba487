//! Two connections at once: which one stays, and that a silent one never harms the other.

use std::net::Ipv4Addr;
use std::time::Duration;

use bgp_core::session::{ConnId, DownReason, State};
use bgp_core::types::{Asn, RouterId};
use bgp_core::wire::{Message, Open};

use crate::lone::{
    Lone, Seen, down, open_of, peer_open, peer_open_with, restart_capability, restarts, secs,
    sent_notification,
};

const LOWER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const HIGHER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

fn open_from(id: Ipv4Addr) -> Open {
    Open {
        router_id: RouterId(id),
        ..peer_open()
    }
}

/// Both connections up, none with an OPEN of the peer.
fn both() -> (Lone, ConnId, ConnId) {
    let mut lone = Lone::new(|_| {});
    let outgoing = lone.dial();
    let incoming = lone.accept();
    lone.take();
    (lone, outgoing, incoming)
}

#[track_caller]
fn comes_up(lone: &mut Lone, conn: ConnId) {
    lone.take();
    lone.receive(conn, Message::Keepalive);
    assert_eq!(lone.take(), [Seen::Up(conn)]);
    assert_eq!(lone.session.status().connections.len(), 1);
}

/// R4271-6.8-01, R4271-6.8-02: the outcome depends on the identifiers only, not on whose OPEN is first.
/// Promise 4.5.
#[test]
fn the_connection_of_the_higher_identifier_stays_in_every_order() {
    for peer in [LOWER, HIGHER] {
        for outgoing_first in [true, false] {
            let (mut lone, outgoing, incoming) = both();
            let (first, second) = if outgoing_first {
                (outgoing, incoming)
            } else {
                (incoming, outgoing)
            };
            lone.receive(first, Message::Open(open_from(peer)));
            assert_eq!(lone.take(), [Seen::Sent(first, Message::Keepalive)]);
            lone.receive(second, Message::Open(open_from(peer)));
            let (stays, goes) = if peer == HIGHER {
                (incoming, outgoing)
            } else {
                (outgoing, incoming)
            };
            assert_eq!(lone.error(goes), (6, 7), "{peer} {outgoing_first}");
            assert_eq!(lone.state(), State::OpenConfirm);
            comes_up(&mut lone, stays);
        }
    }
}

/// R6286-2.3-01: equal identifiers, the larger AS wins.
#[test]
fn equal_identifiers_are_decided_by_the_as() {
    let own = Ipv4Addr::new(192, 0, 2, 1);
    for (peer_as, incoming_stays) in [(64_000, false), (65_000, true)] {
        let mut lone = Lone::new(|config| config.peer_as = Asn(peer_as));
        let outgoing = lone.dial();
        let incoming = lone.accept();
        let open = || {
            Message::Open(Open {
                asn: Asn(peer_as),
                router_id: RouterId(own),
                capabilities: vec![],
                ..peer_open()
            })
        };
        lone.take();
        lone.receive(outgoing, open());
        lone.receive(incoming, open());
        let goes = if incoming_stays { outgoing } else { incoming };
        let seen = lone.take();
        assert!(seen.contains(&Seen::Closed(goes)), "{seen:?}");
        assert_eq!(lone.session.status().connections.len(), 1);
    }
}

/// R4271-6.8-04: in every state of the first connection, and whoever would win.
#[test]
fn a_silent_second_connection_harms_nobody() {
    for peer in [LOWER, HIGHER] {
        for before in 0..3 {
            let mut lone = Lone::new(|_| {});
            let first = lone.dial();
            let mut messages = [Message::Open(open_from(peer)), Message::Keepalive].into_iter();
            for message in messages.by_ref().take(before) {
                lone.receive(first, message);
            }
            let silent = lone.accept();
            messages.for_each(|message| lone.receive(first, message));
            assert_eq!(lone.state(), State::Established);
            lone.take();
            for _ in 0..30 {
                lone.advance(secs(10));
                lone.receive(first, Message::Keepalive);
            }
            assert_eq!(lone.state(), State::Established);
            assert_eq!(lone.error(silent), (4, 0), "it dies by its own timer");
            assert_eq!(lone.session.status().connections.len(), 1);
        }
    }
}

/// R4271-6.8-04: garbage on the second one, or its loss, does not matter either.
#[test]
fn an_error_on_the_second_connection_harms_nobody() {
    let (mut lone, first) = Lone::established(|_| {}, peer_open());
    let second = lone.accept();
    lone.take();
    lone.receive_octets(second, &[0; 40]);
    assert_eq!(lone.error(second), (1, 1));
    let third = lone.accept();
    lone.closed(third, Some("Connection reset by peer"));
    assert_eq!(lone.state(), State::Established);
    assert_eq!(lone.session.status().connections[0].id, first);
}

/// R4271-6.8-04: nor does it keep us from dialling.
#[test]
fn a_silent_connection_of_the_peer_does_not_stop_dialling() {
    let mut lone = Lone::new(|_| {});
    lone.accept();
    lone.take();
    lone.advance(secs(2));
    assert_eq!(lone.take(), [Seen::Connect]);
    assert_eq!(lone.state(), State::OpenSent);
}

/// R4271-6.8-04: also after a connection of our own was lost, or failed.
#[test]
fn a_silent_connection_of_the_peer_does_not_stop_dialling_again() {
    let (mut lone, outgoing, silent) = both();
    lone.closed(outgoing, None);
    lone.advance(secs(5));
    assert_eq!(lone.take(), [Seen::Connect]);
    let outgoing = lone.dial();
    lone.receive(outgoing, Message::Keepalive);
    assert_eq!(lone.error(outgoing), (5, 1));
    lone.advance(secs(5));
    assert_eq!(lone.take(), [Seen::Connect]);
    assert_eq!(lone.session.status().connections[0].id, silent);
}

/// R4271-6.8-03
#[test]
fn the_newcomer_loses_against_an_established_session() {
    for peer in [LOWER, HIGHER] {
        let (mut lone, _) = Lone::established(|_| {}, open_from(peer));
        let second = lone.accept();
        lone.take();
        lone.receive(second, Message::Open(open_from(peer)));
        assert_eq!(lone.error(second), (6, 7));
        assert_eq!(lone.state(), State::Established);
    }
}

/// R4724-4.2-01: the old connection is closed without a word, its routes stay.
#[test]
fn a_restarted_peer_replaces_its_old_connection() {
    for restarting in [true, false] {
        let open = || Message::Open(peer_open_with([restart_capability(restarting, false)]));
        let (mut lone, old) = Lone::established(
            |config| config.graceful_restart = restarts(false),
            peer_open_with([restart_capability(false, false)]),
        );
        let new = lone.accept();
        lone.take();
        lone.receive(new, open());
        let seen = lone.take();
        assert_eq!(seen[0], Seen::Closed(old));
        assert_eq!(down(&seen).reason, DownReason::Replaced);
        assert!(down(&seen).keep_stale.ipv4);
        assert!(sent_notification(&seen[0], old).is_none());
        let error = lone.session.status().last_error.unwrap();
        assert_eq!(error.to_string(), "Error: Graceful restart");
        comes_up(&mut lone, new);
    }
}

/// R4724-4.2-03: a connection that comes just after the session was opened before that; later, the peer has restarted.
#[test]
fn a_peer_that_opened_two_connections_has_restarted_once() {
    for (after, same_restart) in [(0, true), (999, true), (1000, false), (60_000, false)] {
        let open = || peer_open_with([restart_capability(true, false)]);
        let (mut lone, _) =
            Lone::established(|config| config.graceful_restart = restarts(false), open());
        lone.advance(Duration::from_millis(after));
        let new = lone.accept();
        lone.take();
        lone.receive(new, Message::Open(open()));
        let seen = lone.take();
        assert_eq!(down(&seen).reason, DownReason::Replaced);
        assert_eq!(down(&seen).keep_older, same_restart, "after {after} ms");
    }
}

/// R4724-4.2-01 is for those who offered it, and a refused OPEN replaces nothing.
#[test]
fn only_a_good_open_of_a_restarting_peer_replaces() {
    let (mut lone, old) = Lone::established(
        |config| config.graceful_restart = restarts(false),
        peer_open_with([restart_capability(false, false)]),
    );
    let new = lone.accept();
    lone.take();
    let mut wrong = open_of(1);
    wrong.capabilities.push(restart_capability(true, false));
    lone.receive(new, Message::Open(wrong));
    assert_eq!(lone.error(new), (2, 2));
    assert_eq!(lone.session.status().connections[0].id, old);
    assert_eq!(lone.state(), State::Established);
}

/// Both dialled at the same time; the loser's OPEN comes when the session is up. That is no restart of the peer.
#[test]
fn a_late_collision_with_a_restarting_peer_is_only_a_collision() {
    let mut lone = Lone::new(|config| config.graceful_restart = restarts(false));
    let outgoing = lone.dial();
    let incoming = lone.accept();
    let open = || Message::Open(peer_open_with([restart_capability(false, false)]));
    lone.receive(outgoing, open());
    lone.receive(outgoing, Message::Keepalive);
    lone.take();
    lone.receive(incoming, open());
    assert_eq!(lone.error(incoming), (6, 7));
    assert_eq!(lone.state(), State::Established);
}

/// A peer that gave up its try and dials again is not kept out by what is left of the first.
#[test]
fn a_new_try_of_the_peer_takes_the_place_of_its_silent_one() {
    let (mut lone, _, silent) = both();
    let again = lone.accept();
    let seen = lone.take();
    assert_eq!(seen[0], Seen::Closed(silent));
    assert!(matches!(seen[1], Seen::Sent(conn, Message::Open(_)) if conn == again));
    assert_eq!(lone.session.status().connections.len(), 2);
}

#[test]
fn of_two_connections_of_the_peer_the_newer_stays() {
    let mut lone = Lone::new(|config| config.passive = true);
    let first = lone.accept();
    let second = lone.accept();
    lone.receive(first, Message::Open(peer_open()));
    lone.take();
    lone.receive(second, Message::Open(peer_open()));
    assert_eq!(lone.error(first), (6, 7));
    comes_up(&mut lone, second);
}

/// RP-02: a third connection is refused where both others are on their way.
#[test]
fn there_are_never_more_than_two_connections() {
    let (mut lone, outgoing, incoming) = both();
    lone.receive(incoming, Message::Open(open_from(LOWER)));
    lone.take();
    let third = lone.accept();
    assert_eq!(lone.take(), [Seen::Closed(third)]);
    lone.receive(outgoing, Message::Open(open_from(LOWER)));
    comes_up(&mut lone, outgoing);

    for _ in 0..10 {
        lone.accept();
        assert_eq!(lone.session.status().connections.len(), 2);
    }
    assert_eq!(lone.state(), State::Established);
}

#[test]
fn the_other_connection_goes_on_when_one_is_lost() {
    let (mut lone, outgoing, incoming) = both();
    lone.receive(incoming, Message::Open(open_from(HIGHER)));
    lone.closed(incoming, None);
    assert_eq!(lone.state(), State::OpenSent);
    lone.receive(outgoing, Message::Open(open_from(HIGHER)));
    comes_up(&mut lone, outgoing);
}

#[test]
fn a_collision_does_not_count_as_an_error() {
    let (mut lone, outgoing, incoming) = both();
    lone.receive(outgoing, Message::Open(open_from(LOWER)));
    lone.receive(incoming, Message::Open(open_from(LOWER)));
    assert_eq!(lone.session.status().last_error, None);
    let seen = lone.take();
    assert!(!seen.iter().any(|s| matches!(s, Seen::Down(_))), "{seen:?}");
}
