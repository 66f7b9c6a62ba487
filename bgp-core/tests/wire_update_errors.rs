//! Error handling of UPDATEs: RFC 7606, and the errors for which RFC 4271 §6.3 still requires a NOTIFICATION.

mod wire_support;

use bgp_core::wire::attribute::ErrorAction;
use bgp_core::wire::{Context, MessageType};
use wire_support::*;

/// What became of an UPDATE that announces one IPv4 prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Announced, without faults.
    Clean,
    /// Announced, without the attribute.
    Discard,
    /// Withdrawn.
    Withdraw,
    /// NOTIFICATION 3 with this subcode.
    Reset(u8),
}

use Outcome::{Clean, Discard, Reset, Withdraw};

/// Reads an UPDATE with the mandatory attributes and one more, which takes the place of a mandatory one of the same code.
fn outcome(attribute: &[u8], context: &Context) -> Outcome {
    let code = attribute[1];
    let mut attributes = mandatory();
    if !context.four_octet_as {
        attributes[1] = good(2, &[2, 1, 0xfc, 0]);
    }
    attributes.retain(|other| other[1] != code);
    attributes.push(attribute.to_vec());
    let update = match bgp_core::wire::Message::decode(update(&[], &attributes, &IPV4), context) {
        Ok(bgp_core::wire::Message::Update(update)) => update,
        Ok(other) => panic!("{other}"),
        Err(error) => {
            assert_eq!(error.notification.code.0, 3);
            assert_eq!(
                &error.notification.data[..],
                attribute,
                "the attribute as data"
            );
            return Reset(error.notification.subcode);
        }
    };
    let mut canonical = Vec::new();
    update.canonical_attributes(&mut canonical);
    let kept = bgp_core::wire::AttributeView::new(&canonical)
        .find(code)
        .is_some();
    match (
        update.faults(),
        announced(&update).len(),
        withdrawn(&update).len(),
    ) {
        ([], 1, 0) => Clean,
        ([fault], 1, 0) => {
            assert_eq!(fault.action, ErrorAction::Discard);
            assert_eq!(&fault.octets[..], attribute);
            assert!(!kept);
            Discard
        }
        ([fault], 0, 1) => {
            assert_eq!(fault.action, ErrorAction::Withdraw);
            assert_eq!((fault.code, &fault.octets[..]), (code, attribute));
            Withdraw
        }
        other => panic!("{other:?}"),
    }
}

/// R7606-7.1, R7606-7.2, R7606-7.3, R7606-7.4, R7606-7.5, R7606-7.6, R7606-7.7, R7606-7.8, R7606-7.9, R7606-7.10, R7606-7.14,
/// R7606-7.15, R7606-7.16, R8092-6, R9234-5, R9234-5-03, R7311-3.2, R8669-6, R9012-13, R7606-3-05, R7606-3-06, R7606-4-02,
/// R7606-8-01, R7607-2-01, R9774-3-01: values and lengths. R7606-3-01: from another AS the same, but for what is only known
/// inside one.
#[test]
fn r7606_7_each_attribute() {
    let path = |octets: &[u8]| [&[2, 1][..], octets].concat();
    let rows: Vec<(u8, Vec<u8>, Outcome)> = vec![
        (1, vec![2], Clean),
        (1, vec![3], Withdraw),
        (1, vec![], Withdraw),
        (1, vec![0, 0], Withdraw),
        (2, vec![], Clean),
        (2, path(&[0, 1, 0, 0]), Clean),
        (2, path(&[0, 0, 0, 0]), Withdraw),
        (2, path(&[0, 1, 0]), Withdraw),
        (2, vec![2, 0], Withdraw),
        (2, vec![9, 1, 0, 0, 0, 1], Withdraw),
        (2, vec![1, 1, 0, 0, 0, 1], Clean),
        (2, vec![2], Withdraw),
        (3, vec![192, 0, 2], Withdraw),
        (3, vec![], Withdraw),
        (4, vec![0, 0, 0, 1], Clean),
        (4, vec![0, 0, 1], Withdraw),
        (4, vec![], Withdraw),
        (5, vec![0, 0, 0, 1], Clean),
        (5, vec![0, 0, 0, 0, 1], Withdraw),
        (6, vec![], Clean),
        (6, vec![0], Discard),
        (7, vec![0, 1, 0, 0, 10, 0, 0, 1], Clean),
        (7, vec![0, 1, 10, 0, 0, 1], Discard),
        (7, vec![0, 0, 0, 0, 10, 0, 0, 1], Discard),
        (8, vec![0, 1, 0, 2], Clean),
        (8, vec![], Withdraw),
        (8, vec![0, 1, 0, 2, 0], Withdraw),
        (9, vec![10, 0, 0, 1], Clean),
        (9, vec![10, 0, 0], Withdraw),
        (10, vec![10, 0, 0, 1, 10, 0, 0, 2], Clean),
        (10, vec![], Withdraw),
        (10, vec![10, 0, 0, 1, 10], Withdraw),
        (16, vec![0x43, 0xff, 1, 2, 3, 4, 5, 6], Clean),
        (16, vec![], Withdraw),
        (16, vec![0; 12], Withdraw),
        (25, vec![1; 20], Clean),
        (25, vec![], Withdraw),
        (25, vec![1; 8], Withdraw),
        (26, vec![1, 0, 11, 0, 0, 0, 0, 0, 0, 0, 1], Discard),
        (32, vec![1; 24], Clean),
        (32, vec![], Withdraw),
        (32, vec![1; 8], Withdraw),
        (35, vec![0, 0, 0xfc, 0], Clean),
        (35, vec![0, 0, 0xfc], Withdraw),
        // Not read, so nothing in them can be wrong.
        (23, vec![0, 8, 0], Clean),
        (40, vec![], Clean),
        (40, vec![1, 0, 9], Clean),
        (128, vec![7], Clean),
        (200, vec![1, 2, 3], Clean),
    ];
    for (code, value, expected) in rows {
        let found = outcome(&good(code, &value), &internal());
        assert_eq!(found, expected, "attribute {code} {value:?}");
        if ![5, 9, 10].contains(&code) {
            let found = outcome(&good(code, &value), &external());
            assert_eq!(found, expected, "attribute {code} {value:?} of another AS");
        }
    }
}

