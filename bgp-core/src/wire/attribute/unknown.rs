//! Attributes without a field: unknown ones, which are passed on (RFC 4271 §5), and private ones of the embedder.

use std::fmt;

use super::table::{OPTIONAL_TRANSITIVE, spec};
use super::{code, flag};

/// An optional attribute that is not interpreted here: a received or a private one.
///
/// ```
/// use bgp_core::wire::attribute::{InvalidAttribute, UnknownAttribute};
///
/// let zone = UnknownAttribute::new(241, true, *b"zone-a")?;
/// assert_eq!((zone.code(), zone.value()), (241, &b"zone-a"[..]));
/// assert_eq!(UnknownAttribute::new(8, true, [0; 4]), Err(InvalidAttribute::Known(8)));
/// # Ok::<(), InvalidAttribute>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "Unchecked")
)]
pub struct UnknownAttribute {
    code: u8,
    flags: u8,
    #[cfg_attr(feature = "serde", serde(with = "crate::wire::text"))]
    value: Box<[u8]>,
}

/// Not an attribute that can be passed on without interpretation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidAttribute {
    /// The attribute with this type code is interpreted here: it has a field in [`Attributes`](super::Attributes), or belongs to
    /// the codec.
    Known(u8),
    /// Invalid flags: the attribute must be optional, and may be partial only if it is transitive (RFC 4271 §4.3).
    Flags(u8),
    /// The length of the value in octets; at most 65535 are allowed (RFC 4271 §4.3).
    Length(usize),
}

impl UnknownAttribute {
    /// A private attribute. A speaker that does not know it passes it on if it is `transitive`, and ignores it otherwise (RFC
    /// 4271 §5). Type codes 241 to 254 are unassigned; IANA assigns the others.
    ///
    /// A route is not advertised on a session whose messages cannot hold its attributes.
    ///
    /// # Errors
    ///
    /// The attribute is known here, or its value is too long.
    pub fn new(
        code: u8,
        transitive: bool,
        value: impl Into<Box<[u8]>>,
    ) -> Result<Self, InvalidAttribute> {
        let flags = match transitive {
            true => OPTIONAL_TRANSITIVE,
            false => flag::OPTIONAL,
        };
        Self::from_parts(code, flags, value.into()).checked()
    }

    /// From parts that were already checked.
    pub(super) fn from_parts(code: u8, flags: u8, value: Box<[u8]>) -> Self {
        Self { code, flags, value }
    }

    fn checked(self) -> Result<Self, InvalidAttribute> {
        let allowed = match self.is_transitive() {
            true => OPTIONAL_TRANSITIVE | flag::PARTIAL,
            false => flag::OPTIONAL,
        };
        if self.flags & flag::OPTIONAL == 0 || self.flags & !allowed != 0 {
            return Err(InvalidAttribute::Flags(self.flags));
        }
        let len = self.value.len();
        if len > usize::from(u16::MAX) {
            return Err(InvalidAttribute::Length(len));
        }
        match spec(self.code) {
            None => Ok(self),
            // It has no field, but a defined form (RFC 5701 §2).
            Some(spec) if self.code == code::IPV6_EXT_COMMUNITIES => {
                match (self.is_transitive(), spec.length.allows(len, 4)) {
                    (false, _) => Err(InvalidAttribute::Flags(self.flags)),
                    (true, false) => Err(InvalidAttribute::Length(len)),
                    (true, true) => Ok(self),
                }
            }
            Some(_) => Err(InvalidAttribute::Known(self.code)),
        }
    }

    /// Sets the partial bit, as a speaker that does not know the attribute does (RFC 4271 §5); no effect unless transitive.
    #[must_use]
    pub fn with_partial(mut self) -> Self {
        if self.is_transitive() {
            self.flags |= flag::PARTIAL;
        }
        self
    }

    /// The type code.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// The flags, never with the extended length bit.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// The value; at most 65535 octets.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Whether a speaker that does not know the attribute passes it on.
    pub fn is_transitive(&self) -> bool {
        self.flags & flag::TRANSITIVE != 0
    }

    /// Whether some speaker on the path did not know the attribute. Always set on received attributes.
    pub fn is_partial(&self) -> bool {
        self.flags & flag::PARTIAL != 0
    }
}

impl fmt::Display for InvalidAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(code) => write!(f, "attribute {code} is not an unknown one"),
            Self::Flags(flags) => write!(f, "an unknown attribute cannot have flags {flags:02x}"),
            Self::Length(len) => write!(f, "the attribute cannot have {len} octets"),
        }
    }
}

impl std::error::Error for InvalidAttribute {}

/// The deserialized form, before checks.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Unchecked {
    code: u8,
    flags: u8,
    #[serde(with = "crate::wire::text")]
    value: Box<[u8]>,
}

#[cfg(feature = "serde")]
impl TryFrom<Unchecked> for UnknownAttribute {
    type Error = InvalidAttribute;

    fn try_from(Unchecked { code, flags, value }: Unchecked) -> Result<Self, InvalidAttribute> {
        Self::from_parts(code, flags, value).checked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_carried_unread_is_made() {
        let new =
            |code, transitive, len: usize| UnknownAttribute::new(code, transitive, vec![7; len]);
        for code in 0..=u8::MAX {
            let known = spec(code).is_some() && code != code::IPV6_EXT_COMMUNITIES;
            let made = new(code, true, 20);
            assert_eq!(made.is_err(), known, "{code}");
            assert!(made.is_ok() || made == Err(InvalidAttribute::Known(code)));
        }
        assert_eq!(new(25, false, 20), Err(InvalidAttribute::Flags(0x80)));
        assert_eq!(new(25, true, 19), Err(InvalidAttribute::Length(19)));
        assert_eq!(
            new(241, true, 65_536),
            Err(InvalidAttribute::Length(65_536))
        );
        assert_eq!(new(241, true, 65_535).map(|it| it.flags()), Ok(0xc0));
        assert_eq!(new(241, false, 0).map(|it| it.flags()), Ok(0x80));
        assert_eq!(
            new(241, false, 0).map(|it| it.with_partial().flags()),
            Ok(0x80)
        );
    }

    /// RFC 4271 §4.3.
    #[test]
    fn flags_are_those_of_an_optional_attribute() {
        for flags in 0..=u8::MAX {
            let made = UnknownAttribute::from_parts(241, flags, [].into()).checked();
            let right = [0x80, 0xc0, 0xe0].contains(&flags);
            assert_eq!(made.is_ok(), right, "{flags:02x}");
        }
    }
}
