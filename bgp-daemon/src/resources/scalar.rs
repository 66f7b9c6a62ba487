//! Reads single values of fields: text to addresses, prefixes, AS numbers, communities, durations, selectors. Each type describes
//! what it expects, for errors.
//!
//! Used by `#[serde(deserialize_with = ...)]`: [`required`], [`optional`] and [`list`].

use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::time::Duration;

use bgp_core::types::Asn;
use bgp_core::wire::attribute::{Community, LargeCommunity};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::duration::parse_duration;
use super::selector::Selector;

/// A value written as one text or one number.
pub(super) trait Scalar: Sized {
    /// Completes "expected ...".
    const EXPECTED: &'static str;

    /// Reads text; `None` if it is not of this type.
    fn from_text(text: &str) -> Option<Self>;

    /// Reads a number; types that are always text reject it.
    fn from_number(_number: u64) -> Option<Self> {
        None
    }

    /// What JSON schema knows of the type, beyond that it is a text.
    fn constraints() -> Value {
        json!({})
    }

    /// A more specific message than [`EXPECTED`](Self::EXPECTED) for rejected text.
    fn complaint(_text: &str) -> Option<String> {
        None
    }
}

/// Reads a required value.
pub(super) fn required<'de, D: Deserializer<'de>, T: Scalar>(from: D) -> Result<T, D::Error> {
    Read::deserialize(from).map(|read| read.0)
}

/// Reads a value that may be absent; use with `#[serde(default)]`.
pub(super) fn optional<'de, D: Deserializer<'de>, T: Scalar>(
    from: D,
) -> Result<Option<T>, D::Error> {
    Option::<Read<T>>::deserialize(from).map(|read| read.map(|read| read.0))
}

/// Reads a list of values; use with `#[serde(default)]`.
pub(super) fn list<'de, D: Deserializer<'de>, T: Scalar>(from: D) -> Result<Vec<T>, D::Error> {
    let items = Vec::<Read<T>>::deserialize(from)?;
    Ok(items.into_iter().map(|read| read.0).collect())
}

/// Reads a boolean, or its name in a text: the two API groups write some fields differently.
pub(super) fn boolean<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    required::<D, Truth>(from).map(|truth| truth.0)
}

pub(super) struct Truth(bool);

impl Scalar for Truth {
    const EXPECTED: &'static str = "true or false";
    fn constraints() -> Value {
        json!({ "type": ["boolean", "string"], "enum": [true, false, "true", "false"] })
    }
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

struct Read<T>(T);

impl<'de, T: Scalar> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScalarVisitor(PhantomData))
    }
}

struct ScalarVisitor<T>(PhantomData<T>);

impl<T: Scalar> Visitor<'_> for ScalarVisitor<T> {
    type Value = Read<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Read<T>, E> {
        T::from_text(text)
            .map(Read)
            .ok_or_else(|| match T::complaint(text) {
                Some(complaint) => E::custom(complaint),
                None => E::invalid_value(Unexpected::Str(text), &self),
            })
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Read<T>, E> {
        T::from_number(number)
            .map(Read)
            .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Read<T>, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Read<T>, E> {
        // Only `boolean` accepts these; it reads them as the equivalent text.
        T::from_text(if value { "true" } else { "false" })
            .map(Read)
            .ok_or_else(|| E::invalid_type(Unexpected::Bool(value), &self))
    }
}

macro_rules! scalar_from_str {
    ($($type:ty: $expected:literal, $constraint:literal: $limit:tt;)*) => {$(
        impl Scalar for $type {
            const EXPECTED: &'static str = $expected;
            fn constraints() -> Value {
                json!({ $constraint: $limit })
            }
            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )*};
}

scalar_from_str! {
    IpAddr: "an IP address", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }];
    Ipv4Addr: "an IPv4 address", "format": "ipv4";
    Ipv6Addr: "an IPv6 address", "format": "ipv6";
    CommunityValue: "a community: aa:nn with parts up to 65535, or aa:nn:mm with parts up to 4294967295",
        "pattern": "^[0-9]{1,10}:[0-9]{1,10}(:[0-9]{1,10})?$";
}

