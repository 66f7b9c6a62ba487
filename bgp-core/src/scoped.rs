//! Link-local addresses with their interface.
//!
//! The RIB knows a next hop by its address, and the same link-local address may exist on several links. So the next hop of a peer
//! on a link holds the number of the interface in the 32 bits after `fe80::/16`, which are zero on the wire (RFC 4291 §2.5.6).
//! Such an address leaves the RIB towards the owner only: a link-local next hop is never advertised to another peer (RFC 2545 §3).

use std::net::{IpAddr, Ipv6Addr};

/// The address with the number of its interface inside. An address that is not link-local stays as it is.
pub fn with_scope(address: Ipv6Addr, scope: u32) -> Ipv6Addr {
    if !address.is_unicast_link_local() {
        return address;
    }
    let mut segments = address.segments();
    segments[1] = (scope >> 16) as u16;
    segments[2] = scope as u16;
    segments.into()
}

/// The address as on the wire, and the number of its interface; 0 is none.
pub fn split_scope(address: Ipv6Addr) -> (Ipv6Addr, u32) {
    if !address.is_unicast_link_local() {
        return (address, 0);
    }
    let mut segments = address.segments();
    let scope = u32::from(segments[1]) << 16 | u32::from(segments[2]);
    (segments[1], segments[2]) = (0, 0);
    (segments.into(), scope)
}

/// The address as on the wire.
pub fn without_scope(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => split_scope(address).0.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_link_local_addresses_have_a_scope() {
        let link_local: Ipv6Addr = "fe80::1:2".parse().unwrap();
        for scope in [0, 1, 0x1_0002, u32::MAX] {
            let scoped = with_scope(link_local, scope);
            assert_eq!(split_scope(scoped), (link_local, scope));
            assert!(scoped.is_unicast_link_local());
        }
        let global: Ipv6Addr = "2001:db8:1:2::1".parse().unwrap();
        assert_eq!(with_scope(global, 7), global);
        assert_eq!(split_scope(global), (global, 0));
        assert_eq!(
            without_scope(with_scope(link_local, 7).into()),
            IpAddr::from(link_local)
        );
    }
}
