//! The table of path attributes: what each one must look like, and what happens when it does not (RFC 7606 §7).
//!
//! Everything that an attribute parser would decide stands in one row: flags, lengths, where it may come from, what its
//! value must be, the action on an error. [`Spec::judge`] applies a row. Attributes without one are carried on unread.

use std::num::NonZero;

use super::{Origin, as_path, code};
use crate::wire::Context;

use ErrorAction::{Discard, Reset, Withdraw};

/// What is done about an error in an UPDATE, weakest first (RFC 7606 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "kebab-case")
)]
pub enum ErrorAction {
    /// The attribute is left out.
    Discard,
    /// All routes of the UPDATE are treated as withdrawn.
    Withdraw,
    /// The session ends with a NOTIFICATION.
    Reset,
}

/// Bits of the flags octet (RFC 4271 §4.3).
pub(in crate::wire) mod flag {
    pub(in crate::wire) const OPTIONAL: u8 = 0x80;
    pub(in crate::wire) const TRANSITIVE: u8 = 0x40;
    pub(in crate::wire) const PARTIAL: u8 = 0x20;
    pub(in crate::wire) const EXTENDED_LENGTH: u8 = 0x10;
}

const WELL_KNOWN: u8 = flag::TRANSITIVE;
const OPTIONAL_TRANSITIVE: u8 = flag::OPTIONAL | flag::TRANSITIVE;
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

/// Kinds of peers, as a set: those that an attribute is taken from, and those that one peer is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) struct Scopes(u8);

impl Scopes {
    const EVERYONE: Self = Self(1);
    /// Peers in our AS (RFC 7606 §7.5, §7.9, §7.10).
    const INTERNAL: Self = Self(2);
    /// Peers with two-octet AS numbers (RFC 6793 §4.1).
    const TWO_OCTET_AS: Self = Self(4);
    /// It must not be used on sessions where it is not enabled (RFC 7311 §3.2).
    const NOBODY: Self = Self(0);

    /// Those of the peer.
    pub(in crate::wire) fn of(context: &Context) -> Self {
        let mut scopes = Self::EVERYONE.0;
        if !context.external {
            scopes |= Self::INTERNAL.0;
        }
        if !context.four_octet_as {
            scopes |= Self::TWO_OCTET_AS.0;
        }
        Self(scopes)
    }

    fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Lengths that a value may have: from the least to the most in steps.
#[derive(Clone, Copy, Debug)]
struct Length {
    least: u16,
    most: u16,
    step: NonZero<u16>,
}

impl Length {
    const fn new(least: u16, most: u16, step: u16) -> Self {
        Self {
            least,
            most,
            step: NonZero::new(step).expect("all steps in the table are some"),
        }
    }

    const fn exactly(len: u16) -> Self {
        Self::new(len, len, 1)
    }

    const fn at_least(len: u16) -> Self {
        Self::new(len, u16::MAX, 1)
    }

    /// A multiple, but not zero.
    const fn multiple_of(unit: u16) -> Self {
        Self::new(unit, u16::MAX, unit)
    }

    #[inline]
    fn allows(self, len: u16) -> bool {
        self.least <= len && len <= self.most && len % self.step == 0
    }
}

/// What a value of allowed length must be.
#[derive(Clone, Copy, Debug)]
enum Value {
    Any,
    Origin,
    AsPath,
    Aggregator,
    As4Path,
    As4Aggregator,
}

impl Value {
    /// The error says what was expected.
    #[inline]
    fn check(self, octets: &[u8], context: &Context) -> Result<(), &'static str> {
        match self {
            Self::Any => Ok(()),
            Self::Origin => check_origin(octets),
            Self::AsPath => as_path::check(octets, context),
            Self::Aggregator => check_aggregator(octets, context),
            Self::As4Path => as_path::check_as4(octets),
            Self::As4Aggregator => check_as4_aggregator(octets),
        }
    }
}

/// A row of the table.
#[derive(Debug)]
pub(in crate::wire) struct Spec {
    code: u8,
    name: &'static str,
    /// Optional and transitive bit.
    flags: u8,
    from: Scopes,
    length: Length,
    /// The same for people.
    length_text: &'static str,
    value: Value,
    /// If length or value are wrong.
    on_error: ErrorAction,
    /// For the NOTIFICATION, if the value is wrong and it comes to that.
    subcode: u8,
}

/// What is wrong with an attribute, and what to do about it.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct Wrong {
    pub(in crate::wire) expected: &'static str,
    pub(in crate::wire) action: ErrorAction,
    /// For the NOTIFICATION, if it comes to that.
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
    /// Judges an attribute as received; the first thing that is wrong.
    #[inline]
    pub(in crate::wire) fn judge(
        &self,
        flags: u8,
        value: &[u8],
        peer: Scopes,
        context: &Context,
    ) -> Result<(), Wrong> {
        const JUDGED: u8 = flag::OPTIONAL | flag::TRANSITIVE;
        let right_flags = flags & JUDGED == self.flags;
        let from_peer = self.from.meet(peer);
        // No attribute is longer than its message.
        if !(right_flags && from_peer && self.length.allows(value.len() as u16)) {
            return Err(self.wrong_form(from_peer, right_flags));
        }
        match self.value.check(value, context) {
            Ok(()) => Ok(()),
            Err(expected) => Err(Wrong::new(expected, self.on_error, self.subcode)),
        }
    }

    #[cold]
    fn wrong_form(&self, from_peer: bool, right_flags: bool) -> Wrong {
        if !from_peer {
            return Wrong::new("none from this peer", Discard, 0);
        }
        if !right_flags {
            let expected = "its optional and transitive bits";
            return Wrong::new(expected, self.on_wrong_flags(), subcode::FLAGS);
        }
        Wrong::new(self.length_text, self.on_error, self.length_subcode())
    }

    /// What is done if the optional or the transitive bit is wrong (RFC 7606 §3 c, §5.3).
    fn on_wrong_flags(&self) -> ErrorAction {
        self.on_error.max(Withdraw)
    }

    /// For the NOTIFICATION, if the length is wrong and it comes to that: RFC 4760 §7 has its own.
    fn length_subcode(&self) -> u8 {
        match self.on_error {
            Reset => self.subcode,
            Discard | Withdraw => subcode::LENGTH,
        }
    }

    /// Flags as they are kept and sent: only optional transitive attributes may be partial (RFC 4271 §4.3), and remain it
    /// (RFC 4271 §5).
    #[inline]
    pub(in crate::wire) fn normalized_flags(&self, received: u8) -> u8 {
        if self.flags == OPTIONAL_TRANSITIVE {
            self.flags | received & flag::PARTIAL
        } else {
            self.flags
        }
    }
}