impl Scalar for IpNet {
    const EXPECTED: &'static str = "a prefix such as 10.0.0.0/8";
    fn constraints() -> Value {
        json!({ "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$" })
    }
    fn from_text(text: &str) -> Option<Self> {
        prefix(text)
    }
}

/// Reads a prefix. As in Calico, an address is one without a length.
pub(crate) fn prefix(text: &str) -> Option<IpNet> {
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(alone)
}

impl Scalar for Ipv4Net {
    const EXPECTED: &'static str =
        "an IPv4 address with the length of its network, such as 10.0.0.1/24";
    fn constraints() -> Value {
        json!({ "pattern": "^[0-9.]+(/[0-9]{1,2})?$" })
    }
    /// Without a length it is a network of one address.
    fn from_text(text: &str) -> Option<Self> {
        let alone = || text.parse::<Ipv4Addr>().ok().map(Self::from);
        text.parse().ok().or_else(alone)
    }
}

impl Scalar for Ipv6Net {
    const EXPECTED: &'static str =
        "an IPv6 address with the length of its network, such as fd00::1/64";
    fn constraints() -> Value {
        json!({ "pattern": "^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(/[0-9]{1,3})?$" })
    }
    /// Without a length it is a network of one address.
    fn from_text(text: &str) -> Option<Self> {
        let alone = || text.parse::<Ipv6Addr>().ok().map(Self::from);
        text.parse().ok().or_else(alone)
    }
}

impl Scalar for Asn {
    const EXPECTED: &'static str =
        "an AS number: 0 to 4294967295, or two 16-bit numbers in quotes such as \"1.10\"";
    fn constraints() -> Value {
        json!({
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": u32::MAX,
            "pattern": "^[0-9]{1,10}([.][0-9]{1,5})?$",
        })
    }
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn from_number(number: u64) -> Option<Self> {
        u32::try_from(number).ok().map(Self)
    }
}

impl Scalar for NonZeroU16 {
    const EXPECTED: &'static str = "a port, 1 to 65535";
    fn constraints() -> Value {
        json!({ "type": "integer", "minimum": 1, "maximum": u16::MAX })
    }
    fn from_text(_: &str) -> Option<Self> {
        None
    }
    fn from_number(number: u64) -> Option<Self> {
        u16::try_from(number).ok().and_then(Self::new)
    }
}

impl Scalar for Duration {
    const EXPECTED: &'static str = "a duration such as 90s, 2m0s or 1h15m";
    fn constraints() -> Value {
        json!({ "pattern": "^(0|([0-9]*[.]?[0-9]*(ns|us|µs|ms|s|m|h))+)$" })
    }
    fn from_text(text: &str) -> Option<Self> {
        parse_duration(text).ok()
    }
}

impl Scalar for Selector {
    const EXPECTED: &'static str = "a selector such as rack == 'a' && has(gpu)";
    fn from_text(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
    fn complaint(text: &str) -> Option<String> {
        Self::parse(text).err().map(|error| error.to_string())
    }
}

/// A route priority: a Linux metric that LOCAL_PREF carries between nodes, 1 to 2147483646.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RoutePriority(pub u32);

impl RoutePriority {
    /// LOCAL_PREF and metric of a route add up to this.
    pub const MAX: u32 = 2_147_483_647;
    /// The priority of a route without one.
    pub const NORMAL: Self = Self(1024);

