//! Framing: splits a byte stream into messages by their header (RFC 4271 §4.1, §6.1).
//!
//! Input is the buffer of a connection's reader; output is one [`Frame`] at a time, which shares the memory of that buffer. Only
//! the header is read; [`Message::decode`](super::Message::decode) reads the rest.

use bytes::{Bytes, BytesMut};

use super::header::{HEADER_LEN, MessageType};
use super::notification::{ErrorCode, MessageError};

/// RFC 4271 §4.1.
const MARKER: [u8; 16] = [0xff; 16];

/// One complete message with a valid header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The type; one of the five known ones.
    pub kind: MessageType,
    /// The complete message, including the header; shares the read buffer.
    pub bytes: Bytes,
}

/// Splits the next message off the front of `input`; `None` if it is incomplete.
///
/// The header is checked as soon as its 19 octets have arrived, without waiting for the body (RFC 4271 §6.1).
///
/// # Errors
///
/// Bad marker, length or type. The stream is unusable afterwards.
#[inline(always)]
pub fn take(input: &mut BytesMut, max_len: u16) -> Result<Option<Frame>, MessageError> {
    let Some(header) = input.first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let [marker @ .., high, low, kind] = header;
    let (kind, len) = (MessageType(*kind), u16::from_be_bytes([*high, *low]));
    if marker != &MARKER || !kind.allows(len, max_len) {
        return Err(*refuse(header, max_len));
    }
    if input.len() < len.into() {
        return Ok(None);
    }
    let bytes = input.split_to(len.into()).freeze();
    Ok(Some(Frame { kind, bytes }))
}

/// The error of a bad header, checked in the order marker, length, type. Boxed: an inline error would force the result of
/// [`take`] through memory and cost more than the check.
#[cold]
fn refuse(header: &[u8; HEADER_LEN], max_len: u16) -> Box<MessageError> {
    let [marker @ .., high, low, kind] = header;
    let (kind, len) = (MessageType(*kind), u16::from_be_bytes([*high, *low]));
    let any_type = HEADER_LEN as u16..=max_len;
    Box::new(if marker != &MARKER {
        header_error(1, 0, "a marker of all ones")
    } else if any_type.contains(&len) && kind.lengths(max_len).is_none() {
        unknown_type(kind.0)
    } else {
        bad_length(kind, &[*high, *low])
    })
}

/// RFC 4271 §6.1: the data is the length field as received.
pub(super) fn bad_length(kind: MessageType, field: &[u8]) -> MessageError {
    let error = header_error(2, 16, "a length that a message of its type can have");
    MessageError {
        // RFC 4271 §6.4: an error in a NOTIFICATION is not answered with a NOTIFICATION.
        answerable: kind != MessageType::NOTIFICATION,
        ..error.with_data(field)
    }
}

pub(super) fn unknown_type(kind: u8) -> MessageError {
    header_error(3, 18, "a known message type").with_data(&[kind])
}

