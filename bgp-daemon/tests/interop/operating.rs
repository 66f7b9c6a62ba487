//! Compares `docs/operating.md` with a run of the demo with its faults: each command on the page was run, and had this output.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::lab::peer::lab_for;

/// The indented blocks of the page: a command, and its output.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in page.lines() {
        let last = blocks.last_mut().expect("there is one");
        match line.strip_prefix("    ") {
            Some(line) if line.starts_with("$ ") => blocks.push(format!("{line}\n")),
            Some(line) => *last += &format!("{line}\n"),
            // An empty line may be within a block, or end one.
            None if line.is_empty() => *last += "\n",
            None => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| block.starts_with("$ "));
    blocks
}

/// The same text with its instants, durations and numbers of tries replaced: these differ from run to run.
fn without_times(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let masked = words.iter().enumerate().map(|(at, word)| {
        let digits = word.trim_start_matches('(');
        let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
        let is_counted = matches!(words.get(at + 1), Some(&("s" | "in")));
        match word.split_once('Z') {
            Some((instant, rest)) if instant.starts_with("20") => format!("TIME{rest}"),
            _ if is_number && is_counted => "N".to_owned(),
            _ => (*word).to_owned(),
        }
    });
    masked.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_page_tells_what_the_demo_shows() {
    // Root, or as good as root.
    let Some(_lab) = lab_for(&[]) else {
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/operating.md")).expect("the page is there");
    let run = Command::new("unshare")
        .args(["--net", "sh", "-c", "exec scripts/demo 2>&1"])
        .current_dir(&root)
        .env("DEMO_INSIDE", "1")
        .env("DEMO_DAEMON", env!("CARGO_BIN_EXE_bgp-daemon"))
        .env("FAULTS", "1")
        .output()
        .expect("unshare starts");
    let shown = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{shown}");
    let shown = without_times(&shown);
    let told = blocks(&page);
    assert!(told.len() >= 8, "{told:#?}");
    for block in told {
        let block = without_times(block.trim());
        assert!(
            shown.contains(&block),
            "not shown so by the demo:\n{block}\n\nbut:\n{shown}"
        );
    }
}

/// From the program alone, in a folder that is not the project's.
#[test]
fn an_installed_program_shows_the_demo() {
    let Some(_lab) = lab_for(&[]) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let run = Command::new(env!("CARGO_BIN_EXE_bgp-daemon"))
        .args(["init", "--demo"])
        .current_dir(folder.path())
        .env("TMPDIR", folder.path())
        .env("BGP_DAEMON_NO_KERNEL", "1")
        .output()
        .expect("the program starts");
    let shown = String::from_utf8_lossy(&run.stdout);
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{shown}\n{errors}");
    assert_eq!(shown.matches("Established").count(), 2, "{shown}");
    let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}