/// R7606-7.5, R7606-7.9, R7606-7.10: from another AS these are discarded, well-formed or not.
/// Promise 9.2.
#[test]
fn r7606_7_5_internal_attributes_from_another_as() {
    for code in [5, 9, 10] {
        for value in [&[0, 0, 0, 1][..], &[0], &[]] {
            assert_eq!(outcome(&good(code, value), &external()), Discard);
        }
        assert_eq!(
            outcome(&attribute(0xe0, code, &[0; 4]), &external()),
            Discard
        );
    }
}

/// R7606-7.2 and R5065-5-01: confederation segments from outside.
#[test]
fn r5065_5_01_confederation_segment_from_another_as() {
    for kind in [3, 4] {
        let path = good(2, &[kind, 1, 0, 0, 0, 1]);
        assert_eq!(outcome(&path, &external()), Withdraw);
        assert_eq!(outcome(&path, &internal()), Clean);
    }
}

/// R7606-3-03: optional and transitive bit; R4271-4.3-04: the low four bits and the partial bit do not count.
#[test]
fn r7606_3_03_wrong_flags() {
    let values: [(u8, &[u8]); 12] = [
        (1, &[0]),
        (2, &[]),
        (3, &[192, 0, 2, 1]),
        (4, &[0; 4]),
        (5, &[0; 4]),
        (6, &[]),
        (7, &[1; 8]),
        (8, &[0; 4]),
        (9, &[1; 4]),
        (10, &[1; 4]),
        (16, &[0; 8]),
        (32, &[0; 12]),
    ];
    for (code, value) in values {
        for wrong in [0x80, 0x40, 0xc0] {
            let flags = flags_of(code) ^ wrong;
            let found = outcome(&attribute(flags, code, value), &internal());
            assert_eq!(found, Withdraw, "attribute {code} flags {flags:02x}");
        }
        let flags = flags_of(code) | 0x2f;
        assert_eq!(outcome(&attribute(flags, code, value), &internal()), Clean);
    }
}

/// R7606-5.3-02: a multiprotocol attribute with wrong flags.
#[test]
fn r7606_5_3_02_wrong_flags_of_multiprotocol_attributes() {
    for flags in [0x40, 0xc0, 0x00] {
        let reach = attribute(flags, 14, &mp_reach_value(&IPV6));
        assert_eq!(outcome(&reach, &internal()), Reset(4));
        let unreach = attribute(flags, 15, &[0, 2, 1]);
        assert_eq!(outcome(&unreach, &internal()), Reset(4));
    }
}

