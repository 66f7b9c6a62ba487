use super::*;

#[test]
fn nothing_is_read_from_nothing() {
    let view = AttributeView::new(&[]);
    assert_eq!(view.origin(), Origin::Igp);
    assert!(view.as_path().is_empty());
    assert_eq!(view.to_attributes(), Attributes::default());
    assert_eq!(view.find(0), None);
}

/// Octets that are no canonical form do not hurt.
#[test]
fn what_cannot_be_read_is_absent() {
    let cut: [&[u8]; 5] = [
        &[0x40],
        &[0x40, 1, 1],
        &[0x50, 1, 1],
        &[0x40, 1, 0, 0x40, 5, 2, 0, 1],
        &[0x40, 2, 3, 2, 9, 9],
    ];
    for octets in cut {
        let attributes = AttributeView::new(octets).to_attributes();
        assert_eq!(attributes.local_pref, None, "{octets:?}");
        assert_eq!(attributes.as_path.view().asns().count(), 0);
    }
}

/// R4271-5-05: unknown attributes stand in their places among the known ones.
#[test]
fn r4271_5_05_ascending() {
    let unknown = |code| {
        UnknownAttribute::new(code, true, [code])
            .unwrap()
            .with_partial()
    };
    let attributes = Attributes {
        med: Some(1),
        communities: vec![Community(1)],
        otc: Some(Asn(1)),
        unknown: vec![unknown(11), unknown(20), unknown(33), unknown(255)],
        ..Attributes::default()
    };
    let mut octets = Vec::new();
    attributes.encode_canonical(&mut octets);
    let codes = AttributeView::new(&octets)
        .iter()
        .map(|attribute| attribute.code);
    assert!(codes.eq([1, 2, 4, 8, 11, 20, 33, 35, 255]));
}

/// R4271-4.3-03: one octet of length up to 255, two beyond.
#[test]
fn r4271_4_3_03_lengths() {
    for (count, flags, len) in [(63, 0xc0, &[252][..]), (64, 0xd0, &[1, 0])] {
        let attributes = Attributes {
            communities: vec![Community(7); count],
            ..Attributes::default()
        };
        let mut octets = Vec::new();
        attributes.encode_canonical(&mut octets);
        assert_eq!(octets[7..9], [flags, 8]);
        assert!(octets[9..].starts_with(len));
        assert_eq!(AttributeView::new(&octets).communities().count(), count);
    }
}

#[test]
fn too_long_values_are_cut() {
    let attributes = Attributes {
        communities: vec![Community(7); 20_000],
        ..Attributes::default()
    };
    let mut octets = Vec::new();
    attributes.encode_canonical(&mut octets);
    assert_eq!(AttributeView::new(&octets).communities().count(), 65535 / 4);
}

#[test]
fn splitting_at_a_code() {
    let mut octets = Vec::new();
    let attributes = Attributes {
        med: Some(1),
        ..Attributes::default()
    };
    attributes.encode_canonical(&mut octets);
    let view = AttributeView::new(&octets);
    assert_eq!(view.split_before(code::MED).0.len(), 7);
    assert_eq!(view.split_before(code::ORIGIN).0.len(), 0);
    assert_eq!(view.split_before(code::OTC).1.len(), 0);
}
