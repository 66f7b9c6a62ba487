//! Decoding valid UPDATEs.

mod wire_support;

use bgp_core::types::{Asn, Family, PathId};
use bgp_core::wire::attribute::{Attributes, Community, Origin};
use bgp_core::wire::{AttributeView, Context, NextHop, Update};
use ipnet::{Ipv4Net, Ipv6Net};
use wire_support::*;

fn canonical(update: &Update) -> Vec<u8> {
    let mut octets = Vec::new();
    update.canonical_attributes(&mut octets);
    octets
}

/// R4271-4.3-01, R4271-4.3-02: both parts in one message, even with the same prefix.
#[test]
fn r4271_4_3_01_withdrawn_and_announced_in_one_message() {
    let update = read(update(&IPV4, &mandatory(), &IPV4), &internal());
    assert_eq!(withdrawn(&update), ["10.1.0.0/16"]);
    assert_eq!(announced(&update), ["10.1.0.0/16"]);
    let only_withdrawn = read(wire_support::update(&IPV4, &[], &[]), &internal());
    assert_eq!(withdrawn(&only_withdrawn), ["10.1.0.0/16"]);
    assert_eq!(only_withdrawn.end_of_rib(), None);
}

/// R4271-4.3-03: two-octet lengths of short values; R4271-5-05: any order. The canonical form is the same.
#[test]
fn r4271_4_3_03_form_and_order_do_not_matter() {
    let usual = announcing(&[good(4, &[0, 0, 0, 1]), good(8, &[0, 1, 0, 2])]);
    let odd: Vec<Vec<u8>> = vec![
        attribute(0xd8, 8, &[0, 1, 0, 2]),
        attribute(0x93, 4, &[0, 0, 0, 1]),
        attribute(0x50, 3, &[192, 0, 2, 1]),
        attribute(0x5f, 2, &[2, 1, 0, 0, 0xfc, 0]),
        attribute(0x60, 1, &[0]),
    ];
    let usual = read(usual, &internal());
    let odd = read(update(&[], &odd, &IPV4), &internal());
    assert_eq!(canonical(&odd), canonical(&usual));
    assert_eq!(odd.reachable().next(), usual.reachable().next());
    assert!(odd.faults().is_empty());
}

/// R4271-4.3-05: bits of a prefix behind its length do not count.
#[test]
fn r4271_4_3_05_bits_behind_a_prefix() {
    let update = read(update(&[4, 0xff], &mandatory(), &[12, 10, 31]), &internal());
    assert_eq!(withdrawn(&update), ["240.0.0.0/4"]);
    assert_eq!(announced(&update), ["10.16.0.0/12"]);
}

/// R4271-5-02, R4271-5-03, R4271-5-04, R4271-4.3-04, R4271-4.3-06, RP-04, R4360-2-01.
#[test]
fn r4271_5_02_unknown_attributes() {
    let update = read(
        announcing(&[
            attribute(0xc0, 200, &[1, 2, 3]),
            attribute(0xe0, 201, &[]),
            attribute(0xdf, 202, &[7; 300]),
            attribute(0x80, 203, &[1]),
        ]),
        &internal(),
    );
    assert!(update.faults().is_empty());
    let attributes = update.attributes();
    let kept: Vec<_> = attributes
        .unknown
        .iter()
        .map(|attribute| (attribute.code(), attribute.flags(), attribute.value().len()))
        .collect();
    assert_eq!(kept, [(200, 0xe0, 3), (201, 0xe0, 0), (202, 0xe0, 300)]);
    let mut again = Vec::new();
    attributes.encode_canonical(&mut again);
    assert_eq!(again, canonical(&update));
}

/// R4271-5-04: the partial bit of attributes that we know ourselves; R4271-4.3-06: never on others.
#[test]
fn r4271_5_04_partial_bit_stays() {
    let partial = [
        attribute(0xe0, 8, &[0, 1, 0, 2]),
        attribute(0xa0, 4, &[0; 4]),
    ];
    let update = read(announcing(&partial), &internal());
    let octets = canonical(&update);
    let flags: Vec<(u8, u8)> = AttributeView::new(&octets)
        .iter()
        .map(|attribute| (attribute.code, attribute.flags))
        .collect();
    assert_eq!(flags, [(1, 0x40), (2, 0x40), (4, 0x80), (8, 0xe0)]);
    assert_eq!(update.attributes().partial, [8]);
    let mut again = Vec::new();
    update.attributes().encode_canonical(&mut again);
    assert_eq!(again, octets);
}

