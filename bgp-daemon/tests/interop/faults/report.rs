//! `docs/faults.md`: the table, with what was measured last. `BLESS=1` writes it from the measurements of the last run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::table::{FAULTS, Fault};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/faults.md");

fn directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults")
}

/// Keeps what a run has measured.
pub(super) fn write(fault: &Fault, seen: &BTreeMap<String, Duration>) {
    let seen = seen.iter();
    let text: Vec<String> = seen
        .map(|(stream, gap)| format!("{stream}: {}", milliseconds(*gap)))
        .collect();
    let directory = directory();
    fs::create_dir_all(&directory).expect("the target directory is writable");
    fs::write(directory.join(fault.name), text.join(", ")).expect("it is writable");
}

fn milliseconds(gap: Duration) -> String {
    match gap.as_millis() {
        0 => "none".to_owned(),
        millis => format!("{millis} ms"),
    }
}

fn row(fault: &Fault) -> String {
    let limit = fault.broken;
    let limit = match limit.subsec_millis() {
        0 => format!("{} s", limit.as_secs()),
        millis => format!("{millis} ms"),
    };
    let (name, what, holds) = (fault.name, fault.what, fault.holds);
    format!("| {name} | {what} | {holds} | {limit} |")
}

/// The page says what the suite asserts.
#[test]
fn the_page_is_that_of_the_suite() {
    let page = fs::read_to_string(PAGE).expect("docs/faults.md");
    let head = page.split("| link down").next().unwrap_or_default();
    let mut wanted = head.to_owned();
    for fault in &FAULTS {
        let row = row(fault);
        let old = page.lines().find_map(|line| line.strip_prefix(&*row));
        let old = old.map(|rest| rest.trim_matches([' ', '|']).to_owned());
        let measured = fs::read_to_string(directory().join(fault.name)).ok();
        let measured = match std::env::var_os("BLESS") {
            Some(_) => measured.or(old),
            None => old,
        };
        writeln!(wanted, "{row} {} |", measured.unwrap_or_default()).expect("a String takes all");
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(PAGE, &wanted).expect("the page is writable");
    } else {
        assert!(
            page == wanted,
            "docs/faults.md differs; BLESS=1 writes it:\n{wanted}"
        );
    }
}