    /// The LOCAL_PREF that carries this priority.
    pub const fn local_pref(self) -> u32 {
        Self::MAX - self.0
    }
}

impl Default for RoutePriority {
    fn default() -> Self {
        Self::NORMAL
    }
}

impl Scalar for RoutePriority {
    const EXPECTED: &'static str = "a route priority, 1 to 2147483646";
    fn constraints() -> Value {
        json!({ "type": "integer", "minimum": 1, "maximum": Self::MAX - 1 })
    }
    fn from_text(_: &str) -> Option<Self> {
        None
    }
    fn from_number(number: u64) -> Option<Self> {
        let number = u32::try_from(number).ok()?;
        (1..Self::MAX).contains(&number).then_some(Self(number))
    }
}

/// A community of either size, as Calico's resources write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommunityValue {
    /// `aa:nn` (RFC 1997).
    Standard(Community),
    /// `aa:nn:mm` (RFC 8092).
    Large(LargeCommunity),
}

/// Text that is not a community.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommunityParseError;

impl std::str::FromStr for CommunityValue {
    type Err = CommunityParseError;

    fn from_str(text: &str) -> Result<Self, CommunityParseError> {
        let number = |part: &str| match part.bytes().all(|b| b.is_ascii_digit()) {
            true => part.parse::<u32>().map_err(|_| CommunityParseError),
            false => Err(CommunityParseError),
        };
        let parts: Vec<u32> = text
            .split(':')
            .take(4)
            .map(number)
            .collect::<Result<_, _>>()?;
        match parts[..] {
            [high @ ..=0xffff, low @ ..=0xffff] => Ok(Self::Standard(Community(high << 16 | low))),
            [global, local1, local2] => Ok(Self::Large(LargeCommunity {
                global,
                local1,
                local2,
            })),
            _ => Err(CommunityParseError),
        }
    }
}

impl fmt::Display for CommunityValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(Community(bits)) => write!(f, "{}:{}", bits >> 16, bits & 0xffff),
            Self::Large(large) => write!(f, "{}:{}:{}", large.global, large.local1, large.local2),
        }
    }
}

impl Serialize for CommunityValue {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn communities_of_both_sizes() {
        for text in ["65000:100", "0:0", "65535:65535", "4294967295:0:1"] {
            assert_eq!(
                text.parse::<CommunityValue>().map(|c| c.to_string()),
                Ok(text.into())
            );
        }
        for bad in [
            "",
            ":",
            "65536:1",
            "1:65536",
            "1",
            "1:2:3:4",
            "+1:2",
            "1:-2",
            "a:b",
            "4294967296:1:1",
        ] {
            assert_eq!(
                bad.parse::<CommunityValue>(),
                Err(CommunityParseError),
                "{bad}"
            );
        }
    }

    #[test]
    fn an_address_without_a_length_is_a_network_of_one() {
        assert_eq!(
            Ipv4Net::from_text("10.0.0.1").map(|n| n.prefix_len()),
            Some(32)
        );
        assert_eq!(
            Ipv6Net::from_text("fd00::1").map(|n| n.prefix_len()),
            Some(128)
        );
        assert_eq!(
            Ipv4Net::from_text("10.0.0.1/24").map(|n| n.addr().to_string()),
            Some("10.0.0.1".into())
        );
        assert_eq!(Ipv4Net::from_text("fd00::1"), None);
        for (text, length) in [
            ("10.0.0.1", Some(32)),
            ("fd00::1", Some(128)),
            ("10.0.0.0/8", Some(8)),
            ("10.0.0", None),
            ("10.0.0.0/33", None),
            ("", None),
        ] {
            assert_eq!(prefix(text).map(|net| net.prefix_len()), length, "{text}");
        }
    }

    /// Promise 7.6.
    #[test]
    fn priorities_and_local_pref_add_up() {
        assert_eq!(RoutePriority::NORMAL.local_pref(), 2_147_482_623);
        assert_eq!(RoutePriority::from_number(0), None);
        assert_eq!(RoutePriority::from_number(2_147_483_647), None);
        assert!(RoutePriority::from_number(2_147_483_646).is_some());
    }
}
