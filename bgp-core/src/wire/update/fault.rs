//! Errors in an UPDATE that were handled by RFC 7606, for logs and counters.

use std::fmt;

use bytes::Bytes;

use crate::wire::attribute::{ErrorAction, name};
use crate::wire::text::Hex;

/// An error in an UPDATE that did not end the session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Type code of the attribute.
    pub code: u8,
    /// Offset of the attribute in the message, octets.
    pub offset: usize,
    /// The attribute as received, with its flags, code and length; empty if it is missing. Shares the message.
    pub octets: Bytes,
    /// The expected content.
    pub expected: &'static str,
    /// How it was handled.
    pub action: ErrorAction,
}

impl Fault {
    /// Name of the attribute.
    pub fn name(&self) -> &'static str {
        name(self.code)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.code)?;
        if self.octets.is_empty() {
            f.write_str(" is missing")?;
        } else {
            let octets = Hex(&self.octets);
            write!(
                f,
                " at octet {}: expected {}, got {octets}",
                self.offset, self.expected
            )?;
        }
        f.write_str(match self.action {
            ErrorAction::Discard => "; attribute discarded",
            ErrorAction::Withdraw => "; routes treated as withdrawn",
            ErrorAction::Reset => "; session reset",
        })
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Fault {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("Fault", 6)?;
        fields.serialize_field("code", &self.code)?;
        fields.serialize_field("name", self.name())?;
        fields.serialize_field("offset", &self.offset)?;
        fields.serialize_field("octets", &crate::wire::text::to_hex(&self.octets))?;
        fields.serialize_field("expected", self.expected)?;
        fields.serialize_field("action", &self.action)?;
        fields.end()
    }
}
