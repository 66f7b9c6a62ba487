//! Writing octets: lengths that are put in after what they count has been written, so nobody computes one by hand.
//!
//! Output goes straight to the caller's [`BytesMut`]. What does not fit a length field is the caller's mistake; callers cut
//! what comes from a configuration beforehand.

use bytes::{BufMut, BytesMut};

use super::{HEADER_LEN, MessageType};

/// Where the length stands in a header, behind the marker.
const LENGTH_AT: usize = 16;

/// Appends a message: its header, then what `body` writes.
pub(super) fn message(out: &mut BytesMut, kind: MessageType, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    let mut header = [0xff; HEADER_LEN];
    header[LENGTH_AT..].copy_from_slice(&[0, 0, kind.0]);
    out.put_slice(&header);
    body(out);
    let len = out.len() - start;
    patch_u16(out, start + LENGTH_AT, len);
}

/// Appends what `body` writes, preceded by its length in one octet.
pub(super) fn len8(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u8(0);
    body(out);
    let len = out.len() - at - 1;
    debug_assert!(len <= usize::from(u8::MAX), "the caller cuts to 255 octets");
    out[at] = len as u8;
}

/// Appends what `body` writes, preceded by its length in two octets.
pub(super) fn len16(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u16(0);
    body(out);
    let len = out.len() - at - 2;
    patch_u16(out, at, len);
}

/// The longest beginning of `text` that has at most `limit` octets and ends between two characters.
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
