//! `scripts/release-check --papers`, on a copy of the project.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::stderr;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn git(folder: &Path, arguments: &[&str]) {
    let author = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
    let run = Command::new("git")
        .current_dir(folder)
        .args(author)
        .args(arguments)
        .output()
        .expect("git starts");
    assert!(run.status.success(), "{arguments:?}: {}", stderr(&run));
}

#[test]
fn versions_changelog_and_tag_are_checked() {
    if !Path::new(ROOT).join(".git").exists() {
        println!("SKIPPED: releasing: this is no clone of the project");
        return;
    }
    let version = env!("CARGO_PKG_VERSION");
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy");
    let to = copy.display().to_string();
    git(
        Path::new(ROOT),
        &["clone", "--quiet", "--local", "--no-tags", ".", &to],
    );
    let script = Path::new(ROOT).join("scripts/release-check");
    fs::copy(script, copy.join("scripts/release-check")).expect("a script");
    let changelog = copy.join("CHANGELOG.md");
    let text = fs::read_to_string(&changelog).expect("a changelog");
    let (before, after) = text.split_once("\n## ").expect("a heading");
    let (_, after) = after.split_once('\n').expect("a text");
    let released = format!("{before}\n## {version} (2026-12-31)\n{after}");
    fs::write(&changelog, released).expect("a changelog");
    git(&copy, &["commit", "--quiet", "--all", "-m", "Release"]);
    let check = |version: &str| {
        let run = Command::new("scripts/release-check")
            .args([version, "--papers"])
            .current_dir(&copy)
            .output()
            .expect("the script starts");
        (run.status.code(), stderr(&run))
    };
    assert_eq!(check(version), (Some(0), String::new()));
    assert_eq!(check("soon").0, Some(2));

    let (code, said) = check("99.0.0");
    assert_eq!(code, Some(1));
    for place in ["crate bgp-core", "Cargo.toml", "Chart.yaml", "CHANGELOG.md"] {
        assert!(said.contains(place), "{place}: {said}");
    }
    fs::write(copy.join("left"), "").expect("a file");
    let (code, said) = check(version);
    assert_eq!(code, Some(1));
    assert!(said.contains("not committed"), "{said}");
    fs::remove_file(copy.join("left")).expect("a file");
    git(&copy, &["tag", "v98.0.0", "HEAD~1"]);
    let (code, said) = check(version);
    assert_eq!(code, Some(1));
    assert!(said.contains("the last release is v98.0.0"), "{said}");
    git(&copy, &["tag", &format!("v{version}"), "HEAD~1"]);
    let (_, said) = check(version);
    assert!(said.contains("is another commit"), "{said}");
}