/// More attributes than an ordinary UPDATE has, in any order.
#[test]
fn every_code_can_be_there() {
    let unknown: Vec<Vec<u8>> = (100..=255)
        .rev()
        .map(|code| attribute(0xc0, code, &[code]))
        .collect();
    let update = read(announcing(&unknown), &internal());
    let codes: Vec<u8> = update
        .attributes()
        .unknown
        .iter()
        .map(|a| a.code())
        .collect();
    assert!(codes.into_iter().eq(100..=255));
}

#[test]
fn every_attribute_is_read() {
    let update = read(
        announcing(&[
            good(4, &[0, 0, 0, 4]),
            good(5, &[0, 0, 0, 5]),
            good(6, &[]),
            good(7, &[0, 1, 0, 0, 10, 0, 0, 7]),
            good(8, &[0xff, 0xff, 0xff, 0x01]),
            good(9, &[10, 0, 0, 9]),
            good(10, &[10, 0, 0, 10, 10, 0, 0, 11]),
            good(16, &[0, 2, 0xfc, 0, 0, 0, 0, 16]),
            good(32, &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]),
            good(35, &[0, 0, 0xfc, 0]),
        ]),
        &internal(),
    );
    assert_eq!(
        update.to_string(),
        "UPDATE announce 10.1.0.0/16 via 192.0.2.1; origin IGP, as-path [64512], med 4, \
         local-pref 5, atomic-aggregate, aggregator 65536 10.0.0.7, communities 65535:65281, \
         originator-id 10.0.0.9, cluster-list 10.0.0.10 10.0.0.11, \
         ext-communities rt:64512:16, large-communities 1:2:3, otc 64512"
    );
    let octets = canonical(&update);
    let view = AttributeView::new(&octets);
    assert_eq!(view.origin(), Origin::Igp);
    assert_eq!((view.med(), view.local_pref()), (Some(4), Some(5)));
    assert_eq!(view.cluster_list().len(), 2);
    assert_eq!(view.communities().next(), Some(Community::NO_EXPORT));
    assert_eq!(view.otc(), Some(Asn(64512)));
    let mut again = Vec::new();
    view.to_attributes().encode_canonical(&mut again);
    assert_eq!(again, octets);
}

/// R4760-3-01, R4760-3-02: MP_REACH_NLRI anywhere, its reserved octet ignored, and a bad NEXT_HOP beside it too.
#[test]
fn r4760_3_01_multiprotocol_routes() {
    let mut value = mp_reach_value(&IPV6);
    value[20] = 0xff;
    let attributes = [
        origin(),
        good(3, &[0, 0, 0, 0]),
        as_path(),
        good(14, &value),
    ];
    let update = read(update(&[], &attributes, &[]), &internal());
    assert!(update.faults().is_empty());
    let reachable = update.reachable().next().expect("an IPv6 route");
    assert_eq!(
        reachable.next_hop,
        NextHop::V6("2001:db8::1".parse().unwrap())
    );
    assert_eq!(nets(reachable.nlri), ["2001:db8::/32"]);
    assert_eq!(update.reachable().count(), 1);
}

/// R4760-4-01.
#[test]
fn r4760_4_01_multiprotocol_withdrawal_alone() {
    let update = read(update(&[], &[mp_unreach(&IPV6)], &[]), &internal());
    assert_eq!(withdrawn(&update), ["2001:db8::/32"]);
    assert_eq!(families(update.unreachable()), [Family::Ipv6Unicast]);
    assert_eq!(update.end_of_rib(), None);
}

/// R7606-5.1-01: any mix is accepted.
#[test]
fn r7606_5_1_01_all_fields_at_once() {
    let mut attributes = mandatory();
    attributes.insert(1, mp_unreach(&[16, 0x20, 0x02]));
    attributes.push(mp_reach(&IPV6));
    let update = read(update(&[8, 11], &attributes, &IPV4), &internal());
    assert_eq!(announced(&update), ["10.1.0.0/16", "2001:db8::/32"]);
    assert_eq!(withdrawn(&update), ["11.0.0.0/8", "2002::/16"]);
}

