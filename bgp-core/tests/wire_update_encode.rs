//! Encoding UPDATEs: the result can be decoded, is packed, and has the form that the RFCs require.

mod wire_support;

use bgp_core::types::{Asn, Family, PathId, PerFamily};
use bgp_core::wire::attribute::{Aggregator, AsPath, Attributes, Community, UnknownAttribute};
use bgp_core::wire::update::{TooLong, encode_end_of_rib, encode_reachable, encode_unreachable};
use bgp_core::wire::{AttributeView, Context, Message, NextHop, Update, frame};
use bytes::BytesMut;
use ipnet::{Ipv4Net, Ipv6Net};
use wire_support::{internal, two_octet};

fn canonical(attributes: &Attributes) -> Vec<u8> {
    let mut octets = Vec::new();
    attributes.encode_canonical(&mut octets);
    octets
}

/// Reads everything that was written.
fn updates(mut octets: BytesMut, context: &Context) -> Vec<Update> {
    std::iter::from_fn(|| {
        let frame = frame::take(&mut octets, context.max_send_len).expect("a good header")?;
        match Message::decode(frame, context).expect("a good message") {
            Message::Update(update) => Some(update),
            other => panic!("{other}"),
        }
    })
    .collect()
}

fn ipv4_routes(count: u32) -> Vec<(PathId, Ipv4Net)> {
    (0..count)
        .map(|at| {
            let net = Ipv4Net::new_assert((0x0a00_0000 | at << 8).into(), 24);
            (PathId(at + 1), net)
        })
        .collect()
}

fn ipv6_routes(count: u32) -> Vec<(PathId, Ipv6Net)> {
    (0..count)
        .map(|at| {
            let address = 0x2001_0db8_u128 << 96 | u128::from(at) << 64;
            (PathId(at + 1), Ipv6Net::new_assert(address.into(), 64))
        })
        .collect()
}

fn attributes() -> Attributes {
    Attributes {
        as_path: AsPath::sequence([Asn(64512), Asn(65536)]),
        med: Some(7),
        local_pref: Some(100),
        communities: vec![Community::NO_EXPORT],
        ..Attributes::default()
    }
}

/// R4271-A.6-01: 2000 prefixes take as few messages as they can, and none is lost.
#[test]
fn routes_are_packed_to_the_limit() {
    for (max_send_len, messages) in [(4096, 3), (65535, 1)] {
        let context = Context {
            max_send_len,
            max_receive_len: max_send_len,
            ..internal()
        };
        let octets = canonical(&attributes());
        let next_hop = NextHop::V4([192, 0, 2, 1].into());
        let routes = ipv4_routes(3000);
        let mut out = BytesMut::new();
        let view = AttributeView::new(&octets);
        encode_reachable(&context, view, next_hop, &routes, &mut out).unwrap();
        let updates = updates(out, &context);
        assert_eq!(updates.len(), messages);
        let mut received = Vec::new();
        for update in &updates {
            assert!(update.bytes().len() <= max_send_len.into());
            assert_eq!(update.attributes(), attributes());
            for reachable in update.reachable() {
                assert_eq!(reachable.next_hop, next_hop);
                received.extend(reachable.nlri.iter::<Ipv4Net>().map(|(_, net)| net));
            }
        }
        assert!(received.into_iter().eq(routes.iter().map(|(_, net)| *net)));
    }
}

/// R7911-3-01: per family.
#[test]
fn path_ids_are_sent_and_read_per_family() {
    let only_ipv6 = PerFamily {
        ipv4: false,
        ipv6: true,
    };
    let context = Context {
        add_path_send: only_ipv6,
        add_path_receive: only_ipv6,
        ..internal()
    };
    let mut out = BytesMut::new();
    encode_unreachable(&context, &ipv6_routes(2), &mut out);
    encode_unreachable(&context, &ipv4_routes(2), &mut out);
    let updates = updates(out, &context);
    let ipv6 = updates[0].unreachable().next().unwrap();
    assert!(ipv6.iter::<Ipv6Net>().eq(ipv6_routes(2)));
    let ipv4 = updates[1].unreachable().next().unwrap();
    assert!(ipv4.iter::<Ipv4Net>().all(|(id, _)| id == PathId(0)));
}

/// R7606-5.1-01, R4760-3-02: MP_REACH_NLRI is the first attribute, and there is no NEXT_HOP.
#[test]
fn r7606_5_1_01_multiprotocol_attributes_come_first() {
    let octets = canonical(&attributes());
    let next_hop = NextHop::V6LinkLocal {
        global: "2001:db8::1".parse().unwrap(),
        link_local: "fe80::1".parse().unwrap(),
    };
    let mut out = BytesMut::new();
    let view = AttributeView::new(&octets);
    encode_reachable(&internal(), view, next_hop, &ipv6_routes(1), &mut out).unwrap();
    assert_eq!(out[24], 14);
    let updates = updates(out, &internal());
    let reachable = updates[0].reachable().next().unwrap();
    assert_eq!(reachable.next_hop, next_hop);
    assert!(
        reachable
            .nlri
            .iter::<Ipv6Net>()
            .map(|(_, net)| net)
            .eq(ipv6_routes(1).into_iter().map(|(_, net)| net))
    );
    assert_eq!(updates[0].attributes(), attributes());
}

