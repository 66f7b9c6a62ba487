//! What this machine knows of itself.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::IpNet;

/// The host name, in place of the variable that shells have.
pub(super) fn name(variable: &str) -> Option<String> {
    let is_it = variable == "HOSTNAME";
    is_it
        .then(|| fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .flatten()
}

/// The address from which `to` is reached, with the length of its network. Sends nothing.
pub(super) fn address_towards(to: IpAddr) -> Option<IpNet> {
    let any: IpAddr = match to {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(SocketAddr::new(to, 179)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    let length = match address {
        IpAddr::V4(address) => ipv4_length(&fs::read_to_string("/proc/net/route").ok()?, address),
        IpAddr::V6(address) => {
            ipv6_length(&fs::read_to_string("/proc/net/if_inet6").ok()?, address)
        }
    };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    IpNet::new(address, length.unwrap_or(whole)).ok()
}

/// The length of the longest route without a gateway that covers an address. A row has interface, destination, gateway, flags,
/// three numbers, mask; addresses are in the byte order of the machine.
fn ipv4_length(routes: &str, address: Ipv4Addr) -> Option<u8> {
    let own = u32::from_ne_bytes(address.octets());
    let number = |text: &str| u32::from_str_radix(text, 16).ok();
    let rows = routes.lines().filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, destination, gateway, _, _, _, _, mask, ..] = fields[..] else {
            return None;
        };
        let (destination, gateway, mask) = (number(destination)?, number(gateway)?, number(mask)?);
        let covers = gateway == 0 && mask != 0 && own & mask == destination;
        covers.then(|| mask.count_ones())
    });
    rows.max().and_then(|length| u8::try_from(length).ok())
}

/// The length of the network of one of the machine's addresses. A row has address, number of the interface, length, and more, in
/// hexadecimal digits.
fn ipv6_length(addresses: &str, address: Ipv6Addr) -> Option<u8> {
    let own: String = address
        .octets()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let row = addresses.lines().find(|line| line.starts_with(&own))?;
    u8::from_str_radix(row.split_whitespace().nth(2)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_networks() {
        let routes = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                      eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                      eth0\t0000000A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
                      eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        let little = |routes: &str| match cfg!(target_endian = "little") {
            true => ipv4_length(routes, Ipv4Addr::new(10, 0, 0, 11)),
            false => Some(24),
        };
        assert_eq!(little(routes), Some(24));
        assert_eq!(ipv4_length(routes, Ipv4Addr::new(192, 0, 2, 1)), None);
        let addresses = "fd000000000000000000000000000011 02 40 00 80     eth0\n";
        assert_eq!(
            ipv6_length(addresses, "fd00::11".parse().expect("an address")),
            Some(64)
        );
        assert_eq!(ipv6_length(addresses, Ipv6Addr::LOCALHOST), None);
    }
}