/// Flags of an attribute that is carried on, without the extended length bit. One that we do not know is partial from here
/// on (RFC 4271 §5).
pub(in crate::wire) fn carried_flags(code: u8, received: u8) -> u8 {
    spec(code).map_or(OPTIONAL_TRANSITIVE | flag::PARTIAL, |spec| {
        spec.normalized_flags(received)
    })
}

/// The row of an attribute, if it is known.
#[inline]
pub(in crate::wire) fn spec(code: u8) -> Option<&'static Spec> {
    let row = ROW_OF_CODE[usize::from(code)];
    TABLE.get(usize::from(row))
}

/// What people call an attribute.
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

    const fn only_from(mut self, peers: Scopes) -> Self {
        self.from = peers;
        self
    }
}

const ANY: (Length, &str) = (Length::at_least(0), "any length");
const EMPTY: (Length, &str) = (Length::exactly(0), "no octets");
const ONE: (Length, &str) = (Length::exactly(1), "1 octet");
const FOUR: (Length, &str) = (Length::exactly(4), "4 octets");
const EIGHT: (Length, &str) = (Length::exactly(8), "8 octets");
/// Which of both it is depends on the session, see [`check_aggregator`].
const ASN_AND_ID: (Length, &str) = (Length::new(6, 8, 2), "an AS number and 4 octets");
const FOURS: (Length, &str) = (Length::multiple_of(4), "a multiple of 4 octets, not none");
const EIGHTS: (Length, &str) = (Length::multiple_of(8), "a multiple of 8 octets, not none");
const TWELVES: (Length, &str) = (Length::multiple_of(12), "a multiple of 12 octets, not none");
const TWENTIES: (Length, &str) = (Length::multiple_of(20), "a multiple of 20 octets, not none");
const THREE_UP: (Length, &str) = (Length::at_least(3), "at least 3 octets");
const FIVE_UP: (Length, &str) = (Length::at_least(5), "at least 5 octets");

/// One row for each attribute whose value is looked at; ascending by code.
static TABLE: [Spec; 19] = [
    // RFC 7606 §7.1
    row(code::ORIGIN, "ORIGIN", WELL_KNOWN, ONE, Withdraw).checked(subcode::ORIGIN, Value::Origin),
    // RFC 7606 §7.2
    row(code::AS_PATH, "AS_PATH", WELL_KNOWN, ANY, Withdraw)
        .checked(subcode::AS_PATH, Value::AsPath),
    // RFC 7606 §7.3; the address is judged together with the NLRI that it is for.
    row(code::NEXT_HOP, "NEXT_HOP", WELL_KNOWN, FOUR, Withdraw),
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
    .checked(subcode::OPTIONAL, Value::Aggregator),
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
    ),
    // RFC 7606 §7.12, §5.3
    row(
        code::MP_UNREACH_NLRI,
        "MP_UNREACH_NLRI",
        OPTIONAL_NON_TRANSITIVE,
        THREE_UP,
        Reset,
    ),
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
    .checked(subcode::OPTIONAL, Value::As4Path),
    // RFC 6793 §6
    row(
        code::AS4_AGGREGATOR,
        "AS4_AGGREGATOR",
        OPTIONAL_TRANSITIVE,
        EIGHT,
        Discard,
    )
    .only_from(Scopes::TWO_OCTET_AS)
    .checked(subcode::OPTIONAL, Value::As4Aggregator),
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
    ),
    // RFC 9234 §5
    row(
        code::OTC,
        "ONLY_TO_CUSTOMER",
        OPTIONAL_TRANSITIVE,
        FOUR,
        Withdraw,
    ),
];

/// Index into [`TABLE`] by code; beyond its end where there is no row.
static ROW_OF_CODE: [u8; 256] = {
    let mut rows = [u8::MAX; 256];
    let mut row = 0;
    while row < TABLE.len() {
        rows[TABLE[row].code as usize] = row as u8;
        row += 1;
    }
    rows
};

fn check_origin(value: &[u8]) -> Result<(), &'static str> {
    match value {
        [octet] if Origin::from_octet(*octet).is_some() => Ok(()),
        _ => Err("0, 1 or 2"),
    }
}

/// RFC 6793 §4.1; RFC 7607 §2.
fn check_aggregator(value: &[u8], context: &Context) -> Result<(), &'static str> {
    if value.len() != context.asn_len() + 4 {
        return Err(ASN_AND_ID.1);
    }
    if value[..context.asn_len()].iter().all(|octet| *octet == 0) {
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
