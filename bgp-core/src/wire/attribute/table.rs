//! The table of path attributes: the required form of each attribute, and the handling of errors (RFC 7606 §7).
//!
//! One row has everything about an attribute: flags, lengths, allowed peers, the check of its value, the action on an error.
//! [`Spec::check`] applies a row. Attributes without a row are passed on without interpretation.

use super::community::has_repetitions;
use super::flag::put_flags;
use super::value::Origin;
use super::{as_path, code, flag};
use crate::wire::context::Context;

use ErrorAction::{Discard, Reset, Withdraw};

/// The handling of an error in an UPDATE, weakest first (RFC 7606 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "kebab-case")
)]
pub enum ErrorAction {
    /// The attribute is discarded.
    Discard,
    /// All routes of the UPDATE are treated as withdrawn.
    Withdraw,
    /// The session ends with a NOTIFICATION.
    Reset,
}

const WELL_KNOWN: u8 = flag::TRANSITIVE;
pub(super) const OPTIONAL_TRANSITIVE: u8 = flag::OPTIONAL | flag::TRANSITIVE;
const OPTIONAL_NON_TRANSITIVE: u8 = flag::OPTIONAL;

/// Subcodes of an UPDATE error (RFC 4271 §6.3).
pub(in crate::wire) mod subcode {
    pub(in crate::wire) const ATTRIBUTE_LIST: u8 = 1;
    pub(in crate::wire) const UNKNOWN_WELL_KNOWN: u8 = 2;
    pub(in crate::wire) const MISSING_WELL_KNOWN: u8 = 3;
    pub(in crate::wire) const FLAGS: u8 = 4;
    pub(in crate::wire) const LENGTH: u8 = 5;
    pub(in crate::wire) const ORIGIN: u8 = 6;
    pub(in crate::wire) const NEXT_HOP: u8 = 8;
    pub(in crate::wire) const OPTIONAL: u8 = 9;
    pub(in crate::wire) const NETWORK: u8 = 10;
    pub(in crate::wire) const AS_PATH: u8 = 11;
}

/// A set of kinds of peers: those that an attribute is accepted from, or those that a peer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) struct Scopes(u8);

impl Scopes {
    const EVERYONE: Self = Self(1);
    /// Peers in our AS (RFC 7606 §7.5, §7.9, §7.10).
    const INTERNAL: Self = Self(2);
    /// Peers with two-octet AS numbers (RFC 6793 §4.1).
    const TWO_OCTET_AS: Self = Self(4);
    /// Peers with four-octet AS numbers.
    pub(super) const FOUR_OCTET_AS: Self = Self(8);
    /// The attribute must not be used on sessions where it is not enabled (RFC 7311 §3.2).
    pub(super) const NOBODY: Self = Self(0);

    /// The kinds of the peer.
    pub(in crate::wire) fn of(context: &Context) -> Self {
        let mut scopes = Self::EVERYONE.0;
        if !context.external {
            scopes |= Self::INTERNAL.0;
        }
        scopes |= match context.four_octet_as {
            true => Self::FOUR_OCTET_AS.0,
            false => Self::TWO_OCTET_AS.0,
        };
        Self(scopes)
    }

    pub(super) fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Allowed lengths of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Length {
    Any,
    Exactly(u16),
    AtLeast(u16),
    /// A multiple, but not zero.
    MultipleOf(u16),
    /// The size of an AS number, plus this many octets.
    AsnAnd(u16),
}

impl Length {
    pub(super) const fn allows(self, len: usize, asn_len: usize) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(exact) => len == exact as usize,
            Self::AtLeast(least) => len >= least as usize,
            Self::MultipleOf(unit) => len != 0 && len.is_multiple_of(unit as usize),
            Self::AsnAnd(more) => len == asn_len + more as usize,
        }
    }
}

/// The check of a value of allowed length.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Any,
    Origin,
    AsPath,
    Aggregator,
    As4Path,
    As4Aggregator,
}

impl Value {
    /// The error is the expected value.
    fn check(self, octets: &[u8], context: &Context) -> Result<(), &'static str> {
        match self {
            Self::Any => Ok(()),
            Self::Origin => check_origin(octets),
            Self::AsPath => as_path::check(octets, context),
            Self::Aggregator => check_aggregator(octets, context.asn_len()),
            Self::As4Path => as_path::check_as4(octets),
            Self::As4Aggregator => check_as4_aggregator(octets),
        }
    }
}

