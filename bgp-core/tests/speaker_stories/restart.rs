//! Peers that restart gracefully (RFC 4724), as seen by the others.

use std::time::Duration;

use bgp_core::types::{AfiSafi, Family};
use bgp_core::wire::update::encode_end_of_rib;
use bgp_core::wire::{Capability, GracefulRestartFamily};
use bytes::BytesMut;

use crate::node::{Kind, Node};
use crate::wire_support::{IPV4, announcing, mandatory, update};

const NET: &str = "10.1.0.0/16";
const V4: AfiSafi = Family::Ipv4Unicast.afi_safi();

fn restarts(families: &[(AfiSafi, bool)]) -> Capability {
    let entry = |&(family, forwarding_preserved)| GracefulRestartFamily {
        family,
        forwarding_preserved,
    };
    Capability::GracefulRestart {
        restarting: true,
        notification: false,
        restart_time: 120,
        families: families.iter().map(entry).collect(),
    }
}

/// Peer 0 has announced a route and was lost; peer 1 still holds it.
fn lost() -> Node {
    let mut node = Node::new(&[Kind::External, Kind::External], false, |_| {});
    node.connect(0, &[restarts(&[(V4, false)])]);
    node.connect(1, &[]);
    node.send_frame(0, announcing(&[]));
    node.lose(0);
    node.take(1);
    assert!(!node.held(1, NET).is_empty());
    node
}

fn end_of_rib() -> BytesMut {
    let mut octets = BytesMut::new();
    encode_end_of_rib(Family::Ipv4Unicast, &mut octets);
    octets
}

/// R4724-4.2-05: back without the capability, without the family in it, or with forwarding lost.
#[test]
fn what_was_not_preserved_is_withdrawn_when_the_peer_is_back() {
    let v6 = Family::Ipv6Unicast.afi_safi();
    for back in [
        &[][..],
        &[restarts(&[(v6, true)])],
        &[restarts(&[(V4, false)])],
    ] {
        let mut node = lost();
        node.connect(0, back);
        assert!(node.held(1, NET).is_empty(), "{back:?}");
    }
}

/// R4724-4.2-02, R4724-4.2-06, R4724-4.2-08: preserved routes stay without a word to anybody until End-of-RIB, and go then if
/// they were not announced again.
#[test]
fn a_clean_restart_is_seen_by_nobody() {
    for announced_again in [true, false] {
        let mut node = lost();
        node.pass(Duration::from_secs(60));
        node.connect(0, &[restarts(&[(V4, true)])]);
        if announced_again {
            node.send_frame(0, announcing(&[]));
        }
        assert_eq!(node.take(1), []);
        node.send_octets(0, end_of_rib());
        assert_eq!(node.held(1, NET).is_empty(), !announced_again);
        assert_eq!(node.take(1).len(), usize::from(!announced_again));
    }
}

/// R4724-4.2-03: what was stale goes after a second restart, but not for the second connection of a peer that has restarted once.
#[test]
fn a_restarted_peer_may_have_opened_two_connections() {
    for (later, kept) in [(0, true), (2, false)] {
        let mut node = lost();
        let back = [restarts(&[(V4, true)])];
        node.connect(0, &back);
        node.pass(Duration::from_secs(later));
        node.connect(0, &back);
        assert_eq!(node.take(1).is_empty(), kept, "after {later} s");
        assert_eq!(node.held(1, NET).is_empty(), !kept, "after {later} s");
        node.send_octets(0, end_of_rib());
        assert!(node.held(1, NET).is_empty());
    }
}

/// R4724-4-01: a NOTIFICATION, whoever sends it, ends the session as ever.
#[test]
fn routes_do_not_survive_an_error() {
    let mut node = Node::new(&[Kind::External, Kind::External], false, |_| {});
    node.connect(0, &[restarts(&[(V4, true)])]);
    node.connect(1, &[]);
    node.send_frame(0, announcing(&[]));
    assert!(!node.held(1, NET).is_empty());
    node.send_frame(0, update(&[33], &mandatory(), &IPV4));
    assert!(!node.is_connected(0));
    assert!(node.held(1, NET).is_empty());
}
