//! The attributes of a route in two forms, and the conversions between them: the canonical form, for storage, comparison and
//! encoding, and the typed form, for building and editing.

use std::fmt;

use super::as_path::{AsPath, AsPathView};
use super::community::{Community, ExtendedCommunity, LargeCommunity, without_repetitions};
use super::flag::put_flags;
use super::table::{carried_flags, spec};
use super::unknown::UnknownAttribute;
use super::value::{Aggregator, Origin};
use super::{code, flag};
use crate::types::{Asn, RouterId};
use crate::wire::Context;
use crate::wire::text::Hex;

/// The canonical form of a route's attributes: encoded as for a four-octet AS session, ascending by type code, with the flags of
/// the attribute table (and the partial bit as received), without NEXT_HOP, MP_REACH_NLRI, MP_UNREACH_NLRI, AS4_PATH and
/// AS4_AGGREGATOR. Equal attributes have equal octets. Only this module creates the form, so reading cannot fail; in other
/// octets, unreadable attributes count as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeView<'a>(&'a [u8]);

/// One attribute of the canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawAttribute<'a> {
    /// The type code.
    pub code: u8,
    /// The flags, without the extended length bit.
    pub flags: u8,
    /// The value.
    pub value: &'a [u8],
}

impl RawAttribute<'_> {
    /// Appends the attribute in canonical form.
    pub fn encode(self, out: &mut Vec<u8>) {
        put(self.flags, self.code, self.value, out);
    }
}

impl<'a> AttributeView<'a> {
    /// A view of octets that [`Attributes::encode_canonical`] or [`Update::canonical_attributes`](crate::wire::Update) appended.
    pub fn new(canonical: &'a [u8]) -> Self {
        Self(canonical)
    }

