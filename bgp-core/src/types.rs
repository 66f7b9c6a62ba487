//! Basic types of all modules: AS numbers, BGP identifiers, address families, prefixes, and the numbers of peers and connections.
//!
//! No IO; text is parsed with `FromStr` and printed with `Display`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A four-octet AS number (RFC 6793). Printed as a plain decimal number ("asplain", RFC 5396).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct Asn(pub u32);

impl Asn {
    /// AS_TRANS, which represents a four-octet number in a two-octet field (RFC 6793 §9).
    pub const TRANS: Self = Self(23456);

    /// Whether the number fits into a two-octet field.
    pub const fn is_two_octet(self) -> bool {
        self.0 <= 0xffff
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that is not an AS number: neither a number below 2^32 nor `high.low` with two 16-bit parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsnParseError;

impl fmt::Display for AsnParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an AS number: 0 to 4294967295, or two 16-bit numbers such as 1.10")
    }
}

impl std::error::Error for AsnParseError {}

impl FromStr for Asn {
    type Err = AsnParseError;

    /// Parses asplain (`65536`) and asdot (`1.0`).
    fn from_str(text: &str) -> Result<Self, AsnParseError> {
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        match text.split_once('.') {
            None if digits(text) => text.parse().map(Self).map_err(|_| AsnParseError),
            Some((high, low)) if digits(high) && digits(low) => {
                let high: u16 = high.parse().map_err(|_| AsnParseError)?;
                let low: u16 = low.parse().map_err(|_| AsnParseError)?;
                Ok(Self(u32::from(high) << 16 | u32::from(low)))
            }
            None | Some(_) => Err(AsnParseError),
        }
    }
}

/// A BGP identifier or cluster ID: 32 bits, written as a dotted quad (RFC 6286).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct RouterId(pub Ipv4Addr);

impl RouterId {
    /// From 32 bits in host order.
    pub const fn from_bits(bits: u32) -> Self {
        Self(Ipv4Addr::from_bits(bits))
    }

    /// The 32 bits in host order, as compared by RFC 4271 §6.8 and §9.1.2.2.
    pub const fn to_bits(self) -> u32 {
        self.0.to_bits()
    }
}

impl fmt::Display for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An address family identifier and a subsequent one, as in messages (RFC 4760 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AfiSafi {
    /// Address family identifier: 1 is IPv4, 2 is IPv6.
    pub afi: u16,
    /// Subsequent address family identifier: 1 is unicast.
    pub safi: u8,
}

impl fmt::Display for AfiSafi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Family::from_afi_safi(*self) {
            Some(family) => family.fmt(f),
            None => write!(f, "afi {} safi {}", self.afi, self.safi),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for AfiSafi {
    /// Serialized as text.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The families that this speaker routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Family {
    /// IPv4 unicast: AFI 1, SAFI 1.
    #[cfg_attr(feature = "serde", serde(rename = "ipv4-unicast"))]
    Ipv4Unicast,
    /// IPv6 unicast: AFI 2, SAFI 1.
    #[cfg_attr(feature = "serde", serde(rename = "ipv6-unicast"))]
    Ipv6Unicast,
}

impl Family {
    /// All families, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Ipv4Unicast, Self::Ipv6Unicast];

    /// The family with these numbers, if this speaker routes it.
    pub const fn from_afi_safi(code: AfiSafi) -> Option<Self> {
        match (code.afi, code.safi) {
            (1, 1) => Some(Self::Ipv4Unicast),
            (2, 1) => Some(Self::Ipv6Unicast),
            _ => None,
        }
    }

    /// The AFI and SAFI.
    pub const fn afi_safi(self) -> AfiSafi {
        match self {
            Self::Ipv4Unicast => AfiSafi { afi: 1, safi: 1 },
            Self::Ipv6Unicast => AfiSafi { afi: 2, safi: 1 },
        }
    }

    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4Unicast,
            IpAddr::V6(_) => Self::Ipv6Unicast,
        }
    }

    /// The longest prefix length: 32 or 128.
    pub const fn max_prefix_len(self) -> u8 {
        match self {
            Self::Ipv4Unicast => 32,
            Self::Ipv6Unicast => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4Unicast => "ipv4-unicast",
            Self::Ipv6Unicast => "ipv6-unicast",
        })
    }
}

/// Roles of RFC 9234 §4.1; the discriminant is the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[expect(missing_docs, reason = "the names are the RFC's own")]
pub enum Role {
    Provider = 0,
    RsServer = 1,
    RsClient = 2,
    Customer = 3,
    Peer = 4,
}

