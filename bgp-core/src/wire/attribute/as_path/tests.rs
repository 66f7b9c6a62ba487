use super::*;

fn path(text: &str) -> AsPath {
    text.parse().expect("a path")
}

/// R4271-5.1.2-01: one segment as long as there is room, a new one before a full one, before a set, and in an empty path.
#[test]
fn r4271_5_1_2_01_prepend() {
    let mut empty = AsPath::default();
    empty.prepend(Asn(1), 2);
    assert_eq!(empty, path("1 1"));
    let mut set = path("{7 8}");
    set.prepend(Asn(1), 1);
    assert_eq!(set, path("1 {7 8}"));
    let mut full = AsPath::sequence((1..=255).map(Asn));
    full.prepend(Asn(9), 1);
    let segments: Vec<usize> = full.view().segments().map(|s| s.asns().len()).collect();
    assert_eq!(segments, [1, 255]);
    let mut nearly = AsPath::sequence((1..=253).map(Asn));
    nearly.prepend(Asn(9), 4);
    let segments: Vec<usize> = nearly.view().segments().map(|s| s.asns().len()).collect();
    assert_eq!(segments, [2, 255]);
    assert_eq!(nearly.view().occurrences(Asn(9)), 4 + 1);
    let mut unchanged = path("1 2");
    unchanged.prepend(Asn(3), 0);
    assert_eq!(unchanged, path("1 2"));
}

/// RP-05.
#[test]
fn rp_05_long_paths_are_split_at_255() {
    let long = AsPath::sequence((1..=600).map(Asn));
    let segments: Vec<usize> = long.view().segments().map(|s| s.asns().len()).collect();
    assert_eq!(segments, [255, 255, 90]);
    assert_eq!(long.view().route_len(), 600);
    assert!(long.view().asns().eq((1..=600).map(Asn)));
}

/// R4271-9.1.2.2-01: a set counts 1, confederation segments nothing.
#[test]
fn r4271_9_1_2_2_01_length() {
    assert_eq!(path("1 2 3").view().route_len(), 3);
    assert_eq!(path("(9 8) 1 2 {3 4 5}").view().route_len(), 3);
    assert_eq!(path("[9 8]").view().route_len(), 0);
    assert_eq!(AsPath::default().view().route_len(), 0);
}

#[test]
fn neighbour_and_origin() {
    let ends = |text: &str| (path(text).view().neighbour(), path(text).view().origin());
    assert_eq!(ends("1 2 3"), (Some(Asn(1)), Some(Asn(3))));
    assert_eq!(ends("(9) 1 {2}"), (Some(Asn(1)), None));
    assert_eq!(ends("{1 2} 3"), (None, Some(Asn(3))));
    assert_eq!(AsPath::default().view().neighbour(), None);
}

#[test]
fn text_is_read_back() {
    for text in ["", "64512", "1 2 {3 4} 5", "(64512 64513) 1", "[1 2] {3}"] {
        assert_eq!(path(text).to_string(), text);
    }
    for bad in ["x", "{", "{}", "1 }", "{1", "-1", "4294967296"] {
        assert_eq!(bad.parse::<AsPath>(), Err(AsPathParseError), "{bad:?}");
    }
    assert!(path("1 {2 3}").view().contains_set());
    assert!(!path("1 2").view().contains_set());
}

#[test]
fn r5065_5_01_confederation_segments_can_be_left_out() {
    let inside = path("(64512 64513) 1 [2] 3");
    assert!(inside.view().contains_confederation());
    assert_eq!(inside.without_confederation().to_string(), "1 3");
}

/// R7606-7.2, R7607-2-01.
#[test]
fn r7606_7_2_malformed() {
    let external = Context {
        four_octet_as: true,
        ..Context::default()
    };
    let malformed: [&[u8]; 7] = [
        &[0, 1, 0, 0, 0, 1],
        &[5, 1, 0, 0, 0, 1],
        &[2, 2, 0, 0, 0, 1],
        &[2, 1, 0, 0, 0, 1, 2],
        &[2, 0],
        &[2, 1, 0, 0, 0, 0],
        &[3, 1, 0, 0, 0, 1],
    ];
    for octets in malformed {
        assert!(check(octets, &external).is_err(), "{octets:?}");
    }
    assert_eq!(check(&[], &external), Ok(()));
    assert_eq!(check(&[1, 1, 0, 0, 0, 1], &external), Ok(()));
    let internal = Context {
        external: false,
        ..external
    };
    assert_eq!(check(&[3, 1, 0, 0, 0, 1], &internal), Ok(()));
    let two_octet = Context::default();
    assert_eq!(check(&[2, 2, 0, 1, 0, 2], &two_octet), Ok(()));
    assert!(check(&[2, 2, 0, 1, 0, 0], &two_octet).is_err());
}
