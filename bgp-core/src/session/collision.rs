//! Connection collisions: which of two connections to one peer stays (RFC 4271 §6.8, RFC 6286 §2.3).
//!
//! Decided when a valid OPEN arrives on one connection after the OPEN of the other was accepted. A connection without an OPEN
//! takes no part: a peer that connects and stays silent affects nothing.

use crate::types::{Asn, RouterId};

use super::connection::Connection;
use super::ids::Direction;

/// The outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The earlier connection stays; Cease 6/7 on the one whose OPEN has just arrived.
    KeepOlder,
    /// The connection whose OPEN has just arrived stays; Cease 6/7 on the other.
    KeepNewer,
    /// The peer has restarted, and the other connection is a leftover from before (RFC 4724 §4.2).
    Replace,
}

/// The identity of a speaker, in order of comparison: BGP identifier, then AS number.
pub(super) type Identity = (RouterId, Asn);

/// Decides between `older`, whose OPEN was accepted before, and `newer`, whose valid OPEN identifies `peer`.
pub(super) fn decide(
    local: Identity,
    peer: Identity,
    older: &Connection,
    newer: &Connection,
) -> Verdict {
    if older.is_established() {
        return if is_restart(older, newer) {
            Verdict::Replace
        } else {
            Verdict::KeepOlder
        };
    }
    if survives(local, peer, older.direction, newer.direction) {
        Verdict::KeepOlder
    } else {
        Verdict::KeepNewer
    }
}

/// Whether `newer` means that the peer lost `older` before we noticed (RFC 4724 §4.2).
///
/// If the peer just dialled at the same time as we did, its connection was up before the session was; replacing the session would
/// then lose a good one.
fn is_restart(older: &Connection, newer: &Connection) -> bool {
    let covered = older.negotiated().is_some_and(|negotiated| {
        negotiated
            .graceful_restart
            .is_some_and(|peer| peer.families.ipv4.or(peer.families.ipv6).is_some())
    });
    covered && newer.direction == Direction::Incoming && newer.during_session
}

/// Whether the older connection wins: the side with the higher identity opened it (RFC 4271 §6.8).
///
/// A peer dials once at a time, so if it opened both connections, it has given up the older one.
fn survives(local: Identity, peer: Identity, older: Direction, newer: Direction) -> bool {
    let winner = if local > peer {
        Direction::Outgoing
    } else {
        Direction::Incoming
    };
    older != newer && older == winner
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: Identity = (RouterId::from_bits(1), Asn(64512));
    const HIGH: Identity = (RouterId::from_bits(0xc000_0001), Asn(64512));

    /// R4271-6.8-02: identifiers are compared as unsigned numbers.
    #[test]
    fn the_side_with_the_higher_identifier_keeps_its_connection() {
        use Direction::{Incoming, Outgoing};
        assert!(survives(HIGH, LOW, Outgoing, Incoming));
        assert!(!survives(HIGH, LOW, Incoming, Outgoing));
        assert!(!survives(LOW, HIGH, Outgoing, Incoming));
        assert!(survives(LOW, HIGH, Incoming, Outgoing));
    }

    /// R6286-2.3-01
    #[test]
    fn equal_identifiers_are_decided_by_the_larger_as() {
        use Direction::{Incoming, Outgoing};
        let bigger = (LOW.0, Asn(4_200_000_000));
        assert!(survives(bigger, LOW, Outgoing, Incoming));
        assert!(!survives(LOW, bigger, Outgoing, Incoming));
    }

    #[test]
    fn of_two_connections_of_the_peer_the_newer_stays() {
        let incoming = Direction::Incoming;
        assert!(!survives(HIGH, LOW, incoming, incoming));
        assert!(!survives(LOW, HIGH, incoming, incoming));
    }
}
