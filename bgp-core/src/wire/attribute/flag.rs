//! Bits of the flags octet of an attribute (RFC 4271 §4.3).

pub(in crate::wire) const OPTIONAL: u8 = 0x80;
pub(in crate::wire) const TRANSITIVE: u8 = 0x40;
pub(in crate::wire) const PARTIAL: u8 = 0x20;
pub(in crate::wire) const EXTENDED_LENGTH: u8 = 0x10;

/// The flags of an attribute with a value of this length: the extended length bit is set only if needed.
#[inline]
pub(in crate::wire) fn put_flags(flags: u8, len: usize) -> u8 {
    if len > u8::MAX.into() {
        flags | EXTENDED_LENGTH
    } else {
        flags & !EXTENDED_LENGTH
    }
}
