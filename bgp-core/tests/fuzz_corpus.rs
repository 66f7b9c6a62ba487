//! The seeds of the fuzz targets, replayed without a fuzzer; findings become seeds, and so regression tests.

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "public for the targets")]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder(under: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(under)
}

/// Names of what is in a folder, without extensions.
fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| path.file_stem().expect("a name").display().to_string())
        .collect()
}

fn replay(target: &str) {
    let all = targets::TARGETS.iter();
    let (_, run) = all
        .clone()
        .find(|(name, _)| *name == target)
        .expect("a target");
    let folder = folder("testdata/fuzz").join(target);
    let seeds = fs::read_dir(&folder).expect("the seeds of the target");
    let count = seeds
        .map(|entry| run(&fs::read(entry.expect("an entry").path()).expect("a seed")))
        .count();
    assert!(count > 0, "no seeds for {target}");
}

#[test]
fn every_target_has_a_program_and_seeds() {
    let targets: BTreeSet<_> = targets::TARGETS.map(|(name, _)| name.to_owned()).into();
    assert_eq!(names_in(&folder("fuzz/fuzz_targets")), targets);
    assert_eq!(names_in(&folder("testdata/fuzz")), targets);
}

#[test]
fn bfd_input() {
    replay("bfd_input");
}

#[test]
fn decode_message() {
    replay("decode_message");
}

#[test]
fn decode_stream() {
    replay("decode_stream");
}

#[test]
fn handover_input() {
    replay("handover_input");
}

#[test]
fn open_negotiation() {
    replay("open_negotiation");
}

#[test]
fn rib_operations() {
    replay("rib_operations");
}

#[test]
fn roundtrip() {
    replay("roundtrip");
}

#[test]
fn session_input() {
    replay("session_input");
}
