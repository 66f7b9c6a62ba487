//! OpenBGPD. Its portable version keeps no kernel routes.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::{ROUTER_ASN, Setup, daemon};
use crate::network::{ROUTER, WAITING_PORT};

/// Where its unprivileged processes change their root to; the package's unit makes it.
const CHROOT: &str = "/run/openbgpd";

pub(super) fn command(setup: &Setup, program: &Path, directory: &Path) -> anyhow::Result<Command> {
    fs::create_dir_all(CHROOT).context(CHROOT)?;
    // It refuses a file that others can read.
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let socket = directory.join("openbgpd.sock");
    options
        .open(directory.join("openbgpd.conf"))?
        .write_all(configuration(setup, &socket)?.as_bytes())?;
    let mut command = daemon::command(program);
    command.args(["-d", "-f", "openbgpd.conf"]);
    Ok(command)
}

fn configuration(setup: &Setup, socket: &Path) -> Result<String, std::fmt::Error> {
    let mut text = format!(
        "AS {ROUTER_ASN}\nrouter-id {ROUTER}\nsocket \"{}\"\n",
        socket.display()
    );
    for peer in &setup.peers {
        writeln!(
            text,
            "neighbor {} {{\n  remote-as {}\n  local-address {ROUTER}",
            peer.address, peer.asn
        )?;
        writeln!(text, "  announce IPv4 unicast")?;
        if setup.reflector {
            writeln!(text, "  route-reflector {ROUTER}")?;
        }
        if setup.active {
            writeln!(text, "  port {WAITING_PORT}")?;
        } else {
            writeln!(text, "  passive")?;
        }
        writeln!(text, "}}")?;
    }
    Ok(text + "allow from any\nallow to any\n")
}
