//! Messages: whatever the octets, the decoded message is valid.
//!
//! Every input begins with two octets that describe the negotiated session; the rest depends on the target.

use bgp_core::types::{PathId, PerFamily, Prefix};
use bgp_core::wire::update::{encode_opaque, encode_reachable, encode_unreachable};
use bgp_core::wire::{
    AttributeView, Context, Frame, MAX_EXTENDED_MESSAGE_LEN, MAX_MESSAGE_LEN, Message,
    MessageError, OpaqueRoutes, Update, frame,
};
use bytes::{BufMut, BytesMut};
use ipnet::{Ipv4Net, Ipv6Net};

/// Then the type of a message, and its body: decodes it and reads everything in it.
pub fn decode_message(data: &[u8]) {
    let Some((context, rest)) = split_context(data) else {
        return;
    };
    let Some(frame) = whole_frame(&context, rest) else {
        return;
    };
    let received = frame.bytes.clone();
    match Message::decode(frame, &context) {
        Ok(message) => {
            assert!(!message.to_string().is_empty());
            if let Message::Update(update) = message {
                check_update(&update);
            }
        }
        Err(error) => check_error(&error, &received),
    }
}

/// Then the length of the pieces, and a stream: decodes it at once and in pieces.
pub fn decode_stream(data: &[u8]) {
    let Some((context, rest)) = split_context(data) else {
        return;
    };
    let Some((&piece, stream)) = rest.split_first() else {
        return;
    };
    let at_once = read_pieces(&context, [stream].into_iter());
    let in_pieces = read_pieces(&context, stream.chunks(usize::from(piece).max(1)));
    assert_eq!(at_once, in_pieces);
}

/// The same input as for [`decode_message`]: a valid message is encoded and decoded again.
pub fn roundtrip(data: &[u8]) {
    let Some((context, rest)) = split_context(data) else {
        return;
    };
    let Some(frame) = whole_frame(&context, rest) else {
        return;
    };
    match Message::decode(frame, &context) {
        Ok(Message::Update(update)) => {
            write_again::<Ipv4Net>(&context, &update);
            write_again::<Ipv6Net>(&context, &update);
            write_opaque_again(&context, &update);
        }
        Ok(message) => {
            let mut out = BytesMut::new();
            message.encode(&context, &mut out);
            let messages = read_pieces(&context, [&out[..]].into_iter());
            assert_eq!(messages, [Ok(message)]);
        }
        Err(_) => {}
    }
}

fn split_context(data: &[u8]) -> Option<(Context, &[u8])> {
    let (bits, rest) = data.split_first_chunk()?;
    let bits = u16::from_be_bytes(*bits);
    let bit = |at: u32| bits >> at & 1 == 1;
    let add_path = PerFamily {
        ipv4: bit(1),
        ipv6: bit(2),
    };
    let max_len = if bit(8) {
        MAX_EXTENDED_MESSAGE_LEN
    } else {
        MAX_MESSAGE_LEN
    };
    let context = Context {
        four_octet_as: bit(0),
        add_path_receive: add_path,
        add_path_send: add_path,
        families: PerFamily {
            ipv4: !bit(3),
            ipv6: bit(4),
        },
        extended_next_hop: bit(5),
        external: bit(6),
        enhanced_refresh: bit(7),
        opaque_families: bit(9),
        max_receive_len: max_len,
        max_send_len: max_len,
    };
    Some((context, rest))
}

/// A frame with a valid header around any body.
fn whole_frame(context: &Context, data: &[u8]) -> Option<Frame> {
    let (kind, body) = data.split_first()?;
    let len = u16::try_from(19 + body.len()).ok()?;
    let mut input = BytesMut::new();
    input.put_bytes(0xff, 16);
    input.put_u16(len);
    input.put_u8(kind % 5 + 1);
    input.put_slice(body);
    frame::take(&mut input, context.max_receive_len).ok()?
}

/// A NOTIFICATION can be encoded, and contains only received octets or our version.
fn check_error(error: &MessageError, received: &[u8]) {
    assert!(error.offset <= received.len());
    let data = &error.notification.data[..];
    let repeated = received.windows(data.len().max(1)).any(|part| part == data);
    assert!(data.is_empty() || repeated || data == [0, 4]);
    assert!(!error.to_string().is_empty());
}

