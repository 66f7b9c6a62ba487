//! Allocations for an UPDATE: none, unless something is wrong with it.

mod wire_support;

use bgp_core::wire::{AttributeView, Context, Frame, Message};
use ipnet::Ipv4Net;
use wire_support::*;

/// Allocations for decoding an UPDATE, appending its attributes to `canonical` and reading every prefix.
fn allocations(frame: Frame, context: &Context) -> u64 {
    let mut canonical = Vec::with_capacity(4096);
    let measured = allocation_counter::measure(|| {
        let Ok(Message::Update(update)) = Message::decode(frame, context) else {
            panic!("an UPDATE");
        };
        update.canonical_attributes(&mut canonical);
        let prefixes = update
            .reachable()
            .flat_map(|reachable| reachable.nlri.iter::<Ipv4Net>());
        assert!(prefixes.count() > 0);
        assert_eq!(AttributeView::new(&canonical).as_path().route_len(), 1);
    });
    measured.count_total
}

fn full(more: &[Vec<u8>]) -> Frame {
    let known = [
        good(4, &[0, 0, 0, 4]),
        good(5, &[0, 0, 0, 5]),
        good(6, &[]),
        good(7, &[0, 1, 0, 0, 10, 0, 0, 7]),
        good(8, &[0; 40]),
        good(9, &[10, 0, 0, 9]),
        good(10, &[10, 0, 0, 10]),
        good(16, &[0; 16]),
        good(32, &[1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]),
        good(35, &[0, 0, 0xfc, 0]),
    ];
    let attributes = [&mandatory()[..], &known, more].concat();
    update(&[], &attributes, &IPV4.repeat(500))
}

/// RP-03
#[test]
fn an_update_without_faults_allocates_nothing() {
    assert_eq!(allocations(announcing(&[]), &internal()), 0);
    assert_eq!(allocations(full(&[]), &internal()), 0);
}

/// Attributes in no order cost a list of them; faults cost a list, what it hangs on, and the sharing of the message.
/// Prefixes never cost anything. RP-03.
#[test]
fn what_is_unusual_allocates_little() {
    let unknown = [attribute(0xc0, 200, &[1])];
    assert_eq!(allocations(full(&unknown), &internal()), 0);
    let [origin, as_path, next_hop] = mandatory().try_into().expect("three");
    let unordered = update(&[], &[next_hop, as_path, origin], &IPV4);
    assert!(allocations(unordered, &internal()) <= 1);
    assert!(allocations(full(&[]), &external()) <= 3);
}