/// R4271-9.2-04, RP-06.
#[test]
fn a_route_that_fits_no_message_is_not_sent() {
    let long = Attributes {
        unknown: vec![
            UnknownAttribute::new(200, true, vec![0; 4090])
                .unwrap()
                .with_partial(),
        ],
        ..attributes()
    };
    let octets = canonical(&long);
    let next_hop = NextHop::V4([192, 0, 2, 1].into());
    let mut out = BytesMut::new();
    let view = AttributeView::new(&octets);
    let result = encode_reachable(&internal(), view, next_hop, &ipv4_routes(1), &mut out);
    assert_eq!(result, Err(TooLong));
    assert!(out.is_empty());
}

/// R4724-2-01.
#[test]
fn r4724_2_01_end_of_rib() {
    let mut out = BytesMut::new();
    Family::ALL
        .iter()
        .for_each(|family| encode_end_of_rib(*family, &mut out));
    assert_eq!(out.len(), 23 + 29);
    let updates = updates(out, &internal());
    assert_eq!(updates[0].end_of_rib(), Some(Family::Ipv4Unicast));
    assert_eq!(updates[1].end_of_rib(), Some(Family::Ipv6Unicast));
    assert!(
        updates
            .iter()
            .all(|update| update.unreachable().next().is_none())
    );
}

/// What a peer receives of IPv4 routes with these attributes: the attributes, and the octets of the message.
fn sent(attributes: &Attributes, context: &Context) -> (Attributes, BytesMut) {
    let octets = canonical(attributes);
    let next_hop = NextHop::V4([192, 0, 2, 1].into());
    let mut out = BytesMut::new();
    let view = AttributeView::new(&octets);
    encode_reachable(context, view, next_hop, &ipv4_routes(1), &mut out).expect("it fits");
    (updates(out.clone(), context)[0].attributes(), out)
}

fn contains(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

/// R6793-4.2.2-01: AS_TRANS in the short fields and the full numbers beside them.
#[test]
fn r6793_4_2_2_01_numbers_that_an_old_peer_cannot_read() {
    let mut original = attributes();
    original.aggregator = Some(Aggregator {
        asn: Asn(65537),
        router_id: bgp_core::types::RouterId::from_bits(0x0a00_0001),
    });
    let (received, octets) = sent(&original, &two_octet());
    assert!(
        contains(&octets, &[0x40, 2, 6, 2, 2, 0xfc, 0, 0x5b, 0xa0]),
        "AS_PATH"
    );
    let as4_path = [0xc0, 17, 10, 2, 2, 0, 0, 0xfc, 0, 0, 1, 0, 0];
    assert!(contains(&octets, &as4_path), "AS4_PATH");
    assert!(
        contains(&octets, &[0xc0, 7, 6, 0x5b, 0xa0, 10, 0, 0, 1]),
        "AGGREGATOR"
    );
    let as4_aggregator = [0xc0, 18, 8, 0, 1, 0, 1, 10, 0, 0, 1];
    assert!(contains(&octets, &as4_aggregator), "AS4_AGGREGATOR");
    assert_eq!(received, original);
}

/// R6793-4.2.2-01: only where they are needed, and without confederation segments.
#[test]
fn r6793_4_2_2_01_no_as4_attributes_without_need() {
    let path = |text: &str| Attributes {
        as_path: text.parse().expect("a path"),
        ..Attributes::default()
    };
    let (received, octets) = sent(&path("64512 1"), &two_octet());
    assert_eq!(received, path("64512 1"));
    assert!(!contains(&octets, &[0xc0, 17]));
    let (received, octets) = sent(&path("(65536) 64512"), &two_octet());
    assert!(contains(&octets, &[0xc0, 17, 6, 2, 1, 0, 0, 0xfc, 0]));
    assert_eq!(received, path("(23456) 64512"));
}

/// R4271-4.3-05: bits of a prefix behind its length are sent as zero.
#[test]
fn r4271_4_3_05_bits_behind_a_prefix() {
    let net: Ipv4Net = "172.31.0.0/12".parse().expect("a prefix");
    let mut out = BytesMut::new();
    encode_unreachable(&internal(), &[(PathId(0), net)], &mut out);
    assert_eq!(out[21..24], [12, 172, 16]);
}

/// R4271-5-05: NEXT_HOP and the AS4 attributes stand in their places.
#[test]
fn r4271_5_05_attributes_ascend() {
    let mut all = attributes();
    all.large_communities = vec!["1:2:3".parse().expect("a community")];
    for context in [internal(), two_octet()] {
        let (_, octets) = sent(&all, &context);
        let len = usize::from(u16::from_be_bytes([octets[21], octets[22]]));
        let view = AttributeView::new(&octets[23..23 + len]);
        let codes: Vec<u8> = view.iter().map(|attribute| attribute.code).collect();
        assert!(codes.is_sorted(), "{codes:?}");
        assert!(codes.contains(&3) && codes.contains(&32));
    }
}
