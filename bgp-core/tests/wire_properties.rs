//! Properties of any message and any octets.

mod wire_strategies;
mod wire_support;

use bgp_core::types::{PathId, Prefix};
use bgp_core::wire::attribute::{AsPath, Attributes};
use bgp_core::wire::update::{TooLong, encode_reachable, encode_unreachable};
use bgp_core::wire::{
    AttributeView, Context, Message, NextHop, RefreshKind, RouteRefresh, Update, frame,
};
use bytes::BytesMut;
use proptest::prelude::*;
use wire_strategies::*;
use wire_support::EVERY_FAMILY;

fn written(message: &Message, context: &Context) -> BytesMut {
    let mut out = BytesMut::new();
    message.encode(context, &mut out);
    out
}

fn canonical(attributes: &Attributes) -> Vec<u8> {
    let mut octets = Vec::new();
    attributes.encode_canonical(&mut octets);
    octets
}

/// All messages in `octets`, which are whole and right.
fn read(mut octets: BytesMut, context: &Context) -> Vec<Message> {
    std::iter::from_fn(|| {
        let frame = frame::take(&mut octets, context.max_receive_len).expect("a good header")?;
        Some(Message::decode(frame, context).expect("a good message"))
    })
    .collect()
}

fn updates(octets: BytesMut, context: &Context) -> Vec<Update> {
    read(octets, context)
        .into_iter()
        .map(|message| match message {
            Message::Update(update) => update,
            other => panic!("not an UPDATE: {other}"),
        })
        .collect()
}

/// A session inside our AS that uses every family.
fn usable(context: Context) -> Context {
    Context {
        families: EVERY_FAMILY,
        extended_next_hop: true,
        external: false,
        ..context
    }
}

/// Routes as they arrive: without path identifiers if the session has none.
fn as_received<P: Prefix>(context: &Context, routes: &[(PathId, P)]) -> Vec<(PathId, P)> {
    let path_ids = context.add_path_send[P::FAMILY];
    let received = |(id, prefix): &(PathId, P)| (if path_ids { *id } else { PathId(0) }, *prefix);
    routes.iter().map(received).collect()
}

fn check_announcement<P: Prefix>(
    context: &Context,
    attributes: &Attributes,
    next_hop: NextHop,
    routes: &[(PathId, P)],
) {
    let octets = canonical(attributes);
    let mut out = BytesMut::new();
    let view = AttributeView::new(&octets);
    if encode_reachable(context, view, next_hop, routes, &mut out) == Err(TooLong) {
        assert!(octets.len() > 2000, "small attributes fit everywhere");
        assert!(out.is_empty());
        return;
    }
    let mut received = Vec::new();
    for update in updates(out, context) {
        assert!(update.bytes().len() <= context.max_send_len.into());
        assert!(update.faults().is_empty(), "{update}");
        let mut again = Vec::new();
        update.canonical_attributes(&mut again);
        assert_eq!(AttributeView::new(&again).to_attributes(), *attributes);
        assert_eq!(again, octets);
        for reachable in update.reachable() {
            assert_eq!(reachable.next_hop, next_hop);
            received.extend(reachable.nlri.iter::<P>());
        }
    }
    assert_eq!(received, as_received(context, routes));
}

fn check_withdrawal<P: Prefix>(context: &Context, routes: &[(PathId, P)]) {
    let mut out = BytesMut::new();
    encode_unreachable(context, routes, &mut out);
    let updates = updates(out, context);
    let received: Vec<_> = updates
        .iter()
        .flat_map(Update::unreachable)
        .flat_map(|nlri| nlri.iter::<P>())
        .collect();
    assert_eq!(received, as_received(context, routes));
}

/// Reads what may be anything, and looks at all of it.
fn explore(octets: &[u8], context: &Context) {
    let mut input = BytesMut::from(octets);
    while let Ok(Some(frame)) = frame::take(&mut input, context.max_receive_len) {
        match Message::decode(frame, context) {
            Ok(message) => {
                let _ = message.to_string();
                let _ = written(&message, context);
            }
            Err(error) => {
                let _ = error.to_string();
            }
        }
    }
}

/// A message of any type that is right on the session.
fn message(context: Context) -> impl Strategy<Value = BytesMut> {
    let context = usable(context);
    let update = (attributes(), next_hop_v4(), routes(ipv4_net())).prop_map(move |update| {
        let (attributes, next_hop, routes) = update;
        let octets = canonical(&attributes);
        let mut out = BytesMut::new();
        let view = AttributeView::new(&octets);
        // What is too long for a message is left out; the others remain.
        let _ = encode_reachable(&context, view, next_hop, &routes[..1], &mut out);
        encode_unreachable(&context, &routes, &mut out);
        out
    });
    prop_oneof![
        open().prop_map(move |open| written(&Message::Open(open), &context)),
        notification().prop_map(move |n| written(&Message::Notification(n), &context)),
        route_refresh().prop_map(move |r| written(&Message::RouteRefresh(r), &context)),
        Just(written(&Message::Keepalive, &context)),
        update,
    ]
}

fn context_and_message() -> impl Strategy<Value = (Context, BytesMut)> {
    context().prop_flat_map(|context| (Just(usable(context)), message(context)))
}