/// R7606-5.3-02, R7606-7.11, R4760-7-01, R7911-5-05: what is wrong inside ends the session with 3/9.
#[test]
fn r7606_5_3_02_malformed_multiprotocol_attributes() {
    let reach: [&[u8]; 6] = [
        &[],
        &[0, 2, 1, 0],
        &[0, 2, 1, 16, 0],
        &[0, 2, 1, 4, 10, 0, 0, 1, 0],
        &mp_reach_value(&[129]),
        &mp_reach_value(&[64, 0x20, 0x01]),
    ];
    for value in reach {
        assert_eq!(
            outcome(&good(14, value), &internal()),
            Reset(9),
            "{value:?}"
        );
    }
    let unreach: [&[u8]; 4] = [&[], &[0, 2], &[0, 2, 1, 129], &[0, 2, 1, 32, 0x20]];
    for value in unreach {
        assert_eq!(
            outcome(&good(15, value), &internal()),
            Reset(9),
            "{value:?}"
        );
    }
    let mut add_path = internal();
    add_path.add_path_receive.ipv6 = true;
    let cut = good(15, &[0, 2, 1, 0, 0, 0]);
    assert_eq!(outcome(&cut, &add_path), Reset(9));
}

/// R4271-6.3-03: an attribute that calls itself well-known and is not.
#[test]
fn r4271_6_3_03_unknown_well_known_attribute() {
    for flags in [0x00, 0x40, 0x50] {
        assert_eq!(
            outcome(&attribute(flags, 99, &[1, 2]), &internal()),
            Reset(2)
        );
    }
}

/// R7606-3-04, R4271-5-01: the list of attributes may even be empty.
#[test]
fn r7606_3_04_missing_mandatory_attributes() {
    for missing in 0..3 {
        let mut attributes = mandatory();
        attributes.remove(missing);
        let update = read(update(&[], &attributes, &IPV4), &internal());
        assert_eq!(withdrawn(&update), ["10.1.0.0/16"]);
        assert_eq!(usize::from(update.faults()[0].code), missing + 1);
        assert!(update.faults()[0].octets.is_empty());
    }
    let empty = read(update(&[], &[], &IPV4), &internal());
    assert_eq!(withdrawn(&empty), ["10.1.0.0/16"]);
    assert_eq!(empty.faults().len(), 3);
    let ipv6 = read(update(&[], &[mp_reach(&IPV6)], &[]), &internal());
    assert_eq!(withdrawn(&ipv6), ["2001:db8::/32"]);
    assert_eq!(ipv6.faults().len(), 2, "no NEXT_HOP is needed");
}

/// R7606-3-07, R4271-5-06.
#[test]
fn r7606_3_07_repeated_attributes() {
    let twice = [good(4, &[0, 0, 0, 1]), good(4, &[0, 0, 0, 2]), good(4, &[])];
    let update = read(announcing(&twice), &internal());
    assert_eq!(update.attributes().med, Some(1));
    assert_eq!(announced(&update), ["10.1.0.0/16"]);
    assert_eq!(update.faults().len(), 2);
    for attribute in [mp_reach(&IPV6), mp_unreach(&IPV6)] {
        let error = refused(announcing(&[attribute.clone(), attribute]), &internal());
        assert_eq!(numbers(&error.notification), (3, 1));
    }
}

/// R7606-3-08: all faults are found, the strongest action wins.
#[test]
fn r7606_3_08_strongest_action_wins() {
    let bad_aggregator = good(7, &[0]);
    let bad_med = good(4, &[0]);
    let bad_reach = good(14, &[0]);
    let update = read(
        announcing(&[bad_aggregator.clone(), bad_med.clone()]),
        &internal(),
    );
    assert_eq!(withdrawn(&update), ["10.1.0.0/16"]);
    let actions: Vec<_> = update.faults().iter().map(|fault| fault.action).collect();
    assert_eq!(actions, [ErrorAction::Discard, ErrorAction::Withdraw]);
    let error = refused(
        announcing(&[bad_aggregator, bad_med, bad_reach]),
        &internal(),
    );
    assert_eq!(numbers(&error.notification), (3, 9));
}

/// R7606-2-01: every prefix of the UPDATE, wherever it stands, is withdrawn and none is announced.
#[test]
fn r7606_2_01_treat_as_withdraw_takes_all_prefixes() {
    let attributes = [
        mp_reach(&IPV6),
        mp_unreach(&[16, 0x20, 0x02]),
        good(1, &[9]),
        as_path(),
        next_hop(),
    ];
    let update = read(update(&[8, 11], &attributes, &IPV4), &internal());
    assert!(update.is_treated_as_withdraw());
    assert_eq!(announced(&update), [""; 0]);
    let all = ["11.0.0.0/8", "2002::/16", "10.1.0.0/16", "2001:db8::/32"];
    assert_eq!(withdrawn(&update), all);
}

