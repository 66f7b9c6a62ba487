use proptest::prelude::*;

use super::super::message::{ACK, Message, Messages};
use super::*;

const MARK: Mark = Mark {
    table: 254,
    protocol: 12,
};

fn operation(action: Action, prefix: &str, route: KernelRoute) -> Operation {
    Operation {
        action,
        prefix: prefix.parse().unwrap(),
        route: route.canonical().into(),
    }
}

fn hop(gateway: &str, index: u32) -> Hop {
    Hop::gateway(gateway.parse().unwrap()).dev(Device::Index(index))
}

fn encoded(op: &Operation, mark: Mark) -> Vec<u8> {
    let mut writer = Writer::default();
    encode(&mut writer, op, mark, ACK, 42);
    writer.bytes().to_vec()
}

fn single(bytes: &[u8]) -> Message<'_> {
    let messages: Vec<Message<'_>> = Messages(bytes).collect();
    assert_eq!(messages.len(), 1);
    messages[0]
}

#[test]
fn blackhole_in_octets() {
    let op = operation(Action::Add, "10.65.7.64/26", KernelRoute::blackhole());
    let mut expected = Vec::new();
    expected.extend(36_u32.to_ne_bytes());
    expected.extend(24_u16.to_ne_bytes()); // RTM_NEWROUTE
    expected.extend(0x605_u16.to_ne_bytes()); // REQUEST | ACK | EXCL | CREATE
    expected.extend(42_u32.to_ne_bytes());
    expected.extend(0_u32.to_ne_bytes());
    expected.extend([2, 26, 0, 0, 254, 12, 0, 6]); // no priority, scope universe, RTN_BLACKHOLE
    expected.extend(0_u32.to_ne_bytes());
    expected.extend(8_u16.to_ne_bytes());
    expected.extend(1_u16.to_ne_bytes());
    expected.extend([10, 65, 7, 64]);
    assert_eq!(encoded(&op, MARK), expected);
}

#[test]
fn device_route_has_link_scope_and_replacement_its_flags() {
    let route = KernelRoute::via(vec![Hop::device(Device::Index(3))]).with_metric(1024);
    let bytes = encoded(&operation(Action::Replace, "10.0.0.1/32", route), MARK);
    let message = single(&bytes);
    assert_eq!(
        message.flags & (CREATE | REPLACE | EXCLUSIVE),
        CREATE | REPLACE
    );
    assert_eq!(message.payload[6], SCOPE_LINK);
}

#[test]
fn ipv6_deletion_names_no_next_hop() {
    let route = KernelRoute::via(vec![hop("2001:db8::1", 3)]);
    let bytes = encoded(&operation(Action::Delete, "2001:db8:1::/48", route), MARK);
    let kinds: Vec<u16> = Attributes(&single(&bytes).payload[ROUTE_HEADER..])
        .map(|(k, _)| k)
        .collect();
    assert_eq!(
        kinds,
        [RTA_DST, RTA_PRIORITY],
        "the kernel's own 1024 is named"
    );
    assert_eq!(single(&bytes).kind, DELROUTE);
}

#[test]
fn what_is_encoded_parses_back() {
    let ecmp = vec![
        Hop {
            weight: 3,
            ..hop("192.0.2.1", 2)
        },
        hop("fe80::1", 3),
        Hop {
            onlink: true,
            ..hop("192.0.2.9", 4)
        },
    ];
    let cases = [
        ("10.0.0.0/8", KernelRoute::blackhole().with_metric(1)),
        (
            "0.0.0.0/0",
            KernelRoute::via(vec![hop("192.0.2.1", 2)]).with_metric(2_147_483_547),
        ),
        (
            "::/0",
            KernelRoute::via(vec![hop("2001:db8::1", 2)]).with_metric(1024),
        ),
        (
            "10.1.0.0/26",
            KernelRoute::via(vec![hop("192.0.2.1", 2).onlink()]).with_metric(1),
        ),
        (
            "10.2.0.0/26",
            KernelRoute::via(vec![hop("fe80::1", 2)]).with_metric(1),
        ),
        ("10.3.0.0/26", KernelRoute::via(ecmp).with_metric(1)),
    ];
    for table in [254, 100_000] {
        for (prefix, route) in &cases {
            let op = operation(Action::Add, prefix, route.clone());
            let bytes = encoded(&op, Mark { table, ..MARK });
            let parsed = parse(single(&bytes).payload, table);
            let expected = PresentRoute {
                prefix: op.prefix,
                protocol: 12,
                route: op.route,
            };
            assert_eq!(parsed, Some(expected), "{prefix}");
            assert_eq!(parse(single(&bytes).payload, 77), None, "another table");
        }
    }
}

proptest! {
    #[test]
    fn any_octets_parse_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = parse(&bytes, 254);
        prop_assert!(MultipathHops(&bytes).count() <= bytes.len());
    }
}