    /// A view of octets that came from elsewhere; `None` if they are of another form.
    pub fn checked(octets: &'a [u8]) -> Option<Self> {
        let view = Self(octets);
        let context = Context {
            four_octet_as: true,
            external: false,
            ..Context::default()
        };
        let is_good = |attribute: RawAttribute<'_>| {
            let RawAttribute { code, flags, value } = attribute;
            let written = put_flags(flags, value.len());
            spec(code).is_none_or(|spec| {
                spec.check(flags, value, &context).is_ok()
                    && spec.is_canonical(written, value, &context)
            })
        };
        let mut again = Vec::with_capacity(octets.len());
        view.to_attributes().encode_canonical(&mut again);
        (view.iter().all(is_good) && again == octets).then_some(view)
    }

    /// The octets.
    pub fn octets(self) -> &'a [u8] {
        self.0
    }

    /// All attributes, ascending by code.
    pub fn iter(self) -> impl Iterator<Item = RawAttribute<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || next(&mut rest))
    }

    /// The value of an attribute.
    pub fn find(self, code: u8) -> Option<&'a [u8]> {
        let mut rest = self.0;
        while let Some(attribute) = next(&mut rest) {
            if attribute.code >= code {
                return (attribute.code == code).then_some(attribute.value);
            }
        }
        None
    }

    /// ORIGIN.
    pub fn origin(self) -> Origin {
        let value = self.find(code::ORIGIN).and_then(<[u8]>::first);
        value
            .and_then(|octet| Origin::from_octet(*octet))
            .unwrap_or_default()
    }

    /// AS_PATH.
    pub fn as_path(self) -> AsPathView<'a> {
        self.find(code::AS_PATH)
            .map(AsPathView::new)
            .unwrap_or_default()
    }

    /// MULTI_EXIT_DISC.
    pub fn med(self) -> Option<u32> {
        self.number(code::MED)
    }

    /// LOCAL_PREF.
    pub fn local_pref(self) -> Option<u32> {
        self.number(code::LOCAL_PREF)
    }

    /// Whether ATOMIC_AGGREGATE is present.
    pub fn atomic_aggregate(self) -> bool {
        self.find(code::ATOMIC_AGGREGATE).is_some()
    }

    /// AGGREGATOR.
    pub fn aggregator(self) -> Option<Aggregator> {
        let octets = self.find(code::AGGREGATOR)?.first_chunk()?;
        Some(Aggregator::from_octets(*octets))
    }

    /// COMMUNITIES, in the order received.
    pub fn communities(self) -> impl Iterator<Item = Community> + 'a {
        self.items(code::COMMUNITIES)
            .map(|octets| Community(u32::from_be_bytes(*octets)))
    }

    /// LARGE_COMMUNITY, in the order received.
    pub fn large_communities(self) -> impl Iterator<Item = LargeCommunity> + 'a {
        self.items(code::LARGE_COMMUNITY)
            .map(|octets| LargeCommunity::from_octets(*octets))
    }

    /// EXTENDED_COMMUNITIES, in the order received.
    pub fn ext_communities(self) -> impl Iterator<Item = ExtendedCommunity> + 'a {
        self.items(code::EXT_COMMUNITIES)
            .map(|octets| ExtendedCommunity(u64::from_be_bytes(*octets)))
    }

    /// ORIGINATOR_ID.
    pub fn originator_id(self) -> Option<RouterId> {
        self.number(code::ORIGINATOR_ID).map(RouterId::from_bits)
    }

    /// CLUSTER_LIST, the latest reflector first.
    pub fn cluster_list(self) -> impl ExactSizeIterator<Item = RouterId> + 'a {
        self.items(code::CLUSTER_LIST)
            .map(|octets| RouterId::from_bits(u32::from_be_bytes(*octets)))
    }

    /// ONLY_TO_CUSTOMER.
    pub fn otc(self) -> Option<Asn> {
        self.number(code::OTC).map(Asn)
    }

    /// The typed form.
    pub fn to_attributes(self) -> Attributes {
        Attributes {
            origin: self.origin(),
            as_path: self.as_path().to_owned(),
            med: self.med(),
            local_pref: self.local_pref(),
            atomic_aggregate: self.atomic_aggregate(),
            aggregator: self.aggregator(),
            communities: self.communities().collect(),
            originator_id: self.originator_id(),
            cluster_list: self.cluster_list().collect(),
            ext_communities: self.ext_communities().collect(),
            large_communities: self.large_communities().collect(),
            otc: self.otc(),
            partial: self
                .iter()
                .filter(|attribute| is_field(attribute.code) && attribute.is_partial())
                .map(|attribute| attribute.code)
                .collect(),
            unknown: self
                .iter()
                .filter(|attribute| !is_field(attribute.code))
                .map(|RawAttribute { code, flags, value }| {
                    UnknownAttribute::from_parts(code, flags, value.into())
                })
                .collect(),
        }
    }

    /// Splits the octets: attributes with a lower code, and the others.
    pub(in crate::wire) fn split_before(self, code: u8) -> (&'a [u8], &'a [u8]) {
        let mut rest = self.0;
        let mut behind = rest;
        while next(&mut rest).is_some_and(|attribute| attribute.code < code) {
            behind = rest;
        }
        self.0.split_at(self.0.len() - behind.len())
    }

    fn number(self, code: u8) -> Option<u32> {
        let octets = self.find(code)?.first_chunk()?;
        Some(u32::from_be_bytes(*octets))
    }

    fn items<const N: usize>(self, code: u8) -> std::slice::Iter<'a, [u8; N]> {
        self.find(code).unwrap_or_default().as_chunks().0.iter()
    }
}

/// Printed as the typed form.
impl fmt::Display for AttributeView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_attributes().fmt(f)
    }
}

impl RawAttribute<'_> {
    /// Whether some AS on the path did not know the attribute.
    pub fn is_partial(self) -> bool {
        self.flags & flag::PARTIAL != 0
    }
}

/// Splits one attribute off the front.
#[inline]
fn next<'a>(rest: &mut &'a [u8]) -> Option<RawAttribute<'a>> {
    let ([flags, code], octets) = rest.split_first_chunk()?;
    let (len, octets) = if flags & flag::EXTENDED_LENGTH == 0 {
        let (len, octets) = octets.split_first()?;
        (usize::from(*len), octets)
    } else {
        let (len, octets) = octets.split_first_chunk()?;
        (usize::from(u16::from_be_bytes(*len)), octets)
    };
    let (value, octets) = octets.split_at_checked(len)?;
    *rest = octets;
    Some(RawAttribute {
        code: *code,
        flags: flags & !flag::EXTENDED_LENGTH,
        value,
    })
}

