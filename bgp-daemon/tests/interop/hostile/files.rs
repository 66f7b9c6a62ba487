//! Irregular files in the folder of resources, and files that are still being written.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use super::*;
use crate::lab::route_watch::RouteWatch;
use crate::scenario::KERNEL_PROTOCOL;

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

/// A cut between two documents cannot be seen: what the file loses waits.
#[test]
fn a_file_that_is_cut_between_documents() {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    let block = |number: u32| {
        format!(
            "apiVersion: projectcalico.org/v3\nkind: BlockAffinity\nmetadata: {{name: block{number}}}\n\
             spec: {{node: node1, cidr: 10.244.{number}.0/26, state: confirmed, deleted: \"false\"}}\n"
        )
    };
    let (first, both) = (block(71), block(71) + "---\n" + &block(72));
    let last = prefix("10.244.72.0/26");
    siege.stage.cluster.put("blocks", &both);
    wait_for("the blocks", SHORT, || has(&*siege.tor, last));
    wait_for("the blackhole", SHORT, || {
        siege
            .stage
            .node_host
            .blackholes(KERNEL_PROTOCOL)
            .contains(&last)
    });
    let watch = RouteWatch::start(&siege.stage.node_host);
    let file = folder(&siege).join("blocks.yaml");
    fs::write(&file, first).expect("a part of it");
    // As long as somebody may take: shorter than the quiet time.
    thread::sleep(Duration::from_secs(1));
    fs::write(&file, both).expect("all of it");
    siege.withstand();
    assert!(
        !watch.finish().removed(last),
        "the block was gone for a while"
    );
    assert!(has(&*siege.tor, last));
}

/// Times that no clock can tell.
#[test]
fn durations_without_end() {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    for time in ["2562047h", "9999999h", "0s"] {
        let annotations = [
            "hold-time",
            "connect-retry-time",
            "long-lived-stale-time",
            "max-prefixes",
        ];
        let annotations = annotations.map(|name| (name, time));
        siege
            .stage
            .peering_with(&siege.mallory, MALLORY_AS, &annotations, &[]);
        // No number of prefixes, at least.
        wait_problem(&siege, time);
        siege.withstand();
    }
}
