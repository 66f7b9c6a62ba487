//! Annotations of a BGPPeer whose peers have no configured address: whom they are for.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use bgp_core::types::Asn;
use ipnet::IpNet;
use serde::{Serialize, Serializer};

use super::value::read;

/// Whom a BGPPeer is for, as far as annotations say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whom {
    /// `listen-range`: peers that connect from there. Sorted.
    pub(crate) ranges: Option<Vec<IpNet>>,
    /// `listen-as`: their AS numbers.
    pub(crate) as_numbers: Option<AsRanges>,
    /// `listen-limit`: how many of them there may be in each range.
    pub(crate) limit: Option<u32>,
    /// `peer: default-gateway`.
    pub(crate) default_gateway: bool,
    /// `interface`: the router on this link.
    pub(crate) interface: Option<String>,
}

/// AS numbers, in words such as `64512-64600,65001`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsRanges(Vec<RangeInclusive<u32>>);

impl AsRanges {
    /// One AS.
    pub(crate) fn one(asn: Asn) -> Self {
        Self(vec![asn.0..=asn.0])
    }

    /// Reads numbers and ranges of numbers, separated by commas. AS 0 is no AS.
    fn from_text(text: &str) -> Option<Self> {
        let range = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let number = |text: &str| text.trim().parse().ok().map(|Asn(number)| number);
            let (first, last) = (number(first)?, number(last)?);
            (first > 0 && first <= last).then_some(first..=last)
        };
        text.split(',').map(range).collect::<Option<_>>().map(Self)
    }

    /// Whether an AS is one of them.
    pub fn contains(&self, asn: Asn) -> bool {
        self.0.iter().any(|range| range.contains(&asn.0))
    }

    /// One of them other than `asn`.
    pub(crate) fn other_than(&self, asn: Asn) -> Option<Asn> {
        let ends = self
            .0
            .iter()
            .flat_map(|range| [*range.start(), *range.end()]);
        ends.map(Asn).find(|other| *other != asn)
    }
}

impl fmt::Display for AsRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            match range.start() == range.end() {
                true => write!(f, "{comma}{}", range.start())?,
                false => write!(f, "{comma}{}-{}", range.start(), range.end())?,
            }
        }
        Ok(())
    }
}

impl Serialize for AsRanges {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Whom {
    /// The names of the annotations.
    pub(super) const NAMES: [&str; 5] = [
        "interface",
        "listen-range",
        "listen-as",
        "listen-limit",
        "peer",
    ];

    /// Reads an annotation that is in [`NAMES`](Self::NAMES); `None` for another one.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Option<Result<(), String>> {
        let done = match name {
            "listen-range" => read(value, ranges, RANGES).map(|read| self.ranges = read),
            "listen-as" => {
                let what = "AS numbers or ranges of them with commas, as 64512-64600,65001";
                read(value, AsRanges::from_text, what).map(|read| self.as_numbers = read)
            }
            "listen-limit" => {
                let limit = |value: &str| {
                    value
                        .parse()
                        .ok()
                        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                };
                let what = "a number of sessions from 1 to 10000";
                read(value, limit, what).map(|read| self.limit = read)
            }
            "peer" => {
                let gateway = |value: &str| (value == "default-gateway").then_some(true);
                read(value, gateway, "default-gateway")
                    .map(|read| self.default_gateway = read.unwrap_or_default())
            }
            "interface" => {
                let what = "the name of one interface, as eth1";
                read(value, interface, what).map(|read| self.interface = read)
            }
            _ => return None,
        };
        Some(done)
    }

    /// The annotations that say whom the BGPPeer is for.
    pub(in crate::plan) fn words(&self) -> Vec<&'static str> {
        let words = [
            self.ranges.as_ref().map(|_| "listen-range"),
            self.default_gateway.then_some("peer"),
            self.interface.as_ref().map(|_| "interface"),
        ];
        words.into_iter().flatten().collect()
    }

    pub(in crate::plan) fn drop_all(&mut self) {
        *self = Self::default();
    }
}

/// A name that Linux allows (`dev_valid_name`).
fn interface(value: &str) -> Option<String> {
    let is_allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | ',' | '*');
    let is_name = (1..16).contains(&value.len()) && value.chars().all(is_allowed);
    (is_name && !matches!(value, "." | ".." | "lo")).then(|| value.to_owned())
}

const MAX_LIMIT: u32 = 10_000;
const RANGES: &str = "ranges of addresses with commas, as 10.0.0.0/16 or 10.0.0.0/16,fd00::/64, without link-local ones";

fn ranges(value: &str) -> Option<Vec<IpNet>> {
    let range = |text: &str| {
        let net: IpNet = text.trim().parse().ok()?;
        let is_usable = match net.addr() {
            IpAddr::V4(address) => !address.is_multicast(),
            IpAddr::V6(address) => !address.is_multicast() && !address.is_unicast_link_local(),
        };
        is_usable.then(|| net.trunc())
    };
    let mut ranges: Vec<_> = value.split(',').map(range).collect::<Option<_>>()?;
    ranges.sort();
    ranges.dedup();
    Some(ranges)
}