/// R7606-3-09: a bad attribute and prefixes that cannot be read.
#[test]
fn r7606_3_09_prefixes_must_be_readable() {
    let attributes = [good(1, &[9]), as_path(), next_hop()];
    let error = refused(update(&[], &attributes, &[33, 1, 2, 3, 4, 5]), &internal());
    assert_eq!(numbers(&error.notification), (3, 10));
    let attributes = [good(1, &[9]), as_path(), good(14, &mp_reach_value(&[200]))];
    let error = refused(update(&[], &attributes, &[]), &internal());
    assert_eq!(numbers(&error.notification), (3, 9));
}

/// R7606-4-01: the NLRI field is found by the length of the list.
#[test]
fn r7606_4_01_attribute_beyond_the_list() {
    for cut in [&[0x80, 4, 4, 0, 0][..], &[0x80, 4], &[0x80], &[0x90, 4, 0]] {
        let update = read(announcing(&[cut.to_vec()]), &internal());
        assert_eq!(withdrawn(&update), ["10.1.0.0/16"], "{cut:?}");
        assert_eq!(&update.faults()[0].octets[..], cut);
    }
    let reach = &mp_reach(&IPV6)[..20];
    let error = refused(announcing(&[reach.to_vec()]), &internal());
    assert_eq!(numbers(&error.notification), (3, 1));
}

/// R7606-5.2-01: an error worse than discard, and nothing that could be withdrawn for it.
#[test]
fn r7606_5_2_01_error_without_reachable_routes() {
    let bad_origin = good(1, &[9]);
    let only_withdrawn = [bad_origin.clone(), mp_unreach(&IPV6)];
    for (withdrawn, attributes) in [
        (&[][..], &[bad_origin.clone()][..]),
        (&IPV4, std::slice::from_ref(&bad_origin)),
        (&[], &only_withdrawn),
        (&[], &[mp_reach(&[]), bad_origin.clone()]),
    ] {
        let error = refused(update(withdrawn, attributes, &[]), &internal());
        assert_eq!(numbers(&error.notification), (3, 6));
        assert_eq!(&error.notification.data[..], bad_origin);
    }
    let mild = read(update(&IPV4, &[good(6, &[1])], &[]), &internal());
    assert_eq!(withdrawn(&mild), ["10.1.0.0/16"]);
    let cut = refused(update(&[], &[vec![0x80, 4, 4]], &[]), &internal());
    assert_eq!(numbers(&cut.notification), (3, 1));
}

/// R7606-5.3-01, R4271-6.3-02, R7911-5-05.
#[test]
fn r7606_5_3_01_bad_fields() {
    for field in [&[33, 1, 2, 3, 4, 5][..], &[24, 10, 0], &[8]] {
        let nlri = refused(update(&[], &mandatory(), field), &internal());
        assert_eq!(numbers(&nlri.notification), (3, 10));
        let withdrawn = refused(update(field, &[], &[]), &internal());
        assert_eq!(numbers(&withdrawn.notification), (3, 10));
        assert_eq!(withdrawn.offset, 21);
    }
    let mut add_path = internal();
    add_path.add_path_receive.ipv4 = true;
    let cut = refused(update(&[0, 0, 0], &[], &[]), &add_path);
    assert_eq!(numbers(&cut.notification), (3, 10));
}

/// R4271-6.3-01, R7606-3-02.
#[test]
fn r4271_6_3_01_lengths_of_the_sections() {
    for body in [
        &[0, 1, 0, 0][..],
        &[0, 0, 0, 1],
        &[0xff, 0xff, 0, 0],
        &[0, 2, 8, 10, 0, 9, 0],
    ] {
        let error = refused(frame(MessageType::UPDATE, body), &internal());
        assert_eq!(numbers(&error.notification), (3, 1));
        assert!(error.notification.data.is_empty());
    }
}

