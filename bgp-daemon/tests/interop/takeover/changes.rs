//! What the successor's resources no longer have ends as at any other change.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::bfd::wait_sum;
use crate::lab::cluster::Cluster;
use crate::lab::peer::Kind;
use crate::lab::wait::{LONG, wait_for};
use crate::scenario::{TOR_AS, addresses};
use crate::stage::Stage;

/// A copy of the resources, from which the next process reads.
fn copy_resources(stage: &mut Stage) {
    let from = stage.cluster.directory().to_owned();
    let to = from.with_extension("new");
    let copy = Cluster::create(&to);
    for entry in fs::read_dir(&from).expect("the folder") {
        let entry = entry.expect("a file");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("it is copied");
    }
    stage.node.read_from(&to);
    stage.cluster = copy;
}

/// FRR learns by AdminDown that nobody watches any more. It takes that for a failure, unless its BFD looks at the C bit.
#[test]
fn bfd_that_left_the_plan_ends_with_admin_down() {
    let Some(mut stage) = Stage::open(&[Kind::Frr]) else {
        return;
    };
    stage.peering(TOR_AS, &[("bfd", "100ms/100ms/3")], &[]);
    stage.node.set("BGP_DAEMON_TAKE_OVER", true);
    let config =
        stage
            .tor_config(TOR_AS)
            .with(&["bfd", "bfd 3 100 100", "bfd check-control-plane-failure"]);
    let mut tor = Kind::Frr.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 2.0);
    let capture = stage.capture();
    // FRR may begin twice.
    let downs = |stage: &Stage| stage.node.log().matches("session down peer").count();
    let before = downs(&stage);
    copy_resources(&mut stage);
    stage.peering(TOR_AS, &[], &[]);
    assert!(stage.node.succeed().success());
    for family in ["ip", "ipv6"] {
        let own = match family {
            "ip" => stage.node_host.ipv4.to_string(),
            _ => stage.node_host.ipv6.to_string(),
        };
        let filter = format!("bfd.sta == 0 && {family}.src == {own}");
        wait_for("AdminDown", LONG, || {
            !capture
                .so_far()
                .fields(&filter, &["frame.number"])
                .is_empty()
        });
    }
    stage.wait_up(&*tor);
    let log = stage.node.log();
    assert!(log.contains("took 2 sessions over, and ended 0"), "{log}");
    assert_eq!(downs(&stage), before, "{log}");
    for address in addresses(&stage.node_host) {
        assert_eq!(capture.so_far().notifications(address), []);
    }
}

/// A password that is gone is on no socket: a connection without one is accepted, and the session with it ends.
#[test]
fn a_removed_password_is_on_no_socket() {
    let Some(mut stage) = Stage::open(&[Kind::Frr]) else {
        return;
    };
    stage.cluster.secret("tors", "password", "hunter2");
    let secret = "password: {secretKeyRef: {name: tors, key: password}}";
    stage.peering(TOR_AS, &[], &[secret]);
    stage.node.set("BGP_DAEMON_TAKE_OVER", true);
    let config = stage.tor_config(TOR_AS);
    let signed = config
        .clone()
        .with_sessions(|session| session.password = Some("hunter2".into()));
    let mut tor = Kind::Frr.on(&stage.tor_host, signed);
    stage.raise(&mut *tor);
    let to = SocketAddr::new(stage.node_host.ipv4.into(), 179);
    let connects = |stage: &Stage| {
        let tried = stage
            .tor_host
            .ns
            .spawn(move || TcpStream::connect_timeout(&to, Duration::from_millis(500)).is_ok());
        tried.join().expect("it was tried")
    };
    assert!(!connects(&stage), "the kernel wants a signature");
    copy_resources(&mut stage);
    stage.peering(TOR_AS, &[], &[]);
    assert!(stage.node.succeed().success());
    let log = stage.node.log();
    assert!(log.contains("took 0 sessions over, and ended 2"), "{log}");
    wait_for("a connection without a password", LONG, || connects(&stage));
    tor.stop();
    let mut tor = Kind::Frr.on(&stage.tor_host, config);
    tor.start();
    stage.wait_up(&*tor);
}