/// How a value is stored.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kept {
    AsReceived,
    /// Converted to four-octet AS numbers.
    WithFourOctetAs,
    WithoutRepetitions,
}

/// A row of the table.
#[derive(Debug)]
pub(in crate::wire) struct Spec {
    pub(super) code: u8,
    name: &'static str,
    /// Optional and transitive bit.
    pub(super) flags: u8,
    pub(super) from: Scopes,
    pub(super) length: Length,
    /// The allowed lengths as text.
    length_text: &'static str,
    pub(super) value: Value,
    /// `None` if the attribute is not passed on: next hops, prefixes, parts of another attribute.
    pub(super) kept: Option<Kept>,
    /// Action if the length or the value is wrong.
    on_error: ErrorAction,
    /// Subcode of the NOTIFICATION if the value is wrong.
    subcode: u8,
}

/// An error of an attribute, and its handling.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct Wrong {
    pub(in crate::wire) expected: &'static str,
    pub(in crate::wire) action: ErrorAction,
    /// Subcode of the NOTIFICATION, if one is sent.
    pub(in crate::wire) subcode: u8,
}

impl Wrong {
    pub(in crate::wire) const fn new(
        expected: &'static str,
        action: ErrorAction,
        subcode: u8,
    ) -> Self {
        Self {
            expected,
            action,
            subcode,
        }
    }
}

impl Spec {
    /// Checks a received attribute; returns the first error.
    pub(in crate::wire) fn check(
        &self,
        flags: u8,
        value: &[u8],
        context: &Context,
    ) -> Result<(), Wrong> {
        const JUDGED: u8 = flag::OPTIONAL | flag::TRANSITIVE;
        if !self.from.meet(Scopes::of(context)) {
            return Err(Wrong::new("none from this peer", Discard, 0));
        }
        if flags & JUDGED != self.flags {
            let expected = "its optional and transitive bits";
            return Err(Wrong::new(expected, self.on_wrong_flags(), subcode::FLAGS));
        }
        if !self.length.allows(value.len(), context.asn_len()) {
            let subcode = self.length_subcode();
            return Err(Wrong::new(self.length_text, self.on_error, subcode));
        }
        let checked = self.value.check(value, context);
        checked.map_err(|expected| Wrong::new(expected, self.on_error, self.subcode))
    }

    /// Action if the optional or the transitive bit is wrong (RFC 7606 §3 c, §5.3).
    fn on_wrong_flags(&self) -> ErrorAction {
        self.on_error.max(Withdraw)
    }

    /// Subcode of the NOTIFICATION if the length is wrong: RFC 4760 §7 defines a different one.
    fn length_subcode(&self) -> u8 {
        match self.on_error {
            Reset => self.subcode,
            Discard | Withdraw => subcode::LENGTH,
        }
    }

    /// Whether the attribute can be stored and sent as received.
    pub(in crate::wire) fn is_canonical(&self, flags: u8, value: &[u8], context: &Context) -> bool {
        let value_is_canonical = match self.kept {
            Some(Kept::AsReceived) => true,
            Some(Kept::WithFourOctetAs) => context.four_octet_as,
            Some(Kept::WithoutRepetitions) => !has_repetitions(value),
            None => false,
        };
        value_is_canonical && flags == put_flags(self.normalized_flags(flags), value.len())
    }

    /// The flags to store and send: only optional transitive attributes may be partial (RFC 4271 §4.3), and stay so (RFC 4271
    /// §5).
    fn normalized_flags(&self, received: u8) -> u8 {
        if self.flags == OPTIONAL_TRANSITIVE {
            self.flags | received & flag::PARTIAL
        } else {
            self.flags
        }
    }
}

/// The flags of an attribute that is passed on, without the extended length bit. An unknown attribute becomes partial (RFC 4271
/// §5).
pub(in crate::wire) fn carried_flags(code: u8, received: u8) -> u8 {
    spec(code).map_or(OPTIONAL_TRANSITIVE | flag::PARTIAL, |spec| {
        spec.normalized_flags(received)
    })
}

