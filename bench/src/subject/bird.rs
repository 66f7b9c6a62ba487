//! BIRD 2 or 3.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{ROUTER_ASN, Setup, daemon};
use crate::network::{ROUTER, WAITING_PORT};

pub(super) fn command(setup: &Setup, program: &Path, directory: &Path) -> anyhow::Result<Command> {
    fs::write(directory.join("bird.conf"), configuration(setup)?)?;
    let mut command = daemon::command(program);
    command.args(["-f", "-c", "bird.conf", "-s", "bird.ctl", "-P", "bird.pid"]);
    Ok(command)
}

fn configuration(setup: &Setup) -> Result<String, std::fmt::Error> {
    let mut text = format!("log stderr all;\nrouter id {ROUTER};\nprotocol device {{}}\n");
    let reflector = if setup.reflector {
        format!("rr client; rr cluster id {ROUTER};")
    } else {
        String::new()
    };
    // BIRD binds a direct session to the interface of its network, and no host is attached to that interface.
    let side = if setup.active {
        "multihop;"
    } else {
        "direct; passive on;"
    };
    let port = if setup.active {
        format!("port {WAITING_PORT}")
    } else {
        String::new()
    };
    for (index, peer) in setup.peers.iter().enumerate() {
        writeln!(
            text,
            "protocol bgp peer{index} {{ local {ROUTER} as {ROUTER_ASN}; neighbor {} {port} as {}; {side} \
             {reflector} ipv4 {{ import all; export all; }}; }}",
            peer.address, peer.asn
        )?;
    }
    Ok(text)
}
