//! The seeds of the fuzz targets, replayed without a fuzzer; findings become seeds, and so regression tests.

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "public for the targets")]
mod targets;

use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/fuzz");
    let seeds = fs::read_dir(folder.join(target)).expect("the seeds of the target");
    let count = seeds
        .map(|entry| run(&fs::read(entry.expect("an entry").path()).expect("a seed")))
        .count();
    assert!(count > 0, "no seeds for {target}");
}

#[test]
fn decode_message() {
    replay("decode_message", targets::decode_message);
}

#[test]
fn decode_stream() {
    replay("decode_stream", targets::decode_stream);
}

#[test]
fn roundtrip() {
    replay("roundtrip", targets::roundtrip);
}