fn canonical(update: &Update) -> Vec<u8> {
    let mut octets = Vec::new();
    update.canonical_attributes(&mut octets);
    octets
}

fn check_update(update: &Update) {
    let octets = canonical(update);
    let view = AttributeView::new(&octets);
    let codes: Vec<u8> = view.iter().map(|attribute| attribute.code).collect();
    assert!(codes.windows(2).all(|pair| pair[0] < pair[1]));
    let has_mandatory = codes.contains(&1) && codes.contains(&2);
    if has_mandatory {
        let mut again = Vec::new();
        view.to_attributes().encode_canonical(&mut again);
        assert_eq!(again, octets, "the canonical form is unique");
    }
    for reachable in update.reachable() {
        assert!(has_mandatory, "ORIGIN and AS_PATH");
        assert_eq!(reachable.nlri.count(), reachable.nlri.nets().count());
        assert!(!reachable.nlri.is_empty());
    }
    for routes in update.opaque() {
        let announced = matches!(routes, OpaqueRoutes::Reachable { .. });
        assert!(!announced || !update.is_treated_as_withdraw());
    }
    assert!(update.reachable().next().is_none() || !update.is_treated_as_withdraw());
    for nlri in update.unreachable() {
        assert_eq!(nlri.count(), nlri.nets().count());
    }
    for fault in update.faults() {
        assert!(!fault.to_string().is_empty());
    }
}

fn read_pieces<'a>(
    context: &Context,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Vec<Result<Message, MessageError>> {
    let mut input = BytesMut::new();
    let mut messages = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match frame::take(&mut input, context.max_receive_len) {
                Ok(Some(frame)) => messages.push(Message::decode(frame, context)),
                Ok(None) => break,
                Err(error) => {
                    messages.push(Err(error));
                    return messages;
                }
            }
        }
    }
    messages
}

fn write_again<P: Prefix>(context: &Context, update: &Update) {
    let octets = canonical(update);
    let view = AttributeView::new(&octets);
    for reachable in update.reachable() {
        let routes: Vec<(PathId, P)> = reachable.nlri.iter().collect();
        let mut out = BytesMut::new();
        // Our encoding may be longer than the received one.
        if encode_reachable(context, view, reachable.next_hop, &routes, &mut out).is_err() {
            continue;
        }
        let mut again = Vec::new();
        for update in updates(context, &out) {
            assert!(update.faults().is_empty(), "{update}");
            // A two-octet peer cannot be told where confederation segments are in a path.
            if context.four_octet_as || !view.as_path().contains_confederation() {
                assert_eq!(canonical(&update), octets);
            }
            for again_reachable in update.reachable() {
                assert_eq!(again_reachable.next_hop, reachable.next_hop);
                again.extend(again_reachable.nlri.iter::<P>());
            }
        }
        assert_eq!(again, routes);
    }
    for nlri in update.unreachable() {
        let routes: Vec<(PathId, P)> = nlri.iter().collect();
        let mut out = BytesMut::new();
        encode_unreachable(context, &routes, &mut out);
        let again: Vec<_> = updates(context, &out)
            .iter()
            .flat_map(Update::unreachable)
            .flat_map(|nlri| nlri.iter::<P>())
            .collect();
        assert_eq!(again, routes);
    }
}

fn write_opaque_again(context: &Context, update: &Update) {
    let octets = canonical(update);
    let view = AttributeView::new(&octets);
    for routes in update.opaque() {
        let mut out = BytesMut::new();
        if encode_opaque(context, view, routes, &mut out).is_err() {
            continue;
        }
        let again = updates(context, &out);
        let [again] = &again[..] else {
            panic!("one UPDATE, not {again:?}");
        };
        assert!(again.opaque().eq([routes]), "{again}");
    }
}

fn updates(context: &Context, octets: &[u8]) -> Vec<Update> {
    read_pieces(context, [octets].into_iter())
        .into_iter()
        .map(|message| match message {
            Ok(Message::Update(update)) => update,
            other => panic!("not an UPDATE: {other:?}"),
        })
        .collect()
}
