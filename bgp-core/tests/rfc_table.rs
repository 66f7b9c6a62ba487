//! Compares `RFC.md` with the tests. A test names its requirements in its doc comment; the table names the tests of each
//! requirement. Any contradiction is a failure.

use std::fs;
use std::path::Path;

/// A line of the table.
#[derive(Debug)]
struct Row {
    id: String,
    /// `file::function`, relative to this crate.
    tests: Vec<String>,
    left_out: bool,
}

/// A test function and the requirements that its doc comment names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Test {
    place: String,
    ids: Vec<String>,
}

fn rows(table: &str) -> Vec<Row> {
    let cells = |line: &str| -> Vec<String> { line.split('|').map(|c| c.trim().into()).collect() };
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| R"))
        .map(cells);
    rows.map(|cells| {
        let [_, id, _, proof, ..] = &cells[..] else {
            panic!("three cells in {cells:?}");
        };
        let quoted = proof.split('`').skip(1).step_by(2);
        let tests = quoted.filter(|quoted| quoted.contains("::"));
        Row {
            id: id.clone(),
            tests: tests.map(str::to_owned).collect(),
            left_out: proof.contains("Left out:"),
        }
    })
    .collect()
}

/// The tests in a source file.
fn tests_in(path: &str, source: &str) -> Vec<Test> {
    let mut tests = Vec::new();
    let (mut ids, mut is_test) = (Vec::new(), false);
    for line in source.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            ids.extend(ids_in(comment));
        } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(name) = function(line).filter(|_| is_test) {
            let (place, ids) = (format!("{path}::{name}"), std::mem::take(&mut ids));
            tests.push(Test { place, ids });
            is_test = false;
        } else if line.is_empty() || function(line).is_some() {
            ids.clear();
            is_test = false;
        }
    }
    tests
}

fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")?.split('(').next()
}

fn ids_in(comment: &str) -> impl Iterator<Item = String> {
    let words = comment.split(|c: char| !(c.is_ascii_alphanumeric() || ".-".contains(c)));
    let words = words.map(|word| word.trim_end_matches(['.', '-']));
    words.filter(|word| is_id(word)).map(str::to_owned)
}

/// As `R4271-6.2-01` or `RP-01`.
fn is_id(word: &str) -> bool {
    let Some((document, place)) = word.strip_prefix('R').and_then(|word| word.split_once('-'))
    else {
        return false;
    };
    let is_rfc = document.len() == 4 && document.bytes().all(|c| c.is_ascii_digit());
    (is_rfc || document == "P") && !place.is_empty()
}

/// What table and tests do not bear out of each other; `find` reads a file that is named in the table.
fn faults(rows: &[Row], tests: &[Test], find: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let id = &row.id;
        if rows[..place].iter().any(|earlier| earlier.id == *id) {
            faults.push(format!("{id} stands in the table twice"));
        }
        if row.tests.is_empty() && !row.left_out {
            faults.push(format!(
                "{id} has neither a test nor a reason to be left out"
            ));
        }
        let named = row
            .tests
            .iter()
            .filter_map(|test| fault_of(id, test, tests, &find));
        faults.extend(named);
    }
    for test in tests {
        for id in &test.ids {
            let row = rows.iter().find(|row| row.id == *id);
            match row {
                None => faults.push(format!(
                    "{id} is named by {} and not in the table",
                    test.place
                )),
                Some(row) if row.tests.is_empty() => {
                    faults.push(format!(
                        "{id} is named by {} and left out in the table",
                        test.place
                    ));
                }
                Some(_) => {}
            }
        }
    }
    faults
}

/// What is wrong with a test that the table names for a requirement. Tests of other crates need not name it.
fn fault_of(
    id: &str,
    place: &str,
    tests: &[Test],
    find: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let known = tests.iter().find(|test| test.place == place);
    if let Some(test) = known {
        let names = test.ids.iter().any(|named| named == id);
        return (!names).then(|| format!("{id} is not named in the doc comment of {place}"));
    }
    let path = place.split("::").next().unwrap_or_default();
    let elsewhere = find(path).map(|source| tests_in(path, &source));
    let exists = elsewhere.is_some_and(|tests| tests.iter().any(|test| test.place == place));
    (!exists).then(|| format!("{id} has the test {place}, which does not exist"))
}

/// All tests below a folder of this crate.
fn tests_below(folder: &str) -> Vec<Test> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(root.join(folder))
        .expect("a folder of this crate")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a plain name");
        let below = format!("{folder}/{name}");
        if path.is_dir() {
            tests.extend(tests_below(&below));
        } else if name.ends_with(".rs") {
            let source = fs::read_to_string(&path).expect("a readable file");
            tests.extend(tests_in(&below, &source));
        }
    }
    tests
}

#[test]
fn the_table_of_requirements_and_the_tests_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("RFC.md")).expect("the table");
    let rows = rows(&table);
    let tests = [tests_below("src"), tests_below("tests")].concat();
    assert!(
        rows.len() > 200 && tests.len() > 200,
        "{} {}",
        rows.len(),
        tests.len()
    );
    let faults = faults(&rows, &tests, |path| {
        fs::read_to_string(root.join(path)).ok()
    });
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The comparison finds what it is there to find.
#[test]
fn each_disagreement_is_told() {
    let table = "\
        | R1000-1-01 | good | `tests/a.rs::one`, `../other/tests/b.rs::far` |\n\
        | R1000-1-02 | not named | `tests/a.rs::one` |\n\
        | R1000-1-03 | not there | `tests/a.rs::none`, `../other/tests/b.rs::none` |\n\
        | R1000-1-04 | empty | |\n\
        | R1000-1-05 | left out | Left out: no need |\n\
        | RP-01 | in part | `tests/a.rs::one`. Left out: the rest |\n\
        | RP-01 | again | Left out: all |\n";
    let source = [
        "/// R1000-1-01, RP-01.",
        "#[test]",
        "#[ignore]",
        "fn one() {}",
        "",
        "/// R1000-1-01",
        "fn no_test() {}",
        "",
        "/// R1000-1-05: but still, and R1000-1-06",
        "#[tokio::test]",
        "async fn two() {}",
    ];
    let tests = tests_in("tests/a.rs", &source.join("\n"));
    let find =
        |path: &str| (path == "../other/tests/b.rs").then(|| "#[test]\nfn far() {}".to_owned());
    let expected = [
        "R1000-1-02 is not named in the doc comment of tests/a.rs::one",
        "R1000-1-03 has the test tests/a.rs::none, which does not exist",
        "R1000-1-03 has the test ../other/tests/b.rs::none, which does not exist",
        "R1000-1-04 has neither a test nor a reason to be left out",
        "RP-01 stands in the table twice",
        "R1000-1-05 is named by tests/a.rs::two and left out in the table",
        "R1000-1-06 is named by tests/a.rs::two and not in the table",
    ];
    assert_eq!(faults(&rows(table), &tests, find), expected);
}