impl Role {
    /// The role required of the other side (RFC 9234 §4.2).
    pub const fn counterpart(self) -> Self {
        match self {
            Self::Provider => Self::Customer,
            Self::Customer => Self::Provider,
            Self::RsServer => Self::RsClient,
            Self::RsClient => Self::RsServer,
            Self::Peer => Self::Peer,
        }
    }
}

/// One value for each [`Family`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PerFamily<T> {
    /// The value for IPv4 unicast.
    pub ipv4: T,
    /// The value for IPv6 unicast.
    pub ipv6: T,
}

impl<T> std::ops::Index<Family> for PerFamily<T> {
    type Output = T;

    fn index(&self, family: Family) -> &T {
        match family {
            Family::Ipv4Unicast => &self.ipv4,
            Family::Ipv6Unicast => &self.ipv6,
        }
    }
}

impl<T> std::ops::IndexMut<Family> for PerFamily<T> {
    fn index_mut(&mut self, family: Family) -> &mut T {
        match family {
            Family::Ipv4Unicast => &mut self.ipv4,
            Family::Ipv6Unicast => &mut self.ipv6,
        }
    }
}

/// The prefix type of one family, as the RIB keys its tables: small, `Copy`, host bits always zero.
pub trait Prefix:
    Copy + Eq + Ord + std::hash::Hash + fmt::Debug + fmt::Display + Into<IpNet> + 'static
{
    /// The family.
    const FAMILY: Family;
    /// Converts a prefix of this family, with host bits cleared.
    fn from_net(net: IpNet) -> Option<Self>;
    /// The prefix of this length whose address begins with `octets`, as encoded in NLRI (RFC 4271 §4.3): bits after its length
    /// are ignored, and missing octets are zero. `None` if the length is too large for the family.
    fn from_octets(octets: &[u8], len: u8) -> Option<Self>;
}

impl Prefix for Ipv4Net {
    const FAMILY: Family = Family::Ipv4Unicast;

    fn from_net(net: IpNet) -> Option<Self> {
        match net {
            IpNet::V4(net) => Some(net.trunc()),
            IpNet::V6(_) => None,
        }
    }

    #[inline]
    fn from_octets(octets: &[u8], len: u8) -> Option<Self> {
        let host_bits = u32::BITS.checked_sub(len.into())?;
        let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
        // Usually more prefixes follow, so one load is enough.
        let bits = match octets.first_chunk() {
            Some(address) => u32::from_be_bytes(*address),
            None => short_ipv4(octets),
        };
        Self::new((bits & mask).into(), len).ok()
    }
}

/// The bits of an address with fewer than four octets.
#[inline]
fn short_ipv4(octets: &[u8]) -> u32 {
    let place = |at: usize| octets.get(at).map_or(0, |octet| u32::from(*octet));
    place(0) << 24 | place(1) << 16 | place(2) << 8
}

impl Prefix for Ipv6Net {
    const FAMILY: Family = Family::Ipv6Unicast;

    fn from_net(net: IpNet) -> Option<Self> {
        match net {
            IpNet::V6(net) => Some(net.trunc()),
            IpNet::V4(_) => None,
        }
    }

    #[inline]
    fn from_octets(octets: &[u8], len: u8) -> Option<Self> {
        let host_bits = u128::BITS.checked_sub(len.into())?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        let address = octets.first_chunk().copied().unwrap_or_else(|| {
            let mut padded = [0; 16];
            padded[..octets.len()].copy_from_slice(octets);
            padded
        });
        Self::new((u128::from_be_bytes(address) & mask).into(), len).ok()
    }
}

/// The family of a prefix.
pub fn family_of(net: IpNet) -> Family {
    match net {
        IpNet::V4(_) => Family::Ipv4Unicast,
        IpNet::V6(_) => Family::Ipv6Unicast,
    }
}

/// A neighbour's number, given by its owner. Small and dense numbers are fastest. The greatest one is [`PeerId::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct PeerId(pub u32);

impl PeerId {
    /// The greatest number of a neighbour. The next number is reserved for this speaker itself; a neighbour with that number is
    /// refused, as if it were not configured.
    pub const MAX: Self = Self(u32::MAX - 1);
}

/// A path identifier (RFC 7911 §3); 0 if the session does not use them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct PathId(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 1.3.
    #[test]
    fn asn_reads_plain_and_dotted() {
        assert_eq!("64512".parse(), Ok(Asn(64512)));
        assert_eq!("1.10".parse(), Ok(Asn(65546)));
        assert_eq!("65535.65535".parse(), Ok(Asn(u32::MAX)));
        for bad in [
            "",
            "-1",
            "+1",
            "1.",
            ".1",
            "1.2.3",
            "65536.0",
            "4294967296",
            "1 ",
        ] {
            assert_eq!(bad.parse::<Asn>(), Err(AsnParseError), "{bad:?}");
        }
    }
}
