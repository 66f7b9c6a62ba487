//! Time to read and write UPDATEs: `cargo bench -p bgp-core --bench wire [-- WORD]`, only those with the word in their name.
//!
//! Prints the best of many batches in nanoseconds for each message; compare runs of one machine only.
#![expect(clippy::print_stdout, reason = "the numbers are the output")]
#![expect(clippy::disallowed_methods, reason = "measures real time")]

use std::hint::black_box;
use std::time::Instant;

use bgp_core::types::{Asn, PathId, PerFamily};
use bgp_core::wire::attribute::{AsPath, Attributes, Community};
use bgp_core::wire::update::encode_reachable;
use bgp_core::wire::{AttributeView, Context, Frame, Message, NextHop, Update, frame};
use bytes::BytesMut;
use ipnet::Ipv4Net;

const BATCHES: u32 = 90;
const BATCH: u32 = 2000;

/// Prints the best time of `run` over all batches.
fn measure(name: &str, mut run: impl FnMut()) {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    if wanted.is_some_and(|word| !name.contains(&word)) {
        return;
    }
    let best = (0..BATCHES)
        .map(|_| {
            let start = Instant::now();
            (0..BATCH).for_each(|_| run());
            start.elapsed() / BATCH
        })
        .min()
        .unwrap_or_default();
    println!("{name:<44} {:>8} ns", best.as_nanos());
}

fn context() -> Context {
    Context {
        four_octet_as: true,
        families: PerFamily {
            ipv4: true,
            ipv6: true,
        },
        external: false,
        max_receive_len: 65535,
        max_send_len: 65535,
        ..Context::default()
    }
}

/// ORIGIN, AS_PATH of three, NEXT_HOP, MED, LOCAL_PREF, two communities.
fn canonical() -> Vec<u8> {
    let attributes = Attributes {
        as_path: AsPath::sequence([Asn(64512), Asn(65536), Asn(64513)]),
        med: Some(10),
        local_pref: Some(100),
        communities: vec![Community(1), Community(2)],
        ..Attributes::default()
    };
    let mut octets = Vec::new();
    attributes.encode_canonical(&mut octets);
    octets
}

fn routes(count: u32) -> Vec<(PathId, Ipv4Net)> {
    (0..count)
        .map(|at| {
            (
                PathId(0),
                Ipv4Net::new_assert((0x0a00_0000 | at << 8).into(), 24),
            )
        })
        .collect()
}

fn message(count: u32) -> Frame {
    let octets = canonical();
    let next_hop = NextHop::V4([192, 0, 2, 1].into());
    let mut out = BytesMut::new();
    let view = AttributeView::new(&octets);
    encode_reachable(&context(), view, next_hop, &routes(count), &mut out).expect("it fits");
    let frame = frame::take(&mut out, 65535);
    frame.expect("a good header").expect("a whole message")
}

fn decode(frame: &Frame, context: &Context) -> Update {
    match Message::decode(frame.clone(), context) {
        Ok(Message::Update(update)) => update,
        other => panic!("not an UPDATE: {other:?}"),
    }
}

fn main() {
    let context = context();
    for count in [1, 3, 25, 1000] {
        let frame = message(count);
        let update = decode(&frame, &context);
        let mut octets = Vec::with_capacity(4096);
        measure(&format!("decode, {count} prefixes"), || {
            black_box(decode(black_box(&frame), &context));
        });
        measure(&format!("iterate, {count} prefixes"), || {
            for reachable in black_box(&update).reachable() {
                reachable.nlri.iter::<Ipv4Net>().for_each(|prefix| {
                    black_box(prefix);
                });
            }
        });
        measure(
            &format!("decode + canonical + iterate, {count} prefixes"),
            || {
                octets.clear();
                let update = decode(black_box(&frame), &context);
                update.canonical_attributes(&mut octets);
                for reachable in update.reachable() {
                    reachable.nlri.iter::<Ipv4Net>().for_each(|prefix| {
                        black_box(prefix);
                    });
                }
            },
        );
        let routes = routes(count);
        let attributes = canonical();
        let mut out = BytesMut::with_capacity(65535);
        measure(&format!("encode, {count} prefixes"), || {
            out.clear();
            let view = AttributeView::new(black_box(&attributes));
            let next_hop = NextHop::V4([192, 0, 2, 1].into());
            let _ = encode_reachable(&context, view, next_hop, &routes, &mut out);
            black_box(&out);
        });
    }
    let attributes = canonical();
    measure("as_path + local_pref + med + communities", || {
        let view = AttributeView::new(black_box(&attributes));
        black_box((view.as_path().route_len(), view.local_pref(), view.med()));
        black_box(view.communities().count());
    });
}
