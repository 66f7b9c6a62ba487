//! Communities (RFC 1997), extended communities (RFC 4360) and large communities (RFC 8092): values and text.
//!
//! The RIB handles the effects of well-known communities.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A community: printed as `aa:nn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

#[expect(missing_docs, reason = "the names are the registry's own")]
impl Community {
    pub const GRACEFUL_SHUTDOWN: Self = Self(0xffff_0000);
    pub const LLGR_STALE: Self = Self(0xffff_0006);
    pub const NO_LLGR: Self = Self(0xffff_0007);
    pub const BLACKHOLE: Self = Self(0xffff_029a);
    pub const NO_EXPORT: Self = Self(0xffff_ff01);
    pub const NO_ADVERTISE: Self = Self(0xffff_ff02);
    pub const NO_EXPORT_SUBCONFED: Self = Self(0xffff_ff03);
    pub const NOPEER: Self = Self(0xffff_ff04);
}

/// An extended community, its eight octets in host order. Printed as `rt:64512:100` (route target) or `soo:64512:100` (site of
/// origin) if that form is complete, otherwise as `0x` and 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedCommunity(pub u64);

/// A large community: printed as `a:b:c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    /// Global administrator: an AS number.
    pub global: u32,
    /// First local part.
    pub local1: u32,
    /// Second local part.
    pub local2: u32,
}

impl LargeCommunity {
    pub(super) fn from_octets(octets: [u8; 12]) -> Self {
        let part = |at: usize| {
            u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
        };
        Self {
            global: part(0),
            local1: part(4),
            local2: part(8),
        }
    }

    pub(super) fn octets(self) -> [u8; 12] {
        let mut octets = [0; 12];
        let parts = [self.global, self.local1, self.local2];
        for (octets, part) in octets.as_chunks_mut().0.iter_mut().zip(parts) {
            *octets = part.to_be_bytes();
        }
        octets
    }
}

impl ExtendedCommunity {
    /// Whether the community must not be sent to another AS (RFC 4360 §6).
    pub fn is_non_transitive(self) -> bool {
        self.0 >> 56 & 0x40 != 0
    }

    /// The parts of the form `name:administrator:number`, if the community has it and it is unambiguous.
    fn parts(self) -> Option<(&'static str, Administrator, u32)> {
        let [kind, subtype, a, b, c, d, e, f] = self.0.to_be_bytes();
        let name = match subtype {
            2 => "rt",
            3 => "soo",
            _ => return None,
        };
        let short = u16::from_be_bytes([e, f]).into();
        match kind {
            0 => {
                let asn = u16::from_be_bytes([a, b]).into();
                Some((
                    name,
                    Administrator::Asn(asn),
                    u32::from_be_bytes([c, d, e, f]),
                ))
            }
            1 => Some((name, Administrator::Address([a, b, c, d].into()), short)),
            2 => {
                let asn = u32::from_be_bytes([a, b, c, d]);
                (asn > 0xffff).then_some((name, Administrator::Asn(asn), short))
            }
            _ => None,
        }
    }
}

/// The administrator of an extended community (RFC 4360 §3, RFC 5668).
enum Administrator {
    Asn(u32),
    Address(Ipv4Addr),
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0 >> 16, self.0 & 0xffff)
    }
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local1, self.local2)
    }
}

impl fmt::Display for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            Some((name, Administrator::Asn(asn), number)) => write!(f, "{name}:{asn}:{number}"),
            Some((name, Administrator::Address(address), number)) => {
                write!(f, "{name}:{address}:{number}")
            }
            None => write!(f, "0x{:016x}", self.0),
        }
    }
}

/// Text that is not a community of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommunityParseError {
    expected: &'static str,
}

impl fmt::Display for CommunityParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)
    }
}

impl std::error::Error for CommunityParseError {}

/// Parses a decimal number without a sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

impl FromStr for Community {
    type Err = CommunityParseError;

    /// Parses `aa:nn`, two numbers up to 65535.
    fn from_str(text: &str) -> Result<Self, CommunityParseError> {
        let parse = || {
            let (high, low) = text.split_once(':')?;
            Some((number::<u16>(high)?, number::<u16>(low)?))
        };
        let (high, low) = parse().ok_or(CommunityParseError {
            expected: "a community aa:nn, two numbers up to 65535",
        })?;
        Ok(Self(u32::from(high) << 16 | u32::from(low)))
    }
}

impl FromStr for LargeCommunity {
    type Err = CommunityParseError;

    /// Parses `a:b:c`, three numbers up to 4294967295.
    fn from_str(text: &str) -> Result<Self, CommunityParseError> {
        let parse = || {
            let (global, rest) = text.split_once(':')?;
            let (local1, local2) = rest.split_once(':')?;
            Some(Self {
                global: number(global)?,
                local1: number(local1)?,
                local2: number(local2)?,
            })
        };
        parse().ok_or(CommunityParseError {
            expected: "a large community a:b:c, three numbers up to 4294967295",
        })
    }
}

impl FromStr for ExtendedCommunity {
    type Err = CommunityParseError;

    /// Parses the `Display` form.
    fn from_str(text: &str) -> Result<Self, CommunityParseError> {
        parse_extended(text).ok_or(CommunityParseError {
            expected: "an extended community rt:as:number, soo:as:number, or 0x and 16 hex digits",
        })
    }
}

