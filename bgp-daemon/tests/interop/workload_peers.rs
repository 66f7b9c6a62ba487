//! A workload on the node that has a BGP session with it: on a `cali` interface, and named by a file as Felix writes it.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;

use crate::lab::capture::Capture;
use crate::lab::host::Host;
use crate::lab::peer::{Kind, PeerConfig, prefix};
use crate::lab::pod::Pod;
use crate::lab::wait::{LONG, SHORT, wait_for, wait_until};
use crate::scenario::{KERNEL_PROTOCOL, NODE_AS, TOR_AS, wait_learned};
use crate::stage::{BLOCKS, Stage};

const WORKLOAD_AS: u32 = 65_010;
/// What Felix gives the node's end of a workload's interface, as `localWorkloadPeeringIPV4` and `IPV6` say.
const PEERING: [&str; 2] = ["169.254.10.1", "fd00:179::1"];
const DEVICE: &str = "califw";
/// In the cluster's pools, but in no block of the node.
const WORKLOAD_PREFIXES: [&str; 2] = ["10.244.200.0/24", "fd10:244:0:0:200::/80"];

/// Promises 4.4, 6.1, 6.2, 6.3.
#[test]
fn a_workload_peers_with_its_node() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let workload = workload(&stage);
    stage.peering(TOR_AS, &[], &[]);
    stage.cluster.put(
        "peer-workload",
        &format!(
            "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: workloads\nspec:\n\
             \x20 localWorkloadSelector: all()\n  asNumber: {WORKLOAD_AS}\n"
        ),
    );
    let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS));
    let mut config = PeerConfig::on_lan(&workload, WORKLOAD_AS, &[(&stage.node_host, NODE_AS)])
        .announcing(&WORKLOAD_PREFIXES)
        .with(&["multihop;"]);
    for (session, node) in config.neighbors.iter_mut().zip(PEERING) {
        session.address = node.parse().expect("an address");
    }
    let mut speaker = Kind::Bird.on(&workload, config);
    let capture = Capture::start(&workload);
    stage.raise(&mut *tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));

    let file = write_status(&stage.node_host, &workload);
    let addresses: [IpAddr; 2] = [workload.ipv4.into(), workload.ipv6.into()];
    for address in addresses {
        wait_until("the session to be there", SHORT, || {
            stage.node.session(address)
        });
    }
    speaker.start();
    for address in addresses {
        wait_for(&format!("the session with {address}"), LONG, || {
            stage.node.established(address)
        });
        let row = stage.node.session(address).expect("it is there");
        assert!(
            row.trim_start_matches("1002-")
                .trim()
                .starts_with("Local_Workload_"),
            "{row}"
        );
    }
    // The route is announced to the router, and leads through the workload.
    let all = BLOCKS.into_iter().chain(WORKLOAD_PREFIXES).map(prefix);
    let routes = wait_learned("the router", &*tor, &all.collect::<Vec<_>>());
    let path = |text: &str| {
        let route = routes.iter().find(|route| route.prefix == prefix(text));
        route.map(|route| route.as_path.clone())
    };
    for text in WORKLOAD_PREFIXES {
        assert_eq!(path(text), Some(vec![NODE_AS, WORKLOAD_AS]));
    }
    for (text, address) in WORKLOAD_PREFIXES.into_iter().zip(addresses) {
        wait_for(&format!("{text} in the kernel"), LONG, || {
            let routes = stage.node_host.kernel_routes(KERNEL_PROTOCOL);
            routes
                .iter()
                .any(|route| route.prefix == prefix(text) && route.gateways.iter().eq([&address]))
        });
    }
    let trace = capture.finish();
    for node in PEERING {
        let node = node.parse().expect("an address");
        assert_eq!(trace.dials(node), 0, "a workload is waited for");
    }

    fs::remove_file(file).expect("it was written");
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    for address in addresses {
        assert!(stage.node.session(address).is_err(), "the session is gone");
    }
}

/// A pod with the addresses 5 of the node's blocks.
fn workload(stage: &Stage) -> Rc<Host> {
    let (node, tor) = (&stage.node_host, &stage.tor_host);
    node.enable_forwarding();
    // As on a real node; without a default route the kernel would not answer ARP for 169.254.1.1.
    node.ns
        .run(&format!("ip route add default via {}", tor.ipv4));
    node.ns
        .run(&format!("ip -6 route add default via {}", tor.ipv6));
    let ipv4 = [10, 244, 1, 5].into();
    let ipv6 = "fd10:244::5".parse().expect("an address");
    let pod = Pod::on(node, "fw", ipv4, ipv6);
    for (address, more) in [(PEERING[0], "/32"), (PEERING[1], "/128 nodad")] {
        node.ns
            .run(&format!("ip addr add {address}{more} dev {DEVICE}"));
    }
    pod.into_host("workload", &node.directory)
}

/// The endpoint status of the workload, below the folder that the node was given.
fn write_status(node: &Host, workload: &Host) -> PathBuf {
    let folder = node.directory.join("endpoint-status");
    fs::create_dir_all(&folder).expect("the node's directory is writable");
    let file = folder.join("k8s-pod-fw");
    let Host { ipv4, ipv6, .. } = workload;
    let text = format!(
        r#"{{"ifaceName":"{DEVICE}","ipv4Nets":["{ipv4}/32"],"ipv6Nets":["{ipv6}/128"],"bgpPeerName":"workloads"}}"#
    );
    fs::write(&file, text).expect("the folder is there");
    file
}
