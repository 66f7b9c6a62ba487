//! The TCP sockets of this network namespace, from `/proc/net/tcp` and `/proc/net/tcp6`.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};

use crate::doctor::facts::{Socket, TcpState};
use crate::occupant::address;

/// All BGP sockets: with this port on either side, or one of these addresses on the other.
pub(in crate::doctor) fn sockets(ports: &BTreeSet<u16>, peers: &BTreeSet<IpAddr>) -> Vec<Socket> {
    let own = own_inodes();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    // A system may lack one of the families.
    let tables = tables.map(|table| fs::read_to_string(table).unwrap_or_default());
    let sockets = tables.iter().flat_map(|table| table.lines());
    let sockets = sockets.filter_map(|line| socket(line, &own));
    sockets
        .filter(|socket| {
            ports.contains(&socket.local.port())
                || ports.contains(&socket.remote.port())
                || peers.contains(&socket.remote.ip())
        })
        .collect()
}

/// Parses a line of these tables: addresses, state, octets in flight, retransmissions, user, inode.
fn socket(line: &str, own: &BTreeSet<u64>) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let canonical = |text: &str| {
        let address = address(text)?;
        Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
    };
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let (unacknowledged, _) = fields.get(4)?.split_once(':')?;
    let inode = fields.get(9)?.parse().ok()?;
    Some(Socket {
        local: canonical(fields.get(1)?)?,
        remote: canonical(fields.get(2)?)?,
        state: TcpState(u8::try_from(number(fields.get(3)?)?).ok()?),
        unacknowledged: number(unacknowledged)?,
        retransmissions: number(fields.get(6)?)?,
        user: fields.get(7)?.parse().ok()?,
        is_ours: own.contains(&inode),
        has_owner: inode != 0,
    })
}

/// The inodes of this process's sockets.
fn own_inodes() -> BTreeSet<u64> {
    let descriptors = fs::read_dir("/proc/self/fd").into_iter().flatten();
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let inodes = targets.filter_map(|target| {
        let name = target.to_str()?;
        name.strip_prefix("socket:[")?
            .strip_suffix(']')?
            .parse()
            .ok()
    });
    inodes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_is_not_acknowledged() {
        let line = "   3: 0B00000A:9C42 0100000A:00B3 01 00000035:00000000 01:000000C8 00000003     0        0 4711 3 0 100 4 30 10 10 -1";
        let found = socket(line, &[4711].into()).expect("a socket");
        assert_eq!(
            found,
            Socket {
                local: "10.0.0.11:40002".parse().expect("an address"),
                remote: "10.0.0.1:179".parse().expect("an address"),
                state: TcpState::ESTABLISHED,
                unacknowledged: 0x35,
                retransmissions: 3,
                user: 0,
                is_ours: true,
                has_owner: true,
            }
        );
        assert_eq!(
            socket("  sl  local_address rem_address", &BTreeSet::new()),
            None
        );
    }

    #[test]
    fn own_sockets_are_told_from_others() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let found = sockets(&[port].into(), &BTreeSet::new());
        assert!(
            found
                .iter()
                .any(|socket| socket.is_ours && socket.state == TcpState::LISTEN)
        );
    }
}
