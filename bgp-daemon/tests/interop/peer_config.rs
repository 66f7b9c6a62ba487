//! The router's side as `peer-config` prints it, in the hands of the router's own program: both nodes' sessions come up, with
//! password and TTL security, and the router passes routes on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::lab::host::Host;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, lab_for, prefix, run};
use crate::lab::process::Process;
use crate::lab::wait::{LONG, wait_for};
use crate::scenario::{NODE_AS, TOR_AS};

const SECRET: &str = "s3cret-of-the-tor";

#[test]
fn frr() {
    a_router_takes_its_configuration("frr", Kind::Frr, TOR_AS);
}

#[test]
fn bird() {
    a_router_takes_its_configuration("bird", Kind::Bird, NODE_AS);
}

#[test]
fn gobgp() {
    a_router_takes_its_configuration("gobgp", Kind::GoBgp, NODE_AS);
}

#[test]
fn openbgpd() {
    a_router_takes_its_configuration("openbgpd", Kind::OpenBgpd, TOR_AS);
}

fn a_router_takes_its_configuration(vendor: &str, kind: Kind, tor_as: u32) {
    let Some(lab) = lab_for(&[kind]) else { return };
    let tor = lab.host("tor", 1);
    let hosts = [lab.host("node1", 11), lab.host("node2", 12)];
    let cluster = lab.cluster();
    cluster
        .bgp_configuration(NODE_AS, false, &[])
        .secret("bgp", "tor", SECRET)
        .pool("ipv4", "10.244.0.0/16");
    hosts.iter().for_each(|host| {
        cluster.node(host);
    });
    cluster.block(&hosts[0], prefix("10.244.1.0/26"));
    let peer = |name: &str, address: &str, more: &str| {
        // Behind a router of another AS the nodes see their own AS in the path.
        let text = format!(
            "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {{name: {name}}}\n\
             spec:\n  peerIP: \"{address}\"\n  asNumber: {tor_as}\n  numAllowedLocalASNumbers: 1\n  {more}\n"
        );
        cluster.put(name, &text);
    };
    peer(
        "tor",
        &tor.ipv4.to_string(),
        "password: {secretKeyRef: {name: bgp, key: tor}}",
    );
    peer("tor-v6", &tor.ipv6.to_string(), "ttlSecurity: 1");
    let mut nodes = hosts
        .each_ref()
        .map(|host| Node::new(host, cluster.directory()));
    let folder = cluster.directory().display().to_string();
    let printed = nodes[0].print(&["peer-config", "--vendor", vendor, "-f", &folder]);
    assert!(
        printed.contains("PASSWORD") && !printed.contains(SECRET),
        "{printed}"
    );
    let _router = start(&tor, kind, &printed.replace("PASSWORD", SECRET));
    nodes.iter_mut().for_each(Node::start);
    for node in &nodes {
        for address in [tor.ipv4.into(), tor.ipv6.into()] {
            wait_for(
                &format!("{} to reach {address}\n{printed}", node.host.name),
                LONG,
                || node.established(address),
            );
        }
    }
    wait_for(
        "the second node to learn the block of the first",
        LONG,
        || {
            let routes = hosts[1].kernel_routes("12");
            routes
                .iter()
                .any(|route| route.prefix == prefix("10.244.1.0/26"))
        },
    );
}

/// Starts the program with nothing but this configuration, and with sockets of its own.
fn start(tor: &Host, kind: Kind, text: &str) -> Vec<Process> {
    let directory = tor.directory.join("router");
    fs::create_dir(&directory).expect("the host's directory is writable");
    let path = |name: &str| directory.join(name).display().to_string();
    let write = |name: &str, text: &str| {
        fs::write(path(name), text).expect("the directory is writable");
        // OpenBGPD reads no file with a password that others can read.
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(path(name), private).expect("the file is ours");
    };
    match kind {
        Kind::Bird => {
            write("bird.conf", text);
            let arguments = [
                "-f",
                "-c",
                &path("bird.conf"),
                "-s",
                &path("bird.ctl"),
                "-P",
                &path("bird.pid"),
            ];
            vec![Process::start(tor, "bird", "bird", &arguments)]
        }
        Kind::GoBgp => {
            write("gobgpd.yaml", text);
            let arguments = [
                "-t",
                "yaml",
                "-f",
                &path("gobgpd.yaml"),
                "--api-hosts",
                "127.0.0.1:50051",
                "--log-plain",
            ];
            vec![Process::start(tor, "gobgpd", "gobgpd", &arguments)]
        }
        Kind::OpenBgpd => {
            // The package's unit makes this directory.
            fs::create_dir_all("/run/openbgpd")
                .expect("root may make the daemon's empty directory");
            write(
                "bgpd.conf",
                &format!("socket \"{}\"\n{text}", path("bgpd.sock")),
            );
            vec![Process::start(
                tor,
                "openbgpd",
                "/usr/sbin/bgpd",
                &["-d", "-f", &path("bgpd.conf")],
            )]
        }
        Kind::Frr => {
            write("zebra.conf", "");
            write("bgpd.conf", text);
            frr_in(tor, &directory)
        }
        Kind::ExaBgp | Kind::Own => unreachable!("peer-config knows no such vendor"),
    }
}

/// FRR's programs run as its own user.
fn frr_in(tor: &Host, directory: &Path) -> Vec<Process> {
    let path = |name: &str| directory.join(name).display().to_string();
    run(
        "chown",
        &["-R", "frr:frr", &directory.display().to_string()],
    );
    ["zebra", "bgpd"]
        .map(|name| {
            let (program, file, pid) = (
                format!("/usr/lib/frr/{name}"),
                format!("{name}.conf"),
                format!("{name}.pid"),
            );
            let arguments = [
                "-f",
                &path(&file),
                "-i",
                &path(&pid),
                "-z",
                &path("zserv.api"),
                "--vty_socket",
                &directory.display().to_string(),
                "-P",
                "0",
                "--log",
                "stdout",
            ];
            let process = Process::start(tor, name, &program, &arguments);
            let socket = directory.join(format!("{name}.vty"));
            wait_for(&format!("FRR's {name} to listen"), LONG, || socket.exists());
            process
        })
        .into()
}
