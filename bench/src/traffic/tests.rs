use std::collections::BTreeSet;

use bgp_core::wire::{Message, MessageType, Update, frame};

use super::*;

const SENDER: Sender = Sender {
    index: 0,
    asn: Some(Asn(64601)),
    address: Ipv4Addr::new(198, 18, 1, 0),
};

#[test]
fn a_table_has_every_slot_once_and_is_the_same_every_time() {
    let stream = Table::internet(100..5100, 0).announce(SENDER);
    let slots: Vec<u32> = prefixes(&stream).into_iter().map(slot).collect();
    assert_eq!(slots.len(), 5000);
    assert_eq!(
        slots.into_iter().collect::<BTreeSet<_>>(),
        (100..5100).collect()
    );
    assert_eq!(stream, Table::internet(100..5100, 0).announce(SENDER));
}

#[test]
fn most_prefixes_are_24_and_all_are_prefixes() {
    let all = prefixes(&Table::internet(0..10_000, 0).announce(SENDER));
    assert!(all.iter().all(|prefix| prefix.trunc() == *prefix));
    assert!(
        all.iter()
            .all(|prefix| (20..=24).contains(&prefix.prefix_len()))
    );
    let long = all
        .iter()
        .filter(|prefix| prefix.prefix_len() == 24)
        .count();
    assert!((6_000..9_500).contains(&long), "{long}");
}

#[test]
fn paths_are_three_to_six_long_and_begin_with_the_sender() {
    for update in updates(&Table::internet(0..5000, 0).announce(SENDER)) {
        let attributes = update.attributes();
        let path = attributes.as_path.view();
        assert!((3..=6).contains(&path.route_len()));
        assert_eq!(path.neighbour(), SENDER.asn);
    }
}

#[test]
fn versions_differ_in_attributes_only() {
    let [old, new] = [0, 1].map(|version| Table::internet(0..500, version).announce(SENDER));
    assert_ne!(old, new);
    assert_eq!(prefixes(&old), prefixes(&new));
}

#[test]
fn exactly_one_sender_has_the_shortest_path_of_each_prefix() {
    let table = Table::internet(0..300, 0);
    let mut paths = vec![Vec::new(); 300];
    for index in 0..10 {
        for update in updates(&table.compete(Sender { index, ..SENDER }, 10)) {
            let len = update.attributes().as_path.view().route_len();
            for prefix in announced(&update) {
                paths[slot(prefix) as usize].push((len, index as u8));
            }
        }
    }
    let best = |paths: &mut Vec<(u32, u8)>| {
        paths.sort();
        assert!(paths.len() == 10 && paths[0].0 < paths[1].0, "{paths:?}");
        paths[0].1
    };
    let winners: Vec<u8> = paths.iter_mut().map(best).collect();
    assert_eq!(winners, table.best_senders(10));
}

#[test]
fn blocks_of_a_node_fit_one_message() {
    let stream = blocks(
        Sender {
            asn: None,
            ..SENDER
        },
        64..128,
    );
    assert_eq!(updates(&stream).len(), 1);
    let all = prefixes(&stream);
    assert_eq!(all.len(), 64);
    assert!(all.iter().all(|prefix| prefix.prefix_len() == 26));
}

/// What the product's decoder reads from a stream.
fn updates(stream: &Bytes) -> Vec<Update> {
    // Inside one AS every attribute is allowed.
    let context = Context {
        external: false,
        ..context()
    };
    let mut rest = BytesMut::from(&stream[..]);
    let mut updates = Vec::new();
    while let Some(frame) = frame::take(&mut rest, 4096).unwrap() {
        assert_eq!(frame.kind, MessageType::UPDATE);
        match Message::decode(frame, &context).unwrap() {
            Message::Update(update) => updates.push(update),
            other => panic!("{other}"),
        }
    }
    assert!(rest.is_empty());
    assert!(updates.iter().all(|update| update.faults().is_empty()));
    updates
}

fn prefixes(stream: &Bytes) -> Vec<Ipv4Net> {
    updates(stream).iter().flat_map(announced).collect()
}

fn announced(update: &Update) -> Vec<Ipv4Net> {
    let reachable = update.reachable();
    reachable
        .flat_map(|routes| routes.nlri.iter().map(|(_, prefix)| prefix))
        .collect()
}

fn slot(prefix: Ipv4Net) -> u32 {
    Layout::Internet.slot(prefix.addr().to_bits())
}
