//! Attributes that have no field of their own: those of others, carried on unread (RFC 4271 §5), and those of embedders.

use std::fmt;

use super::table::{OPTIONAL_TRANSITIVE, spec};
use super::{code, flag};

/// An optional attribute that is not interpreted here: one that came, or one of the embedder's own.
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

/// Not an attribute that can be carried unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidAttribute {
    /// The attribute of this type code is interpreted here: it has a field in [`Attributes`](super::Attributes), or belongs to the
    /// codec.
    Known(u8),
    /// Flags that such an attribute cannot have: it is optional, and partial only if it is transitive (RFC 4271 §4.3).
    Flags(u8),
    /// A value of this many octets; at most 65535 are possible (RFC 4271 §4.3).
    Length(usize),
}

impl UnknownAttribute {
    /// An attribute of ours. A speaker that does not know it passes it on if it is `transitive`, and ignores it otherwise
    /// (RFC 4271 §5). The type codes 241 to 254 belong to nobody; others are given out by IANA.
    ///
    /// A route whose attributes do not fit a message of a session is not told on that session.
    ///
    /// # Errors
    ///
    /// The attribute is one that is known here, or its value is too long.
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

    /// One that has been judged already.
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
            // It has no field, but a form (RFC 5701 §2).
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

    /// The same as it is after a speaker that did not know it (RFC 4271 §5); only a transitive one can be.
    #[must_use]
    pub fn with_partial(mut self) -> Self {
        if self.is_transitive() {
            self.flags |= flag::PARTIAL;
        }
        self
    }

    /// Its type code.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// Its flags; never with the extended length bit.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Its value; at most 65535 octets.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Whether those who do not know it pass it on.
    pub fn is_transitive(&self) -> bool {
        self.flags & flag::TRANSITIVE != 0
    }

    /// Whether some speaker on the way did not know it. What this speaker receives is always marked so.
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

/// What is read before it is checked.
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