/// Codes of the fields of [`Attributes`], in canonical order.
const FIELDS: [u8; 12] = [
    code::ORIGIN,
    code::AS_PATH,
    code::MED,
    code::LOCAL_PREF,
    code::ATOMIC_AGGREGATE,
    code::AGGREGATOR,
    code::COMMUNITIES,
    code::ORIGINATOR_ID,
    code::CLUSTER_LIST,
    code::EXT_COMMUNITIES,
    code::LARGE_COMMUNITY,
    code::OTC,
];

fn is_field(code: u8) -> bool {
    FIELDS.contains(&code)
}

/// The attributes of a route without its next hop, for building and editing. Tables store the canonical form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default)
)]
pub struct Attributes {
    /// Type 1.
    pub origin: Origin,
    /// Type 2, in four-octet form.
    pub as_path: AsPath,
    /// Type 4.
    pub med: Option<u32>,
    /// Type 5.
    pub local_pref: Option<u32>,
    /// Type 6.
    pub atomic_aggregate: bool,
    /// Type 7.
    pub aggregator: Option<Aggregator>,
    /// Type 8, in the order received.
    pub communities: Vec<Community>,
    /// Type 9.
    pub originator_id: Option<RouterId>,
    /// Type 10.
    pub cluster_list: Vec<RouterId>,
    /// Type 16.
    pub ext_communities: Vec<ExtendedCommunity>,
    /// Type 32.
    pub large_communities: Vec<LargeCommunity>,
    /// Type 35 (RFC 9234).
    pub otc: Option<Asn>,
    /// Codes of the fields that were received with the partial bit, ascending. The bit must not be cleared (RFC 4271 §5), and
    /// only types 7, 8, 16, 32 and 35 can have it.
    pub partial: Vec<u8>,
    /// All other attributes that are passed on, ascending by code. The order does not affect the meaning or the encoding.
    pub unknown: Vec<UnknownAttribute>,
}

impl Attributes {
    /// Adds an attribute without a field, replacing one with the same code.
    pub fn set_unknown(&mut self, attribute: UnknownAttribute) {
        let code = attribute.code();
        self.remove_unknown(code);
        let place = self.unknown.partition_point(|other| other.code() < code);
        self.unknown.insert(place, attribute);
    }

    /// Removes the attribute with this code, if it has no field.
    pub fn remove_unknown(&mut self, code: u8) {
        self.unknown.retain(|other| other.code() != code);
    }

    /// Appends the canonical form: see [`AttributeView`].
    ///
    /// A value beyond 65535 octets is truncated. No message can hold the result either, so it is never sent.
    pub fn encode_canonical(&self, out: &mut Vec<u8>) {
        let mut sorted;
        let unknown = if self.unknown.is_sorted_by(|a, b| a.code() < b.code()) {
            &self.unknown
        } else {
            // The caller may not have sorted them. No attribute occurs twice (RFC 4271 §5).
            sorted = self.unknown.clone();
            sorted.sort_by_key(UnknownAttribute::code);
            sorted.dedup_by_key(|attribute| attribute.code());
            &sorted
        };
        let mut out = Encoder {
            partial: &self.partial,
            unknown,
            out,
        };
        out.value(code::ORIGIN, &[self.origin as u8]);
        out.value(code::AS_PATH, self.as_path.view().octets());
        out.number(code::MED, self.med);
        out.number(code::LOCAL_PREF, self.local_pref);
        if self.atomic_aggregate {
            out.value(code::ATOMIC_AGGREGATE, &[]);
        }
        if let Some(Aggregator { asn, router_id }) = self.aggregator {
            let numbers = [asn.0.to_be_bytes(), router_id.to_bits().to_be_bytes()];
            out.value(code::AGGREGATOR, numbers.as_flattened());
        }
        let numbers = |item: &Community| item.0.to_be_bytes();
        out.list(code::COMMUNITIES, &self.communities, numbers);
        out.number(
            code::ORIGINATOR_ID,
            self.originator_id.map(RouterId::to_bits),
        );
        let numbers = |item: &RouterId| item.to_bits().to_be_bytes();
        out.list(code::CLUSTER_LIST, &self.cluster_list, numbers);
        let numbers = |item: &ExtendedCommunity| item.0.to_be_bytes();
        out.list(code::EXT_COMMUNITIES, &self.ext_communities, numbers);
        if !self.large_communities.is_empty() {
            let value: Vec<_> = self.large_communities.iter().map(|c| c.octets()).collect();
            let value = without_repetitions(value.as_flattened());
            out.value(code::LARGE_COMMUNITY, &value);
        }
        out.number(code::OTC, self.otc.map(|asn| asn.0));
        out.unknown_below(u16::MAX);
    }
}