/// R4760-8-01, R4760-8-02: routes of other families are not used, and nothing else happens.
#[test]
fn r4760_8_02_families_that_were_not_negotiated() {
    let only_ipv4 = Context {
        four_octet_as: true,
        ..Context::default()
    };
    let vpn = good(
        14,
        &[0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1, 0, 200],
    );
    for reach in [mp_reach(&IPV6), vpn, good(14, &[0, 9, 9, 0, 0])] {
        let update = read(update(&[], &[origin(), as_path(), reach], &[]), &only_ipv4);
        assert_eq!(update.reachable().count() + update.unreachable().count(), 0);
        assert_eq!(update.faults().len(), 1);
        assert_eq!(update.end_of_rib(), None);
    }
    let only_ipv6 = Context {
        families: bgp_core::types::PerFamily {
            ipv4: false,
            ipv6: true,
        },
        ..internal()
    };
    let update = read(update(&IPV4, &mandatory(), &IPV4), &only_ipv6);
    assert_eq!(update.reachable().count() + update.unreachable().count(), 0);
}

/// R4724-2-01, R4760-8-03.
#[test]
fn r4724_2_01_end_of_rib_markers() {
    let end_of_rib = |attributes: &[Vec<u8>], context: &Context| {
        read(update(&[], attributes, &[]), context).end_of_rib()
    };
    let ipv6 = [mp_unreach(&[])];
    assert_eq!(end_of_rib(&[], &internal()), Some(Family::Ipv4Unicast));
    assert_eq!(end_of_rib(&ipv6, &internal()), Some(Family::Ipv6Unicast));
    let ipv4 = [good(15, &[0, 1, 1])];
    assert_eq!(end_of_rib(&ipv4, &internal()), Some(Family::Ipv4Unicast));
    let extended = [attribute(0x90, 15, &[0, 2, 1])];
    assert_eq!(
        end_of_rib(&extended, &internal()),
        Some(Family::Ipv6Unicast)
    );
    assert_eq!(end_of_rib(&ipv6, &Context::default()), None);
    assert_eq!(end_of_rib(&[good(15, &[0, 1, 4])], &internal()), None);
    assert_eq!(end_of_rib(&[origin(), mp_unreach(&[])], &internal()), None);
    let quiet = read(update(&[], &ipv6, &[]), &Context::default());
    assert!(quiet.faults().is_empty());
}

/// R7911-3-01: withdrawn and multiprotocol forms too, each family on its own.
#[test]
fn r7911_3_01_path_ids() {
    let mut context = internal();
    context.add_path_receive.ipv4 = true;
    let with_id = |id: u8| [&[0, 0, 0, id], &IPV4[..]].concat();
    let mut attributes = mandatory();
    attributes.push(mp_reach(&IPV6));
    let update = read(update(&with_id(1), &attributes, &with_id(2)), &context);
    let ids =
        |nlri: bgp_core::wire::Nlri<'_>| -> Vec<PathId> { nlri.nets().map(|(id, _)| id).collect() };
    let unreachable: Vec<_> = update.unreachable().map(ids).collect();
    assert_eq!(unreachable, [[PathId(1)]]);
    let reachable: Vec<_> = update.reachable().map(|r| ids(r.nlri)).collect();
    assert_eq!(reachable, [[PathId(2)], [PathId(0)]]);
    assert_eq!(
        update.reachable().next().unwrap().nlri.to_string(),
        "10.1.0.0/16#2"
    );
}

/// R8950-3-01: IPv4 routes with an IPv6 next hop, of one address or two.
#[test]
fn r8950_3_01_ipv4_routes_via_ipv6() {
    let context = Context {
        extended_next_hop: true,
        ..internal()
    };
    let mut value = mp_reach_value(&IPV4);
    value[1] = 1;
    let attributes = [origin(), as_path(), good(14, &value)];
    let update_via_ipv6 = read(update(&[], &attributes, &[]), &context);
    let reachable = update_via_ipv6.reachable().next().expect("a route");
    assert_eq!(reachable.nlri.family(), Family::Ipv4Unicast);
    assert_eq!(
        reachable.next_hop,
        NextHop::V6("2001:db8::1".parse().unwrap())
    );
    assert!(reachable.nlri.iter::<Ipv4Net>().count() == 1);
    assert!(reachable.nlri.iter::<Ipv6Net>().count() == 0);
    let mut two = value.clone();
    two[3] = 32;
    two.splice(
        20..20,
        [[0xfe, 0x80, 0, 0], [0; 4], [0; 4], [0, 0, 0, 1]].concat(),
    );
    let link_local = [origin(), as_path(), good(14, &two)];
    let update_via_both = read(update(&[], &link_local, &[]), &context);
    assert!(matches!(
        update_via_both
            .reachable()
            .next()
            .expect("a route")
            .next_hop,
        NextHop::V6LinkLocal { .. }
    ));
    let error = refused(update(&[], &attributes, &[]), &internal());
    assert_eq!(numbers(&error.notification), (3, 9));
    let ipv4 = good(14, &[&[0, 1, 1, 4, 192, 0, 2, 9, 0], &IPV4[..]].concat());
    let update = read(update(&[], &[origin(), as_path(), ipv4], &[]), &internal());
    let reachable = update.reachable().next().expect("a route");
    assert_eq!(reachable.next_hop, NextHop::V4([192, 0, 2, 9].into()));
}

