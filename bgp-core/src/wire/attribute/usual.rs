//! A fast check for attributes in their usual form, derived from the attribute table.
//!
//! It only accepts. Attributes that do not fit, because they are wrong or just rare, go to [`Spec::check`], which accepts
//! everything that this check accepts (a test compares both).

use super::community::has_repetitions;
use super::table::{
    Kept, OPTIONAL_TRANSITIVE, Scopes, Spec, TABLE, Value, check_aggregator, check_origin,
};
use super::{as_path, code, flag};

/// The form of a valid, canonical attribute with a length of one octet.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct Usual {
    /// A bit for each allowed length.
    lengths: [u64; 4],
    flags: u8,
    /// Further flags that are allowed.
    more_flags: u8,
    from: Scopes,
    value: Value,
    /// The value has no duplicates.
    distinct: bool,
}

/// Octets of an AS number. Attributes with two-octet numbers are not stored as received, and so do not fit.
const ASN_LEN: usize = 4;

impl Usual {
    /// Accepts nothing.
    const NEVER: Self = Self {
        lengths: [0; 4],
        flags: 0,
        more_flags: 0,
        from: Scopes::NOBODY,
        value: Value::Any,
        distinct: false,
    };

    /// The form of an attribute that is passed on, or of NEXT_HOP.
    pub(in crate::wire) const fn of(code: u8) -> Self {
        let mut row = 0;
        while row < TABLE.len() {
            if TABLE[row].code == code {
                return Self::from_spec(&TABLE[row]);
            }
            row += 1;
        }
        Self::NEVER
    }

    const fn from_spec(spec: &Spec) -> Self {
        let from = match spec.kept {
            None if spec.code != code::NEXT_HOP => return Self::NEVER,
            Some(Kept::WithFourOctetAs) => Scopes::FOUR_OCTET_AS,
            Some(Kept::AsReceived | Kept::WithoutRepetitions) | None => spec.from,
        };
        let is_transitive_option = spec.flags == OPTIONAL_TRANSITIVE;
        Self {
            lengths: lengths(spec),
            flags: spec.flags,
            more_flags: if is_transitive_option {
                flag::PARTIAL
            } else {
                0
            },
            from,
            value: spec.value,
            distinct: matches!(spec.kept, Some(Kept::WithoutRepetitions)),
        }
    }

    /// Whether an attribute fits. `len` is the length of its value.
    #[inline(always)]
    pub(in crate::wire) fn fits(&self, flags: u8, len: u8, value: &[u8], peer: Scopes) -> bool {
        // All checks are combined before one branch: a mispredicted branch costs more than all of them.
        let right_form = (flags & !self.more_flags == self.flags)
            & self.from.meet(peer)
            & (self.lengths[usize::from(len / 64)] >> (len % 64) & 1 != 0);
        right_form
            && match self.value {
                Value::Any => !(self.distinct && has_repetitions(value)),
                Value::Origin => check_origin(value).is_ok(),
                Value::AsPath => as_path::is_one_sequence(value),
                Value::Aggregator => check_aggregator(value, ASN_LEN).is_ok(),
                Value::As4Path | Value::As4Aggregator => false,
            }
    }
}

/// The allowed lengths of a row that fit into one octet.
const fn lengths(spec: &Spec) -> [u64; 4] {
    let mut lengths = [0; 4];
    let mut len = 0;
    while len <= u8::MAX as usize {
        if spec.length.allows(len, ASN_LEN) {
            lengths[len / 64] |= 1 << (len % 64);
        }
        len += 1;
    }
    lengths
}

/// By code, up to the last one in the table.
static USUAL: [Usual; code::OTC as usize + 1] = {
    let mut rows = [Usual::NEVER; code::OTC as usize + 1];
    let mut code = 0;
    while code < rows.len() {
        rows[code] = Usual::of(code as u8);
        code += 1;
    }
    rows
};

/// The usual form of an attribute; `None` if it is unknown.
#[inline(always)]
pub(in crate::wire) fn usual(code: u8) -> Option<&'static Usual> {
    USUAL.get(usize::from(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Context;
    use crate::wire::attribute::{carried_flags, spec};
    use proptest::prelude::*;
    use proptest::sample::select;

    /// Attributes whose value is checked beyond its length.
    const CHECKED: [u8; 4] = [
        code::ORIGIN,
        code::AS_PATH,
        code::AGGREGATOR,
        code::LARGE_COMMUNITY,
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8_000))]

        #[test]
        fn what_is_usual_is_right_and_canonical(
            code in prop_oneof![0_u8..=40, select(CHECKED.to_vec())],
            odd_flags in prop::option::weighted(0.3, any::<u8>()),
            value in value(),
            [external, four_octet_as] in any::<[bool; 2]>(),
        ) {
            let context = Context { external, four_octet_as, ..Context::default() };
            let flags = odd_flags.unwrap_or_else(|| carried_flags(code, 0));
            let fits = usual(code).is_some_and(|usual| {
                usual.fits(flags, value.len() as u8, &value, Scopes::of(&context))
            });
            if fits {
                let spec = spec(code).expect("usual attributes are known");
                prop_assert!(spec.check(flags, &value, &context).is_ok());
                let canonical = spec.is_canonical(flags, &value, &context);
                prop_assert!(canonical || code == code::NEXT_HOP);
            }
        }
    }

    /// Values that some attributes may have, and values that none may have.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        let repeated = |(word, times): (Vec<u8>, usize)| word.repeat(times);
        let segment = |(kind, count, asns): (u8, u8, Vec<[u8; 4]>)| {
            [&[kind, count], asns.as_flattened()].concat()
        };
        let asn = || prop_oneof![Just([0; 4]), any::<[u8; 4]>()];
        prop_oneof![
            prop::collection::vec(0_u8..4, 0..12),
            (asn(), any::<[u8; 4]>()).prop_map(|pair| <[_; 2]>::from(pair).concat()),
            (prop::collection::vec(any::<u8>(), 12), 0_usize..4).prop_map(repeated),
            (1_u8..=3, 0_u8..4, prop::collection::vec(asn(), 0..4)).prop_map(segment),
            prop::collection::vec(any::<u8>(), 0..=255),
        ]
    }

    /// Ensures that the test above is not vacuous.
    #[test]
    fn usual_attributes() {
        let context = Context {
            four_octet_as: true,
            ..Context::default()
        };
        let fits = |code, flags, value: &[u8]| {
            let usual = usual(code).expect("a known code");
            usual.fits(flags, value.len() as u8, value, Scopes::of(&context))
        };
        let path = [2, 1, 0, 0, 0xfc, 0];
        assert!(fits(code::ORIGIN, 0x40, &[2]));
        assert!(fits(code::AS_PATH, 0x40, &path));
        assert!(fits(code::NEXT_HOP, 0x40, &[192, 0, 2, 1]));
        assert!(fits(code::MED, 0x80, &[0; 4]));
        assert!(fits(code::AGGREGATOR, 0xc0, &[0, 0, 0, 1, 1, 1, 1, 1]));
        assert!(fits(code::COMMUNITIES, 0xe0, &[0; 8]));
        assert!(fits(code::LARGE_COMMUNITY, 0xc0, &[0; 12]));
        assert!(!fits(code::LARGE_COMMUNITY, 0xc0, &[0; 24]));
        assert!(
            !fits(code::LOCAL_PREF, 0x40, &[0; 4]),
            "the peer is external"
        );
        assert!(!fits(code::MP_UNREACH_NLRI, 0x80, &[0, 2, 1]));
        assert!(!fits(code::AS_PATH, 0x50, &path));
    }
}
