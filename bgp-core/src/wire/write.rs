//! Writing octets: lengths are filled in after their content was written, so none is computed by hand.
//!
//! Output goes to the caller's [`BytesMut`]. Content that does not fit its length field is the caller's error; callers truncate
//! values from a configuration beforehand.

use bytes::{BufMut, BytesMut};

use super::{HEADER_LEN, MessageType};

/// Offset of the length in a header, after the marker.
const LENGTH_AT: usize = 16;

/// Appends a message: its header, then the octets that `body` writes.
pub(super) fn message(out: &mut BytesMut, kind: MessageType, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    let mut header = [0xff; HEADER_LEN];
    header[LENGTH_AT..].copy_from_slice(&[0, 0, kind.0]);
    out.put_slice(&header);
    body(out);
    let len = out.len() - start;
    patch_u16(out, start + LENGTH_AT, len);
}

/// Appends the octets that `body` writes, preceded by their length in one octet.
pub(super) fn len8(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u8(0);
    body(out);
    let len = out.len() - at - 1;
    debug_assert!(len <= usize::from(u8::MAX), "the caller cuts to 255 octets");
    out[at] = len as u8;
}

/// Appends the octets that `body` writes, preceded by their length in two octets.
pub(super) fn len16(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u16(0);
    body(out);
    let len = out.len() - at - 2;
    patch_u16(out, at, len);
}

/// The longest prefix of `text` that has at most `limit` octets and ends between two characters.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn patch_u16(out: &mut [u8], at: usize, value: usize) {
    debug_assert!(
        value <= usize::from(u16::MAX),
        "messages end at 65535 octets"
    );
    out[at..at + 2].copy_from_slice(&(value as u16).to_be_bytes());
}
