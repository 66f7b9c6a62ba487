//! GoBGP.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{Peer, ROUTER_ASN, Setup, daemon};
use crate::network::{PORT, ROUTER, WAITING_PORT};

pub(super) fn command(setup: &Setup, program: &Path, directory: &Path) -> anyhow::Result<Command> {
    fs::write(
        directory.join("gobgpd.json"),
        configuration(setup).to_string(),
    )?;
    let mut command = daemon::command(program);
    command.args([
        "-t",
        "json",
        "-f",
        "gobgpd.json",
        "--api-hosts",
        "127.0.0.1:50051",
        "--log-plain",
    ]);
    Ok(command)
}

fn configuration(setup: &Setup) -> Value {
    json!({
        "global": { "config": { "as": ROUTER_ASN, "router-id": ROUTER } },
        "neighbors": setup.peers.iter().map(|peer| neighbor(setup, peer)).collect::<Vec<_>>(),
    })
}

fn neighbor(setup: &Setup, peer: &Peer) -> Value {
    let port = if setup.active { WAITING_PORT } else { PORT };
    json!({
        "config": { "neighbor-address": peer.address, "peer-as": peer.asn },
        "transport": {
            "config": { "local-address": ROUTER, "passive-mode": !setup.active, "remote-port": port }
        },
        "route-reflector": {
            "config": { "route-reflector-client": setup.reflector, "route-reflector-cluster-id": ROUTER }
        },
        "afi-safis": [ { "config": { "afi-safi-name": "ipv4-unicast" } } ],
    })
}