fn parse_extended(text: &str) -> Option<ExtendedCommunity> {
    if let Some(digits) = text.strip_prefix("0x") {
        let hex = digits.len() == 16 && digits.bytes().all(|octet| octet.is_ascii_hexdigit());
        let bits = u64::from_str_radix(digits, 16).ok();
        return bits.filter(|_| hex).map(ExtendedCommunity);
    }
    let (name, rest) = text.split_once(':')?;
    let subtype: u64 = match name {
        "rt" => 2,
        "soo" => 3,
        _ => return None,
    };
    let (administrator, local) = rest.split_once(':')?;
    let (kind, value): (u64, u64) = match number::<u32>(administrator) {
        Some(asn) if asn <= 0xffff => (0, u64::from(asn) << 32 | u64::from(number::<u32>(local)?)),
        Some(asn) => (2, u64::from(asn) << 16 | u64::from(number::<u16>(local)?)),
        None => {
            let address: Ipv4Addr = administrator.parse().ok()?;
            let bits = u64::from(address.to_bits());
            (1, bits << 16 | u64::from(number::<u16>(local)?))
        }
    };
    Some(ExtendedCommunity(kind << 56 | subtype << 48 | value))
}

/// The value of a LARGE_COMMUNITY without duplicates: the first occurrence of each stays (RFC 8092 §3).
pub(in crate::wire) fn without_repetitions(value: &[u8]) -> Cow<'_, [u8]> {
    if !has_repetitions(value) {
        return Cow::Borrowed(value);
    }
    let mut seen = BTreeSet::new();
    let communities = value.as_chunks::<12>().0.iter();
    let first = communities.filter(|community| seen.insert(**community));
    Cow::Owned(first.flatten().copied().collect())
}

/// Whether a large community occurs more than once in a value.
pub(in crate::wire) fn has_repetitions(value: &[u8]) -> bool {
    let communities = value.as_chunks::<12>().0;
    // Comparing all pairs is fastest for the few that routes usually have; a message can hold thousands.
    const FEW: usize = 16;
    if communities.len() <= FEW {
        let mut places = communities.iter().enumerate();
        return places.any(|(place, community)| communities[..place].contains(community));
    }
    let distinct: BTreeSet<_> = communities.iter().collect();
    distinct.len() != communities.len()
}

/// Serialized as text.
#[cfg(feature = "serde")]
macro_rules! serde_as_text {
    ($($kind:ty),*) => {$(
        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::wire::text::parse(deserializer)
            }
        }
    )*};
}

#[cfg(feature = "serde")]
serde_as_text!(Community, ExtendedCommunity, LargeCommunity, super::AsPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r8092_3_01_text_of_large_communities() {
        let community: LargeCommunity = "64512:0:4294967295".parse().unwrap();
        assert_eq!(community.local2, u32::MAX);
        assert_eq!(community.to_string(), "64512:0:4294967295");
        for bad in ["1:2", "1:2:3:4", "1:2:", "+1:2:3", "1:2:4294967296"] {
            assert!(bad.parse::<LargeCommunity>().is_err(), "{bad:?}");
        }
    }

    /// R8092-3-01: duplicates are removed, the order of the others is kept.
    #[test]
    fn r8092_3_01_repetitions_are_removed() {
        let value = |communities: &[u8]| -> Vec<u8> {
            communities.iter().flat_map(|octet| [*octet; 12]).collect()
        };
        let distinct = value(&[3, 1, 2]);
        assert!(matches!(without_repetitions(&distinct), Cow::Borrowed(_)));
        assert_eq!(*without_repetitions(&value(&[3, 1, 3, 2, 1])), distinct);
        let many: Vec<u8> = (0..100).chain(0..100).collect();
        let once: Vec<u8> = (0..100).collect();
        assert_eq!(*without_repetitions(&value(&many)), value(&once));
        assert!(matches!(
            without_repetitions(&value(&once)),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn text_of_communities() {
        assert_eq!("65535:65281".parse(), Ok(Community::NO_EXPORT));
        assert_eq!(Community(0xfde8_0064).to_string(), "65000:100");
        for bad in ["65536:0", "1", "1:", ":1", "1:2:3", "a:b", " 1:2"] {
            assert!(bad.parse::<Community>().is_err(), "{bad:?}");
        }
    }

    /// R4360-2-01, R5668-01: any value survives its text.
    #[test]
    fn r5668_01_text_of_extended_communities() {
        for (bits, text) in [
            (0x0002_fc00_0000_0064, "rt:64512:100"),
            (0x0103_0a00_0001_0007, "soo:10.0.0.1:7"),
            (0x0202_0001_0000_0007, "rt:65536:7"),
            (0x0202_0000_fc00_0007, "0x02020000fc000007"),
            (0x4004_0000_0000_0000, "0x4004000000000000"),
        ] {
            assert_eq!(ExtendedCommunity(bits).to_string(), text);
            assert_eq!(text.parse(), Ok(ExtendedCommunity(bits)));
        }
        for bad in [
            "rt:1",
            "rt:65536:65536",
            "0x12",
            "0x+123456789abcdef",
            "zz:1:2",
        ] {
            assert!(bad.parse::<ExtendedCommunity>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn r4360_6_01_transitive_bit() {
        assert!(ExtendedCommunity(0x4004_0000_0000_0000).is_non_transitive());
        assert!(!ExtendedCommunity(0x0002_0000_0000_0000).is_non_transitive());
    }
}