/// R4271-6.3-04, R2545-3-03: a next hop that no packet can be sent to.
#[test]
fn r4271_6_3_04_next_hop_that_is_no_host() {
    for address in [[0, 0, 0, 0], [224, 0, 0, 1], [255; 4]] {
        assert_eq!(outcome(&good(3, &address), &internal()), Withdraw);
    }
    for address in ["::", "ff02::1"] {
        let address: std::net::Ipv6Addr = address.parse().expect("an address");
        let mut value = mp_reach_value(&IPV6);
        value[4..20].copy_from_slice(&address.octets());
        let attributes = [good(14, &value), origin(), as_path()];
        let update = read(update(&[], &attributes, &[]), &internal());
        assert_eq!(withdrawn(&update), ["2001:db8::/32"]);
    }
}

/// R8654-3-02, R8654-4-01: a fault in a long message is no worse than in a short one.
#[test]
fn r8654_3_02_faults_in_long_messages() {
    let long = Context {
        max_receive_len: 65535,
        ..internal()
    };
    let unknown = attribute(0xd0, 200, &[0; 60_000]);
    let good_one = read(announcing(std::slice::from_ref(&unknown)), &long);
    assert_eq!(announced(&good_one), ["10.1.0.0/16"]);
    let bad = read(announcing(&[unknown, good(4, &[0])]), &long);
    assert_eq!(withdrawn(&bad), ["10.1.0.0/16"]);
}

/// R4271-6.3-08: attributes without routes.
#[test]
fn r4271_6_3_08_no_routes_at_all() {
    let update = read(update(&[], &[origin()], &[]), &internal());
    assert!(update.faults().is_empty());
    assert_eq!(update.end_of_rib(), None);
    assert_eq!(update.reachable().count() + update.unreachable().count(), 0);
}

/// R6793-4.1-01.
#[test]
fn r6793_4_1_01_as4_attributes_between_new_speakers() {
    let as4_path = good(17, &[2, 1, 0, 1, 0, 0]);
    assert_eq!(outcome(&as4_path, &internal()), Discard);
    let as4_aggregator = good(18, &[0, 1, 0, 0, 10, 0, 0, 1]);
    assert_eq!(outcome(&as4_aggregator, &internal()), Discard);
}

/// R6793-6, R6793-6-01, R6793-6-02, R7607-2-01.
#[test]
fn r6793_6_01_malformed_as4_attributes() {
    let paths: [&[u8]; 7] = [
        &[],
        &[2, 1, 0, 1, 0],
        &[2, 1, 0, 1, 0, 0, 0],
        &[2, 0],
        &[7, 1, 0, 1, 0, 0],
        &[2, 2, 0, 1, 0, 0],
        &[2, 1, 0, 0, 0, 0],
    ];
    for value in paths {
        assert_eq!(
            outcome(&good(17, value), &two_octet()),
            Discard,
            "{value:?}"
        );
    }
    for value in [&[0; 8][..], &[1; 7], &[1; 9], &[]] {
        assert_eq!(
            outcome(&good(18, value), &two_octet()),
            Discard,
            "{value:?}"
        );
    }
    assert_eq!(
        outcome(&good(7, &[0, 0, 10, 0, 0, 1]), &two_octet()),
        Discard
    );
}

/// R4271-6.3-09: a NOTIFICATION repeats only what was received.
#[test]
fn r4271_6_3_09_data_was_received() {
    let cut = vec![0x80, 15, 200, 0, 2];
    let frame = update(&[], std::slice::from_ref(&cut), &[]);
    let error = refused(frame, &internal());
    assert_eq!(&error.notification.data[..], cut);
}

/// R7606-6-01: a fault can be read by people, and the whole message is there for the log.
#[test]
fn r7606_6_01_faults_say_what_was_wrong() {
    let frame = announcing(&[good(4, &[0, 0, 1])]);
    let bytes = frame.bytes.clone();
    let update = read(frame, &internal());
    assert_eq!(update.bytes(), &bytes);
    assert_eq!(
        update.faults()[0].to_string(),
        "MULTI_EXIT_DISC (4) at octet 43: expected 4 octets, got 800403000001; \
         routes treated as withdrawn"
    );
    let missing = read(wire_support::update(&[], &[], &IPV4), &internal());
    assert_eq!(
        missing.faults()[0].to_string(),
        "ORIGIN (1) is missing; routes treated as withdrawn"
    );
}

/// The list of faults is bounded; what is not listed is dealt with all the same.
#[test]
fn faults_are_listed_up_to_a_limit() {
    let mut attributes = vec![good(6, &[]); 100];
    attributes.push(good(4, &[]));
    let update = read(announcing(&attributes), &internal());
    assert_eq!(update.faults().len(), 32);
    assert!(update.is_treated_as_withdraw());
}
