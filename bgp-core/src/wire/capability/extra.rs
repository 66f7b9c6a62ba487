//! Private capabilities of the embedder.

use std::fmt;

use bytes::Bytes;

use super::code::{KNOWN, MAX_VALUE_LEN};

/// A private capability of the embedder, advertised in addition to ours.
///
/// ```
/// use bgp_core::wire::{ExtraCapability, InvalidCapability};
///
/// let ours = ExtraCapability::new(239, *b"zones")?;
/// assert_eq!((ours.code(), ours.value()), (239, &b"zones"[..]));
/// assert_eq!(ExtraCapability::new(65, [0; 4]), Err(InvalidCapability::Known(65)));
/// # Ok::<(), InvalidCapability>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ExtraCapability {
    code: u8,
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::wire::text::serialize")
    )]
    value: Bytes,
}

/// Not a capability that can be advertised as a private one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidCapability {
    /// The capability with this code is used here: it follows from the settings of the session.
    Known(u8),
    /// The length of the value in octets; at most 255 are allowed (RFC 5492 §4).
    Length(usize),
}

impl ExtraCapability {
    /// A capability with this code; 239 to 254 are for experiments (RFC 8810 §3), and IANA assigns the others.
    ///
    /// # Errors
    ///
    /// The code is used here, or the value is too long.
    pub fn new(code: u8, value: impl AsRef<[u8]>) -> Result<Self, InvalidCapability> {
        let value = value.as_ref();
        if KNOWN.contains(&code) {
            return Err(InvalidCapability::Known(code));
        }
        if value.len() > MAX_VALUE_LEN {
            return Err(InvalidCapability::Length(value.len()));
        }
        let value = Bytes::copy_from_slice(value);
        Ok(Self { code, value })
    }

    /// The code.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// The value; at most 255 octets.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    pub(super) fn into_parts(self) -> (u8, Bytes) {
        (self.code, self.value)
    }
}

impl fmt::Display for InvalidCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(code) => write!(f, "capability {code} follows from the settings"),
            Self::Length(len) => write!(f, "a capability cannot have {len} octets"),
        }
    }
}

impl std::error::Error for InvalidCapability {}
