//! Cycles are found in crates made for the purpose, without false positives.

use std::fs;
use std::path::Path;

use workspace_checks::{Crate, circles};

/// The circles of a crate of these files, each as the imports between its files.
fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().expect("it is in the folder")).expect("a folder");
        fs::write(file, text).expect("a file");
    }
    let read = Crate::read(&folder.path().join("lib.rs")).expect("a crate");
    let short = |file: &Path| {
        let file = file.strip_prefix(folder.path()).expect("it is inside");
        file.display().to_string()
    };
    circles(&read.imports())
        .iter()
        .map(|circle| {
            let line = |import: &workspace_checks::Import| {
                let names: Vec<&str> = import.names.iter().map(String::as_str).collect();
                let names = names.join(", ");
                format!("{} -> {}: {names}", short(&import.from), short(&import.to))
            };
            circle.iter().map(line).collect()
        })
        .collect()
}

#[test]
fn two_files_that_import_each_other() {
    let circles = circles_of(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use super::b::{self, B as Other}; pub struct A;"),
        ("b.rs", "pub struct B(crate::a::A);"),
        ("c.rs", "use crate::{a::A, b::{B}};"),
    ]);
    assert_eq!(
        circles,
        [["a.rs -> b.rs: B, b", "b.rs -> a.rs: A"]],
        "c imports both, and nobody imports c"
    );
}

#[test]
fn a_circle_of_three_through_re_exports_and_braces() {
    let circles = circles_of(&[
        ("lib.rs", "pub mod low; pub mod high; pub use low::Low;"),
        (
            "low/mod.rs",
            "mod one; mod two; pub use {one::One, two::*}; pub struct Low;",
        ),
        ("low/one.rs", "use super::Two; pub struct One;"),
        ("low/two.rs", "use crate::high::High; pub struct Two;"),
        (
            "high.rs",
            "fn f() { let x: Vec<crate::low::One> = vec![]; } pub struct High;",
        ),
    ]);
    assert_eq!(
        circles,
        [[
            "high.rs -> low/one.rs: One",
            "low/one.rs -> low/two.rs: Two",
            "low/two.rs -> high.rs: High"
        ]]
    );
}

#[test]
fn a_child_that_imports_its_parent() {
    let circles = circles_of(&[
        ("lib.rs", "mod a;"),
        ("a.rs", "mod child; pub struct A;"),
        ("a/child.rs", "fn f(_: super::A) {}"),
    ]);
    assert_eq!(
        circles,
        [["a/child.rs -> a.rs: A", "a.rs -> a/child.rs: mod child"]]
    );
}

#[test]
fn a_type_whose_methods_are_elsewhere() {
    let circles = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub struct A; impl A { fn f(&self) { self.g(); } }"),
        (
            "b.rs",
            "use crate::a::A; impl<'a> A where A: Sized { pub fn g(&self) {} }",
        ),
    ]);
    assert_eq!(circles, [["a.rs -> b.rs: A::g", "b.rs -> a.rs: A"]]);
}

#[test]
fn a_file_with_a_path_of_its_own() {
    let circles = circles_of(&[
        ("lib.rs", "#[path = \"deep/file.rs\"] mod a; mod b;"),
        ("deep/file.rs", "use crate::b::B; pub struct A;"),
        (
            "b.rs",
            "macro_rules! m { () => { $crate::a::A } } pub struct B;",
        ),
    ]);
    assert_eq!(
        circles,
        [["b.rs -> deep/file.rs: A", "deep/file.rs -> b.rs: B"]]
    );
}

#[test]
fn tests_comments_and_trait_methods_are_no_imports() {
    let circles = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "//! See [`crate::b::B`].
             pub struct A; pub(in crate::a) fn f() {}
             impl A { fn f(&self) { self.g(); } }
             #[cfg(test)] use crate::b::B;
             #[cfg(test)] mod tests { use crate::b::B; fn f() { crate::b::g(); } }",
        ),
        (
            "b.rs",
            "use super::a::A; pub struct B; pub trait G { fn g(&self); } impl G for A { fn g(&self) {} }",
        ),
    ]);
    assert_eq!(circles, Vec::<Vec<String>>::new());
}

#[test]
fn a_module_within_a_file_is_that_file() {
    let circles = circles_of(&[(
        "lib.rs",
        "pub struct A; mod inner { use super::A; pub struct B; } use inner::B;",
    )]);
    assert_eq!(circles, Vec::<Vec<String>>::new());
}

#[test]
fn a_module_without_a_file_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("lib.rs");
    fs::write(&root, "mod missing;").expect("a file");
    let error = Crate::read(&root).expect_err("there is no such file");
    assert!(error.to_string().contains("missing/mod.rs"), "{error}");
}