/// Attributes of a route from a peer with two-octet AS numbers.
fn from_old_peer(attributes: &[Vec<u8>]) -> (Update, Attributes) {
    let all = [&[origin(), next_hop()], attributes].concat();
    let update = read(update(&[], &all, &IPV4), &two_octet());
    let attributes = update.attributes();
    (update, attributes)
}

/// R6793-3-01, R6793-4.2.3-02.
#[test]
fn r6793_4_2_3_02_full_path_of_an_old_peer() {
    let path = good(2, &[2, 3, 0, 1, 0x5b, 0xa0, 0x5b, 0xa0]);
    let as4_path = good(17, &[2, 2, 0, 1, 0, 0, 0, 1, 0, 1]);
    let (update, attributes) = from_old_peer(&[path.clone(), as4_path]);
    assert_eq!(attributes.as_path.to_string(), "1 65536 65537");
    assert_eq!(attributes.unknown, []);
    assert!(update.faults().is_empty());
    let (_, without) = from_old_peer(&[path]);
    assert_eq!(without.as_path.to_string(), "1 23456 23456");
}

/// R6793-4.2.3-01.
#[test]
fn r6793_4_2_3_01_aggregator_decides_about_as4_attributes() {
    let path = good(2, &[2, 1, 0x5b, 0xa0]);
    let as4_path = good(17, &[2, 1, 0, 1, 0, 0]);
    let as4_aggregator = good(18, &[0, 1, 0, 1, 10, 0, 0, 2]);
    let trans = good(7, &[0x5b, 0xa0, 10, 0, 0, 1]);
    let other = good(7, &[0xfc, 0, 10, 0, 0, 1]);
    let parts = |aggregator: &Vec<u8>, as4: &[Vec<u8>]| {
        let own = [path.clone(), as4_path.clone(), aggregator.clone()];
        let (_, attributes) = from_old_peer(&[&own[..], as4].concat());
        let aggregator = attributes.aggregator.expect("an aggregator");
        (
            attributes.as_path.to_string(),
            aggregator.asn,
            aggregator.router_id.to_string(),
        )
    };
    let as4 = [as4_aggregator];
    let expected = ("65536".to_owned(), Asn(65537), "10.0.0.2".to_owned());
    assert_eq!(parts(&trans, &as4), expected);
    let expected = ("23456".to_owned(), Asn(64512), "10.0.0.1".to_owned());
    assert_eq!(parts(&other, &as4), expected);
    let expected = ("65536".to_owned(), Asn(64512), "10.0.0.1".to_owned());
    assert_eq!(parts(&other, &[]), expected);
    let (_, alone) = from_old_peer(&[path.clone(), as4[0].clone()]);
    assert_eq!(alone.aggregator, None);
}

/// R6793-4.2.3-03: a loop may show only in what was received.
#[test]
fn r6793_4_2_3_03_loops_in_either_path() {
    let path = good(2, &[2, 2, 0, 7, 0, 9]);
    let as4_path = good(17, &[2, 2, 0, 1, 0, 0, 0, 0, 0, 8]);
    let (update, attributes) = from_old_peer(&[path, as4_path]);
    assert_eq!(attributes.as_path.to_string(), "65536 8");
    for (asn, found) in [(7, true), (9, true), (8, true), (65536, true), (10, false)] {
        assert_eq!(update.received_path_contains(Asn(asn)), found, "AS {asn}");
    }
    let new = read(announcing(&[]), &internal());
    assert!(new.received_path_contains(Asn(64512)));
    assert!(!new.received_path_contains(Asn(7)));
}

/// R9774-3-01: sets are shown, what they lead to is decided elsewhere.
#[test]
fn r9774_3_01_sets_are_accepted_here() {
    let set = good(2, &[1, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
    let update = read(
        update(&[], &[origin(), set, next_hop()], &IPV4),
        &external(),
    );
    assert!(update.attributes().as_path.view().contains_set());
    assert_eq!(announced(&update).len(), 1);
}

/// R8092-3-01: repeated large communities are removed.
#[test]
fn r8092_3_01_repeated_large_communities() {
    let update = read(announcing(&[good(32, &[1; 36])]), &internal());
    assert_eq!(update.attributes().large_communities.len(), 1);
}