fn header_error(subcode: u8, offset: usize, expected: &'static str) -> MessageError {
    MessageError::new(ErrorCode::HEADER, subcode, offset, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{MAX_EXTENDED_MESSAGE_LEN, MAX_MESSAGE_LEN, Notification};
    use bytes::BufMut;

    fn header(len: u16, kind: u8) -> BytesMut {
        let mut octets = BytesMut::new();
        octets.put_bytes(0xff, 16);
        octets.put_u16(len);
        octets.put_u8(kind);
        octets
    }

    fn rejected(mut input: BytesMut, max_len: u16) -> Notification {
        take(&mut input, max_len)
            .expect_err("a bad header")
            .notification
    }

    /// R4271-6.1-01.
    #[test]
    fn r4271_6_1_01_marker() {
        let mut input = header(19, 4);
        input[15] = 0xfe;
        let answer = rejected(input, MAX_MESSAGE_LEN);
        assert_eq!((answer.code, answer.subcode), (ErrorCode::HEADER, 1));
    }

    /// R4271-4.1-01, R4271-6.1-02: checked before the body has arrived.
    #[test]
    fn r4271_6_1_02_length_outside_the_limits() {
        for len in [0, 18, 4097, 65535] {
            let answer = rejected(header(len, 2), MAX_MESSAGE_LEN);
            assert_eq!((answer.code, answer.subcode), (ErrorCode::HEADER, 2));
            assert_eq!(&answer.data[..], len.to_be_bytes());
        }
        assert_eq!(take(&mut header(4096, 2), MAX_MESSAGE_LEN), Ok(None));
    }

    /// R4271-6.1-03.
    #[test]
    fn r4271_6_1_03_length_by_type() {
        for (len, kind) in [(28, 1), (22, 2), (20, 3), (20, 4), (4096, 4)] {
            let answer = rejected(header(len, kind), MAX_MESSAGE_LEN);
            assert_eq!((answer.code, answer.subcode), (ErrorCode::HEADER, 2));
            assert_eq!(&answer.data[..], len.to_be_bytes());
        }
    }

    /// R4271-6.4-01: what is wrong with a NOTIFICATION is not told; what is wrong with a marker could be anything.
    #[test]
    fn r4271_6_4_01_only_a_broken_notification_is_not_answered() {
        let error = |mut input: BytesMut| take(&mut input, MAX_MESSAGE_LEN).expect_err("broken");
        for len in [0, 18, 19, 20, 4097] {
            assert!(!error(header(len, 3)).answerable, "length {len}");
        }
        for kind in [1, 2, 4, 5, 9] {
            assert!(error(header(18, kind)).answerable, "type {kind}");
        }
        let mut out_of_step = header(21, 3);
        out_of_step[3] = 0;
        assert!(error(out_of_step).answerable);
    }

    /// R4271-6.1-04; R4271-6.1-05: a bad length is found before a bad type, a bad marker before both.
    #[test]
    fn r4271_6_1_04_type() {
        for kind in [0, 6, 255] {
            let answer = rejected(header(19, kind), MAX_MESSAGE_LEN);
            assert_eq!((answer.code, answer.subcode), (ErrorCode::HEADER, 3));
            assert_eq!(&answer.data[..], [kind]);
        }
        assert_eq!(rejected(header(18, 9), MAX_MESSAGE_LEN).subcode, 2);
        let mut input = header(18, 9);
        input[0] = 0;
        assert_eq!(rejected(input, MAX_MESSAGE_LEN).subcode, 1);
    }

    /// R8654-3-01, R8654-4-01.
    #[test]
    fn r8654_4_01_long_messages_but_no_long_open_or_keepalive() {
        for kind in [2, 3, 5] {
            let mut input = header(65535, kind);
            assert_eq!(take(&mut input, MAX_EXTENDED_MESSAGE_LEN), Ok(None));
            input.put_bytes(0, 65535 - HEADER_LEN);
            let frame = take(&mut input, MAX_EXTENDED_MESSAGE_LEN).unwrap().unwrap();
            assert_eq!(frame.bytes.len(), 65535);
        }
        assert_eq!(
            rejected(header(4097, 1), MAX_EXTENDED_MESSAGE_LEN).subcode,
            2
        );
        assert_eq!(rejected(header(4097, 2), MAX_MESSAGE_LEN).subcode, 2);
    }

    /// R4271-4.1-02.
    #[test]
    fn r4271_4_1_02_several_messages_in_one_read() {
        let mut input = header(19, 4);
        input.unsplit(header(19, 4));
        input.put_bytes(0xff, 3);
        for _ in 0..2 {
            let frame = take(&mut input, MAX_MESSAGE_LEN).unwrap().unwrap();
            assert_eq!(frame.kind, MessageType::KEEPALIVE);
        }
        assert_eq!(take(&mut input, MAX_MESSAGE_LEN), Ok(None));
        assert_eq!(input.len(), 3);
    }
}
