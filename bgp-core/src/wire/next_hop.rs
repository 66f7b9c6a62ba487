//! Next hops: the NEXT_HOP attribute (RFC 4271 §5.1.3) and the field in MP_REACH_NLRI (RFC 4760 §3, RFC 2545 §3,
//! RFC 8950 §3).
//!
//! Checks whether an address can be a next hop. The RIB checks whether it is reachable, our own, or a loopback address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::BufMut;

use super::Context;
use super::read::{Malformed, Reader};
use crate::scoped::split_scope;
use crate::types::Family;

/// A next hop (RFC 4271 §5.1.3, RFC 2545 §3, RFC 8950 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(untagged)
)]
pub enum NextHop {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address: global, or link-local on an unnumbered link.
    V6(Ipv6Addr),
    /// Both addresses of an IPv6 neighbour on the same link.
    V6LinkLocal {
        /// The global address.
        global: Ipv6Addr,
        /// The link-local address.
        link_local: Ipv6Addr,
    },
}

/// An error of a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The length is not allowed for the family.
    Length,
    /// No packet can be sent to the address.
    Unusable,
}

impl NextHop {
    /// The address to resolve: the global one if there are two.
    pub fn address(self) -> IpAddr {
        match self {
            Self::V4(address) => address.into(),
            Self::V6(address)
            | Self::V6LinkLocal {
                global: address, ..
            } => address.into(),
        }
    }

    /// The link-local address, alone or next to a global one.
    pub fn link_local(self) -> Option<Ipv6Addr> {
        match self {
            Self::V4(_) => None,
            Self::V6(address) => address.is_unicast_link_local().then_some(address),
            Self::V6LinkLocal { link_local, .. } => Some(link_local),
        }
    }

    /// Decodes the next hop of an MP_REACH_NLRI of this family.
    pub(super) fn decode(family: Family, octets: &[u8], context: &Context) -> Result<Self, Fault> {
        let allowed = match octets.len() {
            4 => family == Family::Ipv4Unicast,
            _ => family == Family::Ipv6Unicast || context.extended_next_hop,
        };
        Self::from_octets(octets)
            .filter(|_| allowed)
            .ok_or(Fault::Length)?
            .usable()
            .ok_or(Fault::Unusable)
    }

    /// The addresses in the field, by its length.
    pub(super) fn from_octets(octets: &[u8]) -> Option<Self> {
        match octets.len() {
            4 => read_ipv4(octets).ok(),
            16 | 32 => read_ipv6(octets).ok(),
            _ => None,
        }
    }

    /// The next hop, if packets can be sent to it (RFC 4271 §6.3: "a valid IP host address").
    pub(super) fn usable(self) -> Option<Self> {
        let usable = match self.address() {
            IpAddr::V4(address) => is_ipv4_host(address),
            IpAddr::V6(address) => !address.is_unspecified() && !address.is_multicast(),
        };
        usable.then_some(self)
    }

    /// Octets appended by [`Self::put`].
    pub(super) fn len(self) -> usize {
        match self {
            Self::V4(_) => 4,
            Self::V6(_) => 16,
            Self::V6LinkLocal { .. } => 32,
        }
    }

    /// Whether the address is a loopback address (127.0.0.0/8, ::1).
    pub const fn is_loopback(self) -> bool {
        match self {
            Self::V4(address) => address.is_loopback(),
            Self::V6(address)
            | Self::V6LinkLocal {
                global: address, ..
            } => address.is_loopback(),
        }
    }

    /// Appends the addresses.
    pub(super) fn put(self, out: &mut impl BufMut) {
        match self {
            Self::V4(address) => out.put_slice(&address.octets()),
            Self::V6(address) => out.put_slice(&address.octets()),
            Self::V6LinkLocal { global, link_local } => {
                out.put_slice(&global.octets());
                out.put_slice(&link_local.octets());
            }
        }
    }
}

/// Whether packets can be sent to the address.
pub(super) fn is_ipv4_host(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && !address.is_multicast() && !address.is_broadcast()
}

fn read_ipv4(octets: &[u8]) -> Result<NextHop, Malformed> {
    Reader::new(octets).ipv4().map(NextHop::V4)
}