/// Names and values of the present attributes.
impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "origin {}, as-path [{}]", self.origin, self.as_path)?;
        option(f, "med", self.med)?;
        option(f, "local-pref", self.local_pref)?;
        f.write_str(if self.atomic_aggregate {
            ", atomic-aggregate"
        } else {
            ""
        })?;
        if let Some(Aggregator { asn, router_id }) = self.aggregator {
            write!(f, ", aggregator {asn} {router_id}")?;
        }
        list(f, "communities", &self.communities)?;
        option(f, "originator-id", self.originator_id)?;
        list(f, "cluster-list", &self.cluster_list)?;
        list(f, "ext-communities", &self.ext_communities)?;
        list(f, "large-communities", &self.large_communities)?;
        option(f, "otc", self.otc)?;
        self.unknown.iter().try_for_each(|attribute| {
            let (code, flags) = (attribute.code(), attribute.flags());
            let value = Hex(attribute.value());
            write!(f, ", attribute {code} flags {flags:02x} {value}")
        })
    }
}

fn option<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    value: Option<T>,
) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, ", {name} {value}"))
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, items: &[T]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    write!(f, ", {name}")?;
    items.iter().try_for_each(|item| write!(f, " {item}"))
}

/// Writes the canonical form; attributes must be written in ascending order.
struct Encoder<'a> {
    /// Codes with the partial bit.
    partial: &'a [u8],
    /// Attributes yet to be written in between, ascending.
    unknown: &'a [UnknownAttribute],
    out: &'a mut Vec<u8>,
}

impl Encoder<'_> {
    fn value(&mut self, code: u8, value: &[u8]) {
        let flags = self.come_to(code);
        put(flags, code, value, self.out);
    }

    fn number(&mut self, code: u8, number: Option<u32>) {
        if let Some(number) = number {
            self.value(code, &number.to_be_bytes());
        }
    }

    /// Writes nothing if there are no items.
    fn list<T, const N: usize>(&mut self, code: u8, items: &[T], octets: fn(&T) -> [u8; N]) {
        if items.is_empty() {
            return;
        }
        let flags = self.come_to(code);
        let len = (N * items.len()).min(u16::MAX.into());
        put_head(flags, code, len, self.out);
        let end = self.out.len() + len;
        items
            .iter()
            .for_each(|item| self.out.extend_from_slice(&octets(item)));
        self.out.truncate(end);
    }

    /// Writes pending attributes with a lower code; returns the flags of this one, without the extended length bit.
    fn come_to(&mut self, code: u8) -> u8 {
        self.unknown_below(code.into());
        let is_partial = self.partial.contains(&code);
        carried_flags(code, if is_partial { flag::PARTIAL } else { 0 })
    }

    fn unknown_below(&mut self, code: u16) {
        while let [attribute, rest @ ..] = self.unknown
            && u16::from(attribute.code()) < code
        {
            let (flags, code) = (attribute.flags(), attribute.code());
            put(flags, code, attribute.value(), self.out);
            self.unknown = rest;
        }
    }
}

/// Appends one attribute.
#[inline]
pub(in crate::wire) fn put(flags: u8, code: u8, value: &[u8], out: &mut Vec<u8>) {
    let value = &value[..value.len().min(u16::MAX.into())];
    put_head(flags, code, value.len(), out);
    out.extend_from_slice(value);
}

/// Appends the head of an attribute with a value of at most 65535 octets.
fn put_head(flags: u8, code: u8, len: usize, out: &mut Vec<u8>) {
    let flags = put_flags(flags, len);
    match u8::try_from(len) {
        Ok(len) => out.extend_from_slice(&[flags, code, len]),
        Err(_) => {
            let [high, low] = (len as u16).to_be_bytes();
            out.extend_from_slice(&[flags, code, high, low]);
        }
    }
}

#[cfg(test)]
mod tests;
