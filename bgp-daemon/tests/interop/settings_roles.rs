//! Roles (RFC 9234): which pairs come up, how the others are refused, and the OTC attribute on routes.

use crate::lab::peer::{Kind, prefix};
use crate::lab::wait::{LONG, wait_for};
use crate::scenario::{TOR_AS, addresses, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

/// OPEN Message Error, Role Mismatch (RFC 9234 §4.2).
const ROLE_MISMATCH: (u8, u8) = (2, 11);

#[test]
fn a_customer_and_bird_as_its_provider() {
    pair_comes_up(Kind::Bird, "customer", "local role provider;");
}

#[test]
fn a_strict_provider_and_bird_as_its_customer() {
    pair_comes_up(Kind::Bird, "provider-strict", "local role customer;");
}

#[test]
fn a_peer_and_openbgpd_as_its_peer() {
    pair_comes_up(Kind::OpenBgpd, "peer", "announce policy peer enforce");
}

#[test]
fn a_route_server_client_and_openbgpd_as_its_route_server() {
    pair_comes_up(Kind::OpenBgpd, "rs-client", "announce policy rs enforce");
}

#[test]
fn two_providers_do_not_come_up() {
    pair_is_refused("provider", &["local role provider;"]);
}

#[test]
fn a_strict_role_wants_a_role() {
    pair_is_refused("customer-strict", &[]);
}

fn pair_comes_up(kind: Kind, role: &str, theirs: &str) {
    let Some(mut stage) = Stage::open(&[kind]) else {
        return;
    };
    stage.peering(TOR_AS, &[("role", role)], &[]);
    let mut tor = kind.on(&stage.tor_host, stage.tor_config(TOR_AS).with(&[theirs]));
    let capture = stage.capture();
    stage.raise(&mut *tor);
    wait_learned("the node", &stage.node, &TOR_PREFIXES.map(prefix));
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    let trace = capture.finish();
    for address in addresses(&stage.node_host) {
        trace.assert_well_formed(address);
        assert_eq!(trace.notifications(address), []);
    }
}

fn pair_is_refused(role: &str, theirs: &[&str]) {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[("role", role)], &[]);
    let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS).with(theirs));
    let capture = stage.capture();
    tor.start();
    stage.node.start();
    for address in addresses(&stage.node_host) {
        wait_for("the refusal", LONG, || {
            capture
                .so_far()
                .notifications(address)
                .contains(&ROLE_MISMATCH)
        });
    }
    for address in addresses(&stage.tor_host) {
        assert!(!stage.node.established(address));
    }
}