fn read_ipv6(octets: &[u8]) -> Result<NextHop, Malformed> {
    let mut reader = Reader::new(octets);
    let global = reader.ipv6()?;
    if reader.is_empty() {
        return Ok(NextHop::V6(global));
    }
    let link_local = reader.ipv6()?;
    // Unnumbered peers fill the second half with zeros, or repeat the same address: then there is only one.
    if link_local.is_unicast_link_local() && global.is_unspecified() {
        // BIRD fills the first half with zeros.
        Ok(NextHop::V6(link_local))
    } else if link_local.is_unicast_link_local() && !global.is_unicast_link_local() {
        Ok(NextHop::V6LinkLocal { global, link_local })
    } else {
        Ok(NextHop::V6(global))
    }
}

impl From<IpAddr> for NextHop {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => match split_scope(*address) {
                (address, 0) => address.fmt(f),
                (address, scope) => write!(f, "{address}%{scope}"),
            },
            Self::V6LinkLocal { global, link_local } => write!(f, "{global} {link_local}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

    fn decode(family: Family, octets: &[u8], extended_next_hop: bool) -> Result<NextHop, Fault> {
        let context = Context {
            extended_next_hop,
            ..Context::default()
        };
        NextHop::decode(family, octets, &context)
    }

    fn two(first: Ipv6Addr, second: Ipv6Addr) -> Vec<u8> {
        [first.octets(), second.octets()].concat()
    }

    /// R2545-3-01, R2545-3-02.
    #[test]
    fn r2545_3_01_one_or_two_ipv6_addresses() {
        let ipv6 = |octets: &[u8]| decode(Family::Ipv6Unicast, octets, false);
        assert_eq!(ipv6(&GLOBAL.octets()), Ok(NextHop::V6(GLOBAL)));
        assert_eq!(ipv6(&LINK_LOCAL.octets()), Ok(NextHop::V6(LINK_LOCAL)));
        let both = NextHop::V6LinkLocal {
            global: GLOBAL,
            link_local: LINK_LOCAL,
        };
        assert_eq!(ipv6(&two(GLOBAL, LINK_LOCAL)), Ok(both));
        for alone in [
            two(LINK_LOCAL, Ipv6Addr::UNSPECIFIED),
            two(Ipv6Addr::UNSPECIFIED, LINK_LOCAL),
            two(LINK_LOCAL, LINK_LOCAL),
        ] {
            assert_eq!(ipv6(&alone), Ok(NextHop::V6(LINK_LOCAL)));
        }
        for len in [0, 4, 15, 17, 24, 31, 33, 48] {
            assert_eq!(ipv6(&vec![0x20; len]), Err(Fault::Length), "{len}");
        }
    }

    #[test]
    fn r2545_3_03_global_half_that_nobody_can_have() {
        let multicast = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        for odd in [
            two(multicast, LINK_LOCAL),
            two(Ipv6Addr::UNSPECIFIED, GLOBAL),
        ] {
            let result = decode(Family::Ipv6Unicast, &odd, false);
            assert_eq!(result, Err(Fault::Unusable));
        }
    }

    #[test]
    fn r8950_3_01_ipv6_next_hop_of_ipv4_routes_if_negotiated() {
        let octets = GLOBAL.octets();
        let ipv4 = |octets: &[u8], allowed| decode(Family::Ipv4Unicast, octets, allowed);
        assert_eq!(ipv4(&octets, true), Ok(NextHop::V6(GLOBAL)));
        assert_eq!(ipv4(&octets, false), Err(Fault::Length));
        let address = Ipv4Addr::new(192, 0, 2, 1);
        assert_eq!(ipv4(&address.octets(), false), Ok(NextHop::V4(address)));
    }

    #[test]
    fn r4271_6_3_04_addresses_that_are_no_host() {
        for odd in [[0, 1, 2, 3], [224, 0, 0, 5], [255; 4]] {
            assert_eq!(NextHop::V4(odd.into()).usable(), None, "{odd:?}");
        }
        let host = NextHop::V4([169, 254, 1, 1].into());
        assert_eq!(host.usable(), Some(host));
    }
}