proptest! {
    #[test]
    fn open_round_trip(open in open()) {
        let message = Message::Open(open);
        let read = read(written(&message, &Context::default()), &Context::default());
        prop_assert_eq!(read, [message]);
    }

    #[test]
    fn notification_round_trip(notification in notification(), context in context()) {
        let message = Message::Notification(notification);
        let read = read(written(&message, &context), &context);
        prop_assert_eq!(read, [message]);
    }

    #[test]
    fn route_refresh_round_trip(refresh in route_refresh(), context in context()) {
        let read = read(written(&Message::RouteRefresh(refresh), &context), &context);
        let kind = if context.enhanced_refresh { refresh.kind } else { RefreshKind::REQUEST };
        prop_assert_eq!(read, [Message::RouteRefresh(RouteRefresh { kind, ..refresh })]);
    }

    #[test]
    fn attributes_round_trip(attributes in attributes()) {
        let octets = canonical(&attributes);
        let view = AttributeView::new(&octets);
        prop_assert_eq!(&view.to_attributes(), &attributes);
        let codes: Vec<u8> = view.iter().map(|attribute| attribute.code).collect();
        prop_assert!(codes.is_sorted());
        prop_assert!(!attributes.to_string().is_empty());
    }

    #[test]
    fn ipv4_update_round_trip(
        context in context(),
        attributes in attributes(),
        next_hop in prop_oneof![next_hop_v4(), next_hop_v6()],
        routes in routes(ipv4_net()),
    ) {
        check_announcement(&usable(context), &attributes, next_hop, &routes);
        check_withdrawal(&usable(context), &routes);
    }

    #[test]
    fn ipv6_update_round_trip(
        context in context(),
        attributes in attributes(),
        next_hop in next_hop_v6(),
        routes in routes(ipv6_net()),
    ) {
        check_announcement(&usable(context), &attributes, next_hop, &routes);
        check_withdrawal(&usable(context), &routes);
    }

    #[test]
    fn text_round_trip(
        path in as_path(),
        community in community(),
        ext_community in ext_community(),
        large_community in large_community(),
    ) {
        prop_assert_eq!(path.to_string().parse::<AsPath>(), Ok(path));
        prop_assert_eq!(community.to_string().parse(), Ok(community));
        prop_assert_eq!(ext_community.to_string().parse(), Ok(ext_community));
        prop_assert_eq!(large_community.to_string().parse(), Ok(large_community));
    }

    /// R4271-5.1.2-01: the AS comes first as often as asked for, and the rest stays.
    #[test]
    fn prepending(path in as_path(), asn in asn(), times in 0_usize..600) {
        let mut longer = path.clone();
        longer.prepend(asn, times);
        let expected = std::iter::repeat_n(asn, times).chain(path.view().asns());
        prop_assert!(longer.view().asns().eq(expected));
        prop_assert_eq!(longer.view().route_len(), path.view().route_len() + times as u32);
        prop_assert!(longer.view().segments().all(|segment| (1..=255).contains(&segment.asns().len())));
    }

    /// R4271-4.1-02: a message may come in any pieces.
    #[test]
    fn stream_split_anywhere((context, octets) in context_and_message(), cut in any::<prop::sample::Index>()) {
        let whole = read(octets.clone(), &context);
        let (first, second) = octets.split_at(cut.index(octets.len()));
        let mut input = BytesMut::from(first);
        let mut pieces = Vec::new();
        while let Some(frame) = frame::take(&mut input, context.max_receive_len).unwrap() {
            pieces.push(Message::decode(frame, &context).unwrap());
        }
        input.extend_from_slice(second);
        pieces.extend(read(input, &context));
        prop_assert_eq!(pieces, whole);
    }

    /// RP-01: nothing that a peer sends can make us panic.
    #[test]
    fn any_octets_can_be_read(
        context in context(),
        kind in 1_u8..=5,
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let frame = wire_support::frame(bgp_core::wire::MessageType(kind), &body);
        explore(&frame.bytes, &context);
        explore(&body, &context);
    }

    /// RP-01: nor what happens to a message on its way.
    #[test]
    fn any_bit_may_be_wrong((context, octets) in context_and_message(), bit in any::<prop::sample::Index>()) {
        let mut octets = octets.to_vec();
        let bit = bit.index(octets.len() * 8);
        octets[bit / 8] ^= 1 << (bit % 8);
        explore(&octets, &context);
    }

    /// A corrupted attribute never loses prefixes: they are announced, or withdrawn, or the session ends.
    #[test]
    fn a_wrong_attribute_loses_no_prefix(
        attributes in attributes(),
        routes in routes(ipv4_net()),
        at in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let context = usable(Context { four_octet_as: true, ..Context::default() });
        let value = canonical(&attributes);
        let mut out = BytesMut::new();
        let next_hop = NextHop::V4([192, 0, 2, 1].into());
        let view = AttributeView::new(&value);
        prop_assume!(encode_reachable(&context, view, next_hop, &routes[..1], &mut out).is_ok());
        let len = usize::from(u16::from_be_bytes([out[21], out[22]]));
        out[23 + at.index(len)] = octet;
        let frame = frame::take(&mut out, context.max_receive_len).unwrap().unwrap();
        if let Ok(Message::Update(update)) = Message::decode(frame, &context) {
            let reachable: Vec<_> = update.reachable().flat_map(|r| r.nlri.iter()).collect();
            let unreachable: Vec<_> = update.unreachable().flat_map(|nlri| nlri.iter()).collect();
            let expected = as_received(&context, &routes[..1]);
            prop_assert!(reachable == expected || unreachable == expected);
            prop_assert_eq!(update.is_treated_as_withdraw(), reachable.is_empty());
        }
    }
}
