//! The serialized forms: as text where a text form exists.
#![cfg(feature = "serde")]

use bgp_core::types::{AfiSafi, Asn};
use bgp_core::wire::attribute::{
    Attributes, Community, ExtendedCommunity, LargeCommunity, UnknownAttribute,
};
use bgp_core::wire::notification::cease;
use bgp_core::wire::{Capability, NextHop, Notification, Open};
use serde_json::json;

#[test]
fn attributes_are_read_back() {
    let attributes = Attributes {
        as_path: "64512 {1 2}".parse().expect("a path"),
        med: Some(7),
        communities: vec![Community::NO_EXPORT],
        ext_communities: vec![ExtendedCommunity(0x0002_fc00_0000_0064)],
        large_communities: vec![LargeCommunity {
            global: 1,
            local1: 2,
            local2: 3,
        }],
        otc: Some(Asn(64512)),
        unknown: vec![
            UnknownAttribute::new(200, true, [1, 0xab])
                .unwrap()
                .with_partial(),
        ],
        ..Attributes::default()
    };
    let json = serde_json::to_value(&attributes).expect("JSON");
    assert_eq!(json["origin"], "igp");
    assert_eq!(json["as_path"], "64512 {1 2}");
    assert_eq!(json["communities"], json!(["65535:65281"]));
    assert_eq!(json["ext_communities"], json!(["rt:64512:100"]));
    assert_eq!(json["large_communities"], json!(["1:2:3"]));
    assert_eq!(json["unknown"][0]["value"], "01ab");
    let again: Attributes = serde_json::from_value(json).expect("attributes");
    assert_eq!(again, attributes);
    let empty: Attributes = serde_json::from_str("{}").expect("all fields may be absent");
    assert_eq!(empty, Attributes::default());
}

#[test]
fn text_that_is_wrong_is_refused() {
    for bad in [json!("1:70000"), json!(7), json!("")] {
        assert!(serde_json::from_value::<Community>(bad).is_err());
    }
    let bad_value = json!({"code": 1, "flags": 0, "value": "0g"});
    assert!(serde_json::from_value::<UnknownAttribute>(bad_value).is_err());
}

#[test]
fn next_hops_are_addresses() {
    for next_hop in [
        NextHop::V4([192, 0, 2, 1].into()),
        NextHop::V6("2001:db8::1".parse().expect("an address")),
        NextHop::V6LinkLocal {
            global: "2001:db8::1".parse().expect("an address"),
            link_local: "fe80::1".parse().expect("an address"),
        },
    ] {
        let json = serde_json::to_value(next_hop).expect("JSON");
        assert_eq!(
            serde_json::from_value::<NextHop>(json).expect("a next hop"),
            next_hop
        );
    }
    let json = serde_json::to_value(NextHop::V4([192, 0, 2, 1].into())).expect("JSON");
    assert_eq!(json, "192.0.2.1");
}

#[test]
fn notifications_say_their_name() {
    let notification = Notification::shutdown(cease::ADMIN_SHUTDOWN, "bye");
    let json = serde_json::to_value(notification).expect("JSON");
    let expected = json!({
        "code": 6,
        "subcode": 2,
        "name": "Administrative shutdown",
        "communication": "bye",
        "data": "03627965",
    });
    assert_eq!(json, expected);
}

#[test]
fn open_lists_its_capabilities() {
    let open = Open {
        asn: Asn(65536),
        hold_time: 90,
        router_id: "10.0.0.1"
            .parse()
            .map(bgp_core::types::RouterId)
            .expect("an identifier"),
        capabilities: vec![
            Capability::Multiprotocol(AfiSafi { afi: 1, safi: 1 }),
            Capability::RouteRefresh,
            Capability::Unknown {
                code: 99,
                value: vec![1].into(),
            },
        ],
    };
    let json = serde_json::to_value(open).expect("JSON");
    let expected = json!({
        "asn": 65536,
        "hold_time": 90,
        "router_id": "10.0.0.1",
        "capabilities": [
            {"multiprotocol": "ipv4-unicast"},
            "route_refresh",
            {"unknown": {"code": 99, "value": "01"}},
        ],
    });
    assert_eq!(json, expected);
}
