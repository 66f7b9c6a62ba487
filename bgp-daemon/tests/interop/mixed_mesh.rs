//! A mesh in which one node runs BIRD as Calico configures it and the other runs our daemon. Addresses compared as text decide
//! which side connects: the node with the greater one connects, the other waits. Both must follow this rule, or neither connects.

use std::rc::Rc;

use crate::lab::capture::Capture;
use crate::lab::host::Host;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, PeerConfig, lab_for, prefix};
use crate::scenario::{NODE_AS, addresses, wait_established, wait_kernel, wait_learned};

/// As text, 10.0.0.9 is greater than 10.0.0.10, and fd00::9 than fd00::10.
/// Promises 3.7, 4.1.
#[test]
fn our_node_dials() {
    mesh_of_two(9, 10);
}

/// Promises 3.7, 4.1.
#[test]
fn our_node_waits() {
    mesh_of_two(10, 9);
}

fn mesh_of_two(own_number: u8, bird_number: u8) {
    let Some(lab) = lab_for(&[Kind::Bird]) else {
        return;
    };
    let own_host = lab.host("own", own_number);
    let bird_host = lab.host("bird", bird_number);
    let cluster = lab.cluster();
    let blocks = [prefix("10.244.1.0/26"), prefix("fd10:244::/122")];
    cluster
        .bgp_configuration(NODE_AS, true, &[])
        .pool("ipv4", "10.244.0.0/16")
        .pool("ipv6", "fd10:244::/64")
        .node(&own_host)
        .node(&bird_host)
        .block(&own_host, blocks[0])
        .block(&own_host, blocks[1]);
    let mut bird = Kind::Bird.on(&bird_host, calico_config(&bird_host, &own_host));
    let mut node = Node::new(&own_host, cluster.directory());

    let capture = Capture::start(&own_host);
    bird.start();
    node.start();
    wait_established("our node", &node, &bird_host);
    wait_learned("BIRD", &*bird, &blocks);
    let theirs = [prefix("10.244.2.0/26"), prefix("fd10:244::1:0/122")];
    wait_learned("our node", &node, &theirs);
    wait_kernel(&own_host, &theirs, &bird_host);

    let trace = capture.finish();
    for (own, other) in addresses(&own_host).into_iter().zip(addresses(&bird_host)) {
        let (dialer, waiter) = if own.to_string() > other.to_string() {
            (own, other)
        } else {
            (other, own)
        };
        assert!(trace.dials(dialer) > 0, "{dialer} must dial");
        assert_eq!(trace.dials(waiter), 0, "{waiter} must wait");
        trace.assert_well_formed(own);
    }
}

fn calico_config(bird: &Rc<Host>, own: &Host) -> PeerConfig {
    let mut config = PeerConfig::on_lan(bird, NODE_AS, &[(own, NODE_AS)])
        .announcing(&["10.244.2.0/26", "fd10:244::1:0/122"]);
    for session in &mut config.neighbors {
        session.passive = session.address.to_string() > session.local.to_string();
    }
    config
}