/// The row of an attribute; `None` if it is unknown.
pub(in crate::wire) fn spec(code: u8) -> Option<&'static Spec> {
    let row = ROW_OF_CODE[usize::from(code)];
    TABLE.get(usize::from(row))
}

/// The name of an attribute.
pub(in crate::wire) fn name(code: u8) -> &'static str {
    spec(code).map_or("attribute", |spec| spec.name)
}

const fn row(
    code: u8,
    name: &'static str,
    flags: u8,
    (length, length_text): (Length, &'static str),
    on_error: ErrorAction,
) -> Spec {
    Spec {
        code,
        name,
        flags,
        from: Scopes::EVERYONE,
        length,
        length_text,
        value: Value::Any,
        kept: Some(Kept::AsReceived),
        on_error,
        subcode: subcode::OPTIONAL,
    }
}

impl Spec {
    const fn checked(mut self, subcode: u8, value: Value) -> Self {
        self.subcode = subcode;
        self.value = value;
        self
    }

    const fn kept(mut self, how: Kept) -> Self {
        self.kept = Some(how);
        self
    }

    const fn not_kept(mut self) -> Self {
        self.kept = None;
        self
    }

    const fn only_from(mut self, peers: Scopes) -> Self {
        self.from = peers;
        self
    }
}

const ANY: (Length, &str) = (Length::Any, "any length");
const EMPTY: (Length, &str) = (Length::Exactly(0), "no octets");
const ONE: (Length, &str) = (Length::Exactly(1), "1 octet");
const FOUR: (Length, &str) = (Length::Exactly(4), "4 octets");
const EIGHT: (Length, &str) = (Length::Exactly(8), "8 octets");
const ASN_AND_ID: (Length, &str) = (Length::AsnAnd(4), "an AS number and 4 octets");
const FOURS: (Length, &str) = (Length::MultipleOf(4), "a multiple of 4 octets, not none");
const EIGHTS: (Length, &str) = (Length::MultipleOf(8), "a multiple of 8 octets, not none");
const TWELVES: (Length, &str) = (Length::MultipleOf(12), "a multiple of 12 octets, not none");
const TWENTIES: (Length, &str) = (Length::MultipleOf(20), "a multiple of 20 octets, not none");
const THREE_UP: (Length, &str) = (Length::AtLeast(3), "at least 3 octets");
const FIVE_UP: (Length, &str) = (Length::AtLeast(5), "at least 5 octets");

/// One row for each interpreted attribute, ascending by code.
pub(super) static TABLE: [Spec; 19] = [
    // RFC 7606 §7.1
    row(code::ORIGIN, "ORIGIN", WELL_KNOWN, ONE, Withdraw).checked(subcode::ORIGIN, Value::Origin),
    // RFC 7606 §7.2
    row(code::AS_PATH, "AS_PATH", WELL_KNOWN, ANY, Withdraw)
        .checked(subcode::AS_PATH, Value::AsPath)
        .kept(Kept::WithFourOctetAs),
    // RFC 7606 §7.3; the address is checked together with the NLRI field.
    row(code::NEXT_HOP, "NEXT_HOP", WELL_KNOWN, FOUR, Withdraw).not_kept(),
    // RFC 7606 §7.4
    row(
        code::MED,
        "MULTI_EXIT_DISC",
        OPTIONAL_NON_TRANSITIVE,
        FOUR,
        Withdraw,
    ),
    // RFC 7606 §7.5
    row(code::LOCAL_PREF, "LOCAL_PREF", WELL_KNOWN, FOUR, Withdraw).only_from(Scopes::INTERNAL),
    // RFC 7606 §7.6
    row(
        code::ATOMIC_AGGREGATE,
        "ATOMIC_AGGREGATE",
        WELL_KNOWN,
        EMPTY,
        Discard,
    ),
    // RFC 7606 §7.7
    row(
        code::AGGREGATOR,
        "AGGREGATOR",
        OPTIONAL_TRANSITIVE,
        ASN_AND_ID,
        Discard,
    )
    .checked(subcode::OPTIONAL, Value::Aggregator)
    .kept(Kept::WithFourOctetAs),
    // RFC 7606 §7.8
    row(
        code::COMMUNITIES,
        "COMMUNITIES",
        OPTIONAL_TRANSITIVE,
        FOURS,
        Withdraw,
    ),
    // RFC 7606 §7.9
    row(
        code::ORIGINATOR_ID,
        "ORIGINATOR_ID",
        OPTIONAL_NON_TRANSITIVE,
        FOUR,
        Withdraw,
    )
    .only_from(Scopes::INTERNAL),
    // RFC 7606 §7.10
    row(
        code::CLUSTER_LIST,
        "CLUSTER_LIST",
        OPTIONAL_NON_TRANSITIVE,
        FOURS,
        Withdraw,
    )
    .only_from(Scopes::INTERNAL),
    // RFC 7606 §7.11, §5.3
    row(
        code::MP_REACH_NLRI,
        "MP_REACH_NLRI",
        OPTIONAL_NON_TRANSITIVE,
        FIVE_UP,
        Reset,
    )
    .not_kept(),
    // RFC 7606 §7.12, §5.3
    row(
        code::MP_UNREACH_NLRI,
        "MP_UNREACH_NLRI",
        OPTIONAL_NON_TRANSITIVE,
        THREE_UP,
        Reset,
    )
    .not_kept(),
    // RFC 7606 §7.14
    row(
        code::EXT_COMMUNITIES,
        "EXTENDED_COMMUNITIES",
        OPTIONAL_TRANSITIVE,
        EIGHTS,
        Withdraw,
    ),
    // RFC 6793 §6
    row(
        code::AS4_PATH,
        "AS4_PATH",
        OPTIONAL_TRANSITIVE,
        ANY,
        Discard,
    )
    .only_from(Scopes::TWO_OCTET_AS)
    .checked(subcode::OPTIONAL, Value::As4Path)
    .not_kept(),
    // RFC 6793 §6
    row(
        code::AS4_AGGREGATOR,
        "AS4_AGGREGATOR",
        OPTIONAL_TRANSITIVE,
        EIGHT,
        Discard,
    )
    .only_from(Scopes::TWO_OCTET_AS)
    .checked(subcode::OPTIONAL, Value::As4Aggregator)
    .not_kept(),
    // RFC 7606 §7.15
    row(
        code::IPV6_EXT_COMMUNITIES,
        "IPV6_EXT_COMMUNITIES",
        OPTIONAL_TRANSITIVE,
        TWENTIES,
        Withdraw,
    ),
    // RFC 7311 §3.2
    row(code::AIGP, "AIGP", OPTIONAL_NON_TRANSITIVE, ANY, Discard).only_from(Scopes::NOBODY),
    // RFC 8092 §6
    row(
        code::LARGE_COMMUNITY,
        "LARGE_COMMUNITY",
        OPTIONAL_TRANSITIVE,
        TWELVES,
        Withdraw,
    )
    .kept(Kept::WithoutRepetitions),
    // RFC 9234 §5
    row(
        code::OTC,
        "ONLY_TO_CUSTOMER",
        OPTIONAL_TRANSITIVE,
        FOUR,
        Withdraw,
    ),
];

/// Index into [`TABLE`] by code; out of range if there is no row.
static ROW_OF_CODE: [u8; 256] = {
    let mut rows = [u8::MAX; 256];
    let mut row = 0;
    while row < TABLE.len() {
        rows[TABLE[row].code as usize] = row as u8;
        row += 1;
    }
    rows
};

pub(super) fn check_origin(value: &[u8]) -> Result<(), &'static str> {
    match value {
        [octet] if Origin::from_octet(*octet).is_some() => Ok(()),
        _ => Err("0, 1 or 2"),
    }
}

/// RFC 7607 §2.
pub(super) fn check_aggregator(value: &[u8], asn_len: usize) -> Result<(), &'static str> {
    if value[..asn_len].iter().all(|octet| *octet == 0) {
        return Err("an AS number that is not 0");
    }
    Ok(())
}

fn check_as4_aggregator(value: &[u8]) -> Result<(), &'static str> {
    if value[..4] == [0; 4] {
        return Err("an AS number that is not 0");
    }
    Ok(())
}
