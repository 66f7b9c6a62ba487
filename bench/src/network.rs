//! The network of one run: a fresh namespace in which every address of a range is local.
//!
//! The range is on an interface without another end, so that daemons see an ordinary connected network. A local route makes the
//! kernel accept the addresses as its own, so that each client has a source address. Packets never leave the loopback device.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Where the router is, with the length of the network.
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// Length of the network's prefix (RFC 2544, for benchmarks).
pub(crate) const PREFIX_LEN: u8 = 15;
/// BGP.
pub(crate) const PORT: u16 = 179;
/// Where a peer waits that is connected to: the router listens on every address of this machine on the usual port.
pub(crate) const WAITING_PORT: u16 = 1790;

/// The router's end of a session.
pub(crate) fn router() -> SocketAddr {
    SocketAddrV4::new(ROUTER, PORT).into()
}

/// The address of a client.
pub(crate) fn client(index: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(ROUTER.to_bits() + 0xff + index)
}

/// A command line that runs a program in a namespace of its own; without root, in a user namespace, too.
pub(crate) fn isolated() -> Vec<&'static str> {
    if rustix::process::geteuid().is_root() {
        vec!["unshare", "--net"]
    } else {
        vec!["unshare", "--user", "--map-root-user", "--net"]
    }
}

/// Makes the network in the namespace of this process.
pub(crate) fn set_up() -> anyhow::Result<()> {
    let address = format!("ip address add {ROUTER}/{PREFIX_LEN} dev bench0");
    let local = format!(
        "ip route add local {}/{PREFIX_LEN} dev lo",
        Ipv4Addr::new(198, 18, 0, 0)
    );
    for line in [
        "ip link set lo up",
        "ip link add bench0 type veth peer name bench1",
        &address,
        "ip link set bench1 up",
        "ip link set bench0 up",
        &local,
    ] {
        run(line)?;
    }
    Ok(())
}

fn run(line: &str) -> anyhow::Result<()> {
    let mut words = line.split(' ');
    let program = words.next().unwrap_or_default();
    let output = Command::new(program)
        .args(words)
        .output()
        .with_context(|| line.to_owned())?;
    ensure!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
