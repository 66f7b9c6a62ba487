//! Files in the folder of resources that are none, and some that somebody is in the middle of writing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use super::*;

fn folder(siege: &Siege) -> PathBuf {
    siege.stage.cluster.directory().to_owned()
}

fn wait_problem(siege: &Siege, words: &str) {
    wait_for(&format!("a problem with {words:?}"), SHORT, || {
        let status = siege.stage.node.print(&["node", "status", "-o", "json"]);
        status.contains(words)
    });
}

#[test]
fn files_that_are_none() {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    let folder = folder(&siege);
    let made = Command::new("mkfifo").arg(folder.join("x.yaml")).status();
    assert!(made.is_ok_and(|status| status.success()));
    symlink("/dev/zero", folder.join("y.yaml")).expect("a link");
    symlink(&folder, folder.join("z")).expect("a link");
    fs::write(folder.join("large.yaml"), vec![b'a'; 50 << 20]).expect("a file");
    wait_problem(&siege, "x.yaml");
    wait_problem(&siege, "y.yaml");
    wait_problem(&siege, "large.yaml");
    siege.withstand();
    let status = siege.stage.node.terminate();
    assert!(status.success(), "{status}");
}

/// Whoever writes a file in two steps, or cuts one, ends no session and withdraws nothing.
#[test]
fn files_that_are_being_written() {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    let folder = folder(&siege);
    let entries = fs::read_dir(&folder).expect("a folder").flatten();
    for path in entries.map(|entry| entry.path()) {
        let text = fs::read_to_string(&path).expect("a file");
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        fs::write(&path, &text[..text.len() / 2]).expect("half of it");
        // As long as somebody may take: shorter than the quiet time.
        thread::sleep(Duration::from_secs(1));
        fs::write(&path, &text).expect("all of it");
    }
    siege.withstand();
    for path in fs::read_dir(&folder)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.path())
    {
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let text = fs::read_to_string(&path).expect("a file");
            fs::write(&path, "").expect("an empty file");
            wait_problem(&siege, &path.file_name().expect("a name").to_string_lossy());
            siege.withstand();
            fs::write(&path, text).expect("all of it");
        }
    }
}
