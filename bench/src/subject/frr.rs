//! FRR's bgpd alone, without zebra. The routes are in a view, which treats every next hop as reachable.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{ROUTER_ASN, Setup, daemon};
use crate::network::{ROUTER, WAITING_PORT};

pub(super) fn command(setup: &Setup, program: &Path, directory: &Path) -> anyhow::Result<Command> {
    fs::write(directory.join("bgpd.conf"), configuration(setup)?)?;
    let mut command = daemon::command(program);
    // Without zebra, as the user that it is started as, and without a port for its console.
    command.args([
        "--no_zebra",
        "--skip_runas",
        "--vty_port",
        "0",
        "--log",
        "stdout",
    ]);
    command
        .args([
            "--config_file",
            "bgpd.conf",
            "--pid_file",
            "bgpd.pid",
            "--vty_socket",
        ])
        .arg(directory);
    Ok(command)
}

fn configuration(setup: &Setup) -> Result<String, std::fmt::Error> {
    let mut text = format!(
        "router bgp {ROUTER_ASN} view bench\n bgp router-id {ROUTER}\n no bgp ebgp-requires-policy\n \
         no bgp default ipv4-unicast\n"
    );
    if setup.reflector {
        writeln!(text, " bgp cluster-id {ROUTER}")?;
    }
    for peer in &setup.peers {
        let name = format!(" neighbor {}", peer.address);
        writeln!(
            text,
            "{name} remote-as {}\n{name} disable-connected-check",
            peer.asn
        )?;
        writeln!(text, "{name} update-source {ROUTER}")?;
        if setup.active {
            writeln!(text, "{name} port {WAITING_PORT}")?;
        } else {
            writeln!(text, "{name} passive")?;
        }
    }
    text += " address-family ipv4 unicast\n";
    for peer in &setup.peers {
        writeln!(text, "  neighbor {} activate", peer.address)?;
        if setup.reflector {
            writeln!(text, "  neighbor {} route-reflector-client", peer.address)?;
        }
    }
    text += " exit-address-family\n";
    Ok(text)
}
