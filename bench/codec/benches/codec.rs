//! Benchmark of the codec of bgp-core and others, on the same stream: `make bench`.
//!
//! All codecs take turns in the same run; the result is the best pass of each, per UPDATE. Reading goes from the octets of the
//! stream to every attribute and prefix, including freeing the memory. Writing goes from the form in which a codec stores an
//! UPDATE to octets in a buffer. `-- WORD` measures only codecs with this word in their name, `-- --once` runs each a single time
//! (for counting instructions).
#![expect(clippy::print_stdout, reason = "the numbers are the output")]

use std::hint::black_box;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use bench_codec::{Group, NEXT_HOP, SEED, context, stream, table};
use bgp_core::wire::update::encode_reachable;
use bgp_core::wire::{AttributeView, HEADER_LEN, Message, NextHop, Update, frame};
use bytes::{Bytes, BytesMut};
use ipnet::Ipv4Net;

/// UPDATEs in the stream.
const UPDATES: usize = 10_000;
/// Passes over the stream by each codec.
const PASSES: usize = 60;

/// One pass over the stream: its duration, and the prefixes or octets that it saw.
type Pass = Box<dyn FnMut() -> (Duration, usize)>;

struct Subject {
    name: &'static str,
    /// The codec is that of bgp-core.
    own: bool,
    pass: Pass,
}

fn own(name: &'static str, pass: Pass) -> Subject {
    Subject {
        name,
        own: true,
        pass,
    }
}

fn other(name: &'static str, pass: Pass) -> Subject {
    Subject {
        name,
        own: false,
        pass,
    }
}

fn main() {
    let table = table(SEED, UPDATES);
    let stream = stream(&table).freeze();
    let prefixes: usize = table.iter().map(|group| group.routes.len()).sum();
    println!(
        "{UPDATES} UPDATEs, {prefixes} prefixes, {} octets\n",
        stream.len()
    );
    compare("read", readers(&stream), prefixes..=prefixes);
    // Some write lengths in two octets where one is enough.
    compare(
        "write",
        writers(&table, &stream),
        stream.len()..=2 * stream.len(),
    );
}

/// Measures and prints; `seen` is the expected result of each pass.
fn compare(title: &str, mut subjects: Vec<Subject>, seen: RangeInclusive<usize>) {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let passes = if words.iter().any(|word| word == "--once") {
        1
    } else {
        PASSES
    };
    let word = words.iter().find(|word| !word.starts_with('-'));
    subjects.retain(|subject| word.is_none_or(|word| subject.name.contains(word)));
    let mut best = vec![Duration::MAX; subjects.len()];
    for _ in 0..passes {
        for (subject, best) in subjects.iter_mut().zip(&mut best) {
            let (time, count) = (subject.pass)();
            assert!(seen.contains(&count), "{} saw {count}", subject.name);
            *best = time.min(*best);
        }
    }
    let nanos = |time: &Duration| time.as_nanos() as f64 / UPDATES as f64;
    let others = subjects
        .iter()
        .zip(&best)
        .filter(|(subject, _)| !subject.own);
    let fastest = others.map(|(_, time)| nanos(time)).fold(f64::NAN, f64::min);
    println!("{title:<44} ns per UPDATE   fastest other takes");
    for (subject, time) in subjects.iter().zip(&best) {
        let time = nanos(time);
        println!(
            "{:<44} {time:>13.0} {:>19.2} x",
            subject.name,
            fastest / time
        );
    }
    println!();
}

/// Measures `run`; the caller prepares its input.
fn timed(run: impl FnOnce() -> usize) -> (Duration, usize) {
    let start = Instant::now();
    let count = run();
    (start.elapsed(), count)
}

fn readers(stream: &Bytes) -> Vec<Subject> {
    vec![
        own("bgp-core (prefixes)", own_reader(stream, |_, _| {})),
        own(
            "bgp-core (prefixes, canonical attributes)",
            own_reader(stream, |update, out| update.canonical_attributes(out)),
        ),
        other("netgauze-bgp-pkt", netgauze_reader(stream)),
        other("bgpkit-parser", bgpkit_reader(stream)),
        other("zettabgp", zettabgp_reader(stream)),
        other("rustbgpd-wire", rustbgpd_reader(stream)),
    ]
}

fn writers(table: &[Group], stream: &Bytes) -> Vec<Subject> {
    vec![
        own("bgp-core (canonical attributes)", own_writer(table)),
        own("bgp-core (typed attributes)", own_typed_writer(table)),
        other("netgauze-bgp-pkt", netgauze_writer(stream)),
        other("bgpkit-parser", bgpkit_writer(stream)),
        other("zettabgp", zettabgp_writer(stream)),
        other("rustbgpd-wire", rustbgpd_writer(stream)),
    ]
}

