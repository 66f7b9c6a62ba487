//! The examples run, and are short.

use std::fs;
use std::path::Path;

#[path = "../examples/origin_validation.rs"]
mod origin_validation;
#[path = "../examples/private_attribute.rs"]
mod private_attribute;
#[test]
fn origin_validation_runs() {
    origin_validation::main();
}

#[test]
fn private_attribute_runs() {
    private_attribute::main();
}

#[test]
fn each_is_short() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for example in fs::read_dir(folder).expect("the folder of the examples") {
        assert_short(&example.expect("an example").path());
    }
}

/// At most 60 lines beside `use` and empty ones.
fn assert_short(example: &Path) {
    let text = fs::read_to_string(example).expect("the example");
    let counts = |line: &&str| !line.is_empty() && !line.starts_with("use ");
    let lines = text.lines().filter(counts).count();
    assert!(lines <= 60, "{} has {lines} lines", example.display());
}
