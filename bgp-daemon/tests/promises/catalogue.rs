//! Compares `docs/calico.md` with the tests: the doc comment of a test names its promises, as `/// Promise 3.4.` or
//! `/// Promises 3.4, 3.5.`

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Chapter and number.
type Promise = (u32, u32);

#[test]
fn every_promise_is_named_by_a_test() {
    let promised: BTreeSet<Promise> = promises().into_iter().collect();
    let tested: BTreeSet<Promise> = tests().into_iter().map(|(promise, _)| promise).collect();
    assert!(
        promised.len() > 100,
        "only {} promises were found",
        promised.len()
    );
    let untested: Vec<_> = promised.difference(&tested).collect();
    assert!(untested.is_empty(), "no test names {untested:?}");
}

#[test]
fn no_test_names_a_promise_that_does_not_exist() {
    let promised: BTreeSet<Promise> = promises().into_iter().collect();
    let unknown: Vec<_> = tests()
        .into_iter()
        .filter(|(promise, _)| !promised.contains(promise))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn promises_are_numbered_in_order() {
    let mut chapter = 0;
    let mut expected = (0, 0);
    let mut found = promises().into_iter().peekable();
    for line in page().lines() {
        if let Some(number) = line
            .strip_prefix("## ")
            .and_then(|title| title.split('.').next())
        {
            chapter += 1;
            assert_eq!(number, chapter.to_string(), "{line}");
            expected = (chapter, 1);
        }
        if line.starts_with("- **") {
            assert_eq!(found.next(), Some(expected), "{line}");
            expected.1 += 1;
        }
    }
    assert_eq!(found.peek(), None);
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page() -> String {
    fs::read_to_string(workspace().join("docs/calico.md")).expect("the page")
}

fn promises() -> Vec<Promise> {
    let page = page();
    let items = page.lines().filter_map(|line| line.strip_prefix("- **"));
    items
        .map(|item| {
            let number = item.split("**").next().and_then(parse);
            number.unwrap_or_else(|| panic!("no number: {item}"))
        })
        .collect()
}

fn parse(text: &str) -> Option<Promise> {
    let (chapter, number) = text.trim().split_once('.')?;
    Some((chapter.parse().ok()?, number.parse().ok()?))
}

/// What each test names, with the place where it does.
fn tests() -> Vec<(Promise, String)> {
    let mut files = Vec::new();
    for root in [
        "bgp-core/src",
        "bgp-core/tests",
        "bgp-speaker/src",
        "bgp-speaker/tests",
        "bgp-daemon/src",
        "bgp-daemon/tests",
    ] {
        collect(&workspace().join(root), &mut files);
    }
    files.iter().flat_map(|file| named_in(file)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn named_in(file: &Path) -> Vec<(Promise, String)> {
    let text = fs::read_to_string(file).expect("a source file");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut named = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let comment = line.strip_prefix("/// Promise");
        let Some(numbers) = comment.map(|rest| rest.trim_start_matches('s')) else {
            continue;
        };
        let place = format!("{}:{}", file.display(), index + 1);
        assert!(
            is_test(&lines[index..]),
            "{place} is not the documentation of a test"
        );
        for number in numbers.trim_end_matches('.').split(',') {
            let promise = parse(number).unwrap_or_else(|| panic!("{place}: {number:?}"));
            named.push((promise, place.clone()));
        }
    }
    named
}

/// Whether documentation and attributes that begin here are those of a test.
fn is_test(lines: &[&str]) -> bool {
    lines
        .iter()
        .take_while(|line| line.starts_with("///") || line.starts_with("#["))
        .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}