/// The messages of the stream.
fn messages(stream: &Bytes) -> Vec<Bytes> {
    let mut rest = BytesMut::from(&stream[..]);
    std::iter::from_fn(|| frame::take(&mut rest, 4096).expect("good headers"))
        .map(|frame| frame.bytes)
        .collect()
}

/// From a read buffer, with all checks of RFC 7606.
fn own_reader(stream: &Bytes, attributes: fn(&Update, &mut Vec<u8>)) -> Pass {
    let (stream, context) = (stream.clone(), context());
    let mut canonical = Vec::with_capacity(4096);
    Box::new(move || {
        let mut input = BytesMut::from(&stream[..]);
        timed(|| {
            let mut prefixes = 0;
            while let Some(frame) = frame::take(&mut input, 4096).expect("good headers") {
                let message = Message::decode(frame, &context);
                let Ok(Message::Update(update)) = &message else {
                    panic!("an UPDATE");
                };
                for reachable in update.reachable() {
                    for prefix in reachable.nlri.iter::<Ipv4Net>() {
                        black_box(prefix);
                        prefixes += 1;
                    }
                }
                canonical.clear();
                attributes(update, &mut canonical);
                black_box(&canonical);
            }
            prefixes
        })
    })
}

fn own_writer(table: &[Group]) -> Pass {
    let (table, context) = (table.to_vec(), context());
    let mut out = BytesMut::with_capacity(65536);
    Box::new(move || {
        timed(|| {
            let mut octets = 0;
            for Group {
                canonical, routes, ..
            } in &table
            {
                out.clear();
                let (view, next_hop) = (AttributeView::new(canonical), NextHop::V4(NEXT_HOP));
                encode_reachable(&context, view, next_hop, routes, &mut out).expect("it fits");
                octets += black_box(&out).len();
            }
            octets
        })
    })
}

/// As for routes that a policy has just changed.
fn own_typed_writer(table: &[Group]) -> Pass {
    let (table, context) = (table.to_vec(), context());
    let mut out = BytesMut::with_capacity(65536);
    let mut canonical = Vec::with_capacity(4096);
    Box::new(move || {
        timed(|| {
            let mut octets = 0;
            for Group {
                attributes, routes, ..
            } in &table
            {
                out.clear();
                canonical.clear();
                attributes.encode_canonical(&mut canonical);
                let (view, next_hop) = (AttributeView::new(&canonical), NextHop::V4(NEXT_HOP));
                encode_reachable(&context, view, next_hop, routes, &mut out).expect("it fits");
                octets += black_box(&out).len();
            }
            octets
        })
    })
}

fn netgauze_parse(octets: &[u8]) -> netgauze_bgp_pkt::BgpMessage {
    use netgauze_bgp_pkt::wire::deserializer::BgpParsingContext;
    use netgauze_parse_utils::traits::ParseFromWithOneInput;
    let mut context = BgpParsingContext::default();
    let mut reader = netgauze_parse_utils::reader::SliceReader::new(octets);
    netgauze_bgp_pkt::BgpMessage::parse(&mut reader, &mut context).expect("an UPDATE")
}

fn netgauze_reader(stream: &Bytes) -> Pass {
    let messages = messages(stream);
    Box::new(move || {
        timed(|| {
            let mut prefixes = 0;
            for octets in &messages {
                let message = black_box(netgauze_parse(octets));
                if let netgauze_bgp_pkt::BgpMessage::Update(update) = &message {
                    prefixes += update.nlri().len();
                }
            }
            prefixes
        })
    })
}

fn netgauze_writer(stream: &Bytes) -> Pass {
    use netgauze_parse_utils::WritablePdu;
    let messages: Vec<_> = messages(stream)
        .iter()
        .map(|octets| netgauze_parse(octets))
        .collect();
    let mut out = Vec::with_capacity(65536);
    Box::new(move || {
        timed(|| {
            let mut octets = 0;
            for message in &messages {
                out.clear();
                message.write(&mut out).expect("it fits");
                octets += black_box(&out).len();
            }
            octets
        })
    })
}

fn bgpkit_parse(mut octets: Bytes) -> bgpkit_parser::models::BgpMessage {
    use bgpkit_parser::models::AsnLength;
    use bgpkit_parser::parser::bgp::messages::parse_bgp_message;
    parse_bgp_message(&mut octets, false, &AsnLength::Bits32).expect("an UPDATE")
}

