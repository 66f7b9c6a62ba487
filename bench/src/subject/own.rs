//! This project's daemon: a node of a cluster without a mesh, with peers that have a BGPFilter accepting everything.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{ROUTER_ASN, Setup, daemon};
use crate::network::{PREFIX_LEN, ROUTER, WAITING_PORT};

pub(super) fn command(setup: &Setup, program: &Path, directory: &Path) -> anyhow::Result<Command> {
    let resources = directory.join("resources");
    fs::create_dir(&resources)?;
    fs::write(resources.join("cluster.yaml"), cluster(setup)?)?;
    let mut command = daemon::command(program);
    command
        .args([
            "run",
            "--no-kernel",
            "--node",
            "router",
            "--datastore",
            "resources",
            "--run-dir",
        ])
        .arg(directory);
    Ok(command)
}

fn cluster(setup: &Setup) -> Result<String, std::fmt::Error> {
    let mut text = format!(
        "apiVersion: projectcalico.org/v3\nkind: BGPConfiguration\nmetadata:\n  name: default\nspec:\n  \
           asNumber: {ROUTER_ASN}\n  nodeToNodeMeshEnabled: false\n\
         ---\napiVersion: projectcalico.org/v3\nkind: BGPFilter\nmetadata:\n  name: everything\nspec:\n  \
           importV4: [{{ action: Accept }}]\n  exportV4: [{{ action: Accept }}]\n\
         ---\napiVersion: projectcalico.org/v3\nkind: Node\nmetadata:\n  name: router\nspec:\n  bgp:\n    \
             ipv4Address: {ROUTER}/{PREFIX_LEN}\n"
    );
    if setup.reflector {
        writeln!(text, "    routeReflectorClusterID: {ROUTER}")?;
    }
    let port = if setup.active {
        format!(":{WAITING_PORT}")
    } else {
        String::new()
    };
    for (index, peer) in setup.peers.iter().enumerate() {
        writeln!(
            text,
            "---\napiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: peer{index}\n  annotations:\n    \
               bgp-daemon.io/passive: \"{}\"\nspec:\n  peerIP: {}{port}\n  asNumber: {}\n  filters: [everything]",
            !setup.active, peer.address, peer.asn
        )?;
    }
    Ok(text)
}