fn bgpkit_reader(stream: &Bytes) -> Pass {
    let messages = messages(stream);
    Box::new(move || {
        timed(|| {
            let mut prefixes = 0;
            for octets in &messages {
                let message = black_box(bgpkit_parse(octets.clone()));
                if let bgpkit_parser::models::BgpMessage::Update(update) = &message {
                    prefixes += update.announced_prefixes.len();
                }
            }
            prefixes
        })
    })
}

fn bgpkit_writer(stream: &Bytes) -> Pass {
    let messages: Vec<_> = messages(stream).into_iter().map(bgpkit_parse).collect();
    Box::new(move || {
        timed(|| {
            let mut octets = 0;
            for message in &messages {
                let out = message.encode(bgpkit_parser::models::AsnLength::Bits32);
                octets += black_box(out.expect("it fits")).len();
            }
            octets
        })
    })
}

fn zettabgp_params() -> zettabgp::BgpSessionParams {
    use zettabgp::{BgpSessionParams, BgpTransportMode};
    let mut params = BgpSessionParams::new(64512, 90, BgpTransportMode::IPv4, NEXT_HOP, vec![]);
    // It would guess from the prefixes whether they have path identifiers.
    params.fuzzy_pathid = false;
    params
}

fn zettabgp_parse(
    params: &zettabgp::BgpSessionParams,
    octets: &[u8],
) -> zettabgp::prelude::BgpUpdateMessage {
    use zettabgp::BgpMessage;
    let (_, len) = params.decode_message_head(octets).expect("a good header");
    let mut update = zettabgp::prelude::BgpUpdateMessage::new();
    let body = &octets[HEADER_LEN..HEADER_LEN + len];
    update.decode_from(params, body).expect("an UPDATE");
    update
}

fn zettabgp_reader(stream: &Bytes) -> Pass {
    let (messages, params) = (messages(stream), zettabgp_params());
    Box::new(move || {
        timed(|| {
            let mut prefixes = 0;
            for octets in &messages {
                let update = black_box(zettabgp_parse(&params, octets));
                if let zettabgp::prelude::BgpAddrs::IPV4U(announced) = &update.updates {
                    prefixes += announced.len();
                }
            }
            prefixes
        })
    })
}

fn zettabgp_writer(stream: &Bytes) -> Pass {
    use zettabgp::BgpMessage;
    use zettabgp::prelude::BgpMessageType;
    let params = zettabgp_params();
    let updates: Vec<_> = messages(stream)
        .iter()
        .map(|octets| zettabgp_parse(&params, octets))
        .collect();
    let mut out = vec![0; 65536];
    Box::new(move || {
        timed(|| {
            let mut octets = 0;
            for update in &updates {
                let body = update.encode_to(&params, &mut out[HEADER_LEN..]);
                let len = body.expect("it fits");
                let whole = params.prepare_message_buf(&mut out, BgpMessageType::Update, len);
                octets += whole.expect("it fits");
                black_box(&out);
            }
            octets
        })
    })
}

/// With the revised error handling and the check of attribute values, which are separate from plain parsing.
fn rustbgpd_parse(octets: &mut Bytes) -> rustbgpd_wire::RevisedParsedUpdate {
    let message = rustbgpd_wire::decode_message(octets, 4096).expect("a good header");
    let rustbgpd_wire::Message::Update(update) = message else {
        panic!("an UPDATE");
    };
    update
        .parse_revised(true, false, false, &[])
        .expect("an UPDATE")
}

fn rustbgpd_reader(stream: &Bytes) -> Pass {
    let stream = stream.clone();
    Box::new(move || {
        let mut rest = stream.clone();
        timed(|| {
            let mut prefixes = 0;
            while !rest.is_empty() {
                let parsed = black_box(rustbgpd_parse(&mut rest));
                prefixes += parsed.update.announced.len();
            }
            prefixes
        })
    })
}

fn rustbgpd_writer(stream: &Bytes) -> Pass {
    use rustbgpd_wire::{Ipv4UnicastMode, UpdateMessage};
    let mut rest = stream.clone();
    let mut updates = Vec::new();
    while !rest.is_empty() {
        updates.push(rustbgpd_parse(&mut rest).update);
    }
    let mut out = BytesMut::with_capacity(65536);
    Box::new(move || {
        timed(|| {
            let mut octets = 0;
            for update in &updates {
                out.clear();
                let (announced, attributes) = (&update.announced, &update.attributes);
                let body = Ipv4UnicastMode::Body;
                UpdateMessage::build(announced, &[], attributes, true, false, body)
                    .encode(&mut out)
                    .expect("it fits");
                octets += black_box(&out).len();
            }
            octets
        })
    })
}
