use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::datastore::folder_store::{Access, FolderStore};
use crate::datastore::store::Store;
use crate::resources::{Kind, ObjectKey};

/// Only there so that a broken test ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// Long periods: what is seen is seen by inotify.
const BY_EVENTS: Timing = Timing {
    quiet: Duration::from_millis(20),
    settle: Duration::from_millis(200),
    pause: Duration::from_millis(5),
    loss: Duration::from_millis(100),
    patience: PATIENCE,
    watched: Duration::from_secs(3600),
    unwatched: Duration::from_secs(3600),
};

/// Short periods: what inotify does not see is seen too.
const BY_CLOCK: Timing = Timing {
    watched: Duration::from_millis(20),
    unwatched: Duration::from_millis(20),
    ..BY_EVENTS
};

fn peer(name: &str) -> String {
    format!(
        "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {{name: {name}}}\n\
         spec: {{peerIP: 192.0.2.1, asNumber: 65001}}\n"
    )
}

fn write(path: impl AsRef<Path>, text: &str) {
    fs::write(path, text).expect("a file");
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("peers")).expect("a folder");
    write(folder.path().join("peers/a.yaml"), &peer("a"));
    folder
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    snapshot
        .set
        .bgp_peers()
        .map(|peer| peer.metadata.name.clone())
        .collect()
}

/// Waits for a snapshot that has exactly these peers.
async fn see(receiver: &mut watch::Receiver<Snapshot>, expected: &[&str]) -> Snapshot {
    let seen = receiver.wait_for(|snapshot| names(snapshot) == expected);
    match timeout(PATIENCE, seen).await {
        Ok(seen) => Arc::clone(&seen.expect("the source lives")),
        Err(_) => panic!("{expected:?} was not seen"),
    }
}

async fn see_problem(receiver: &mut watch::Receiver<Snapshot>, part: &str) -> Snapshot {
    let has = |snapshot: &Snapshot| {
        let problems = &snapshot.problems;
        problems.iter().any(|problem| problem.reason.contains(part))
    };
    let seen = receiver.wait_for(has);
    match timeout(PATIENCE, seen).await {
        Ok(seen) => Arc::clone(&seen.expect("the source lives")),
        Err(_) => panic!("no problem with {part:?} was seen"),
    }
}

/// Promise 1.12.
#[tokio::test]
async fn files_come_change_and_go() {
    let folder = folder();
    let path = folder.path().join("peers");
    let mut receiver = watch_with(&path, BY_EVENTS, &Tasks::default())
        .await
        .expect("a folder");
    assert_eq!(names(&receiver.borrow()), ["a"]);
    write(path.join("b.yaml"), &peer("b"));
    see(&mut receiver, &["a", "b"]).await;
    write(path.join("b.yaml"), &peer("c"));
    see(&mut receiver, &["a", "c"]).await;
    write(path.join(".new"), &peer("d"));
    fs::rename(path.join(".new"), path.join("a.yaml")).expect("an atomic save");
    see(&mut receiver, &["c", "d"]).await;
    fs::remove_file(path.join("b.yaml")).expect("a file");
    see(&mut receiver, &["d"]).await;
    fs::create_dir(path.join("more")).expect("a folder");
    write(path.join("more/e.yaml"), &peer("e"));
    see(&mut receiver, &["d", "e"]).await;
}

/// Promise 1.12.
#[tokio::test]
async fn folders_and_files_are_moved_in_and_out() {
    let folder = folder();
    let path = folder.path().join("peers");
    let mut receiver = watch_with(&path, BY_EVENTS, &Tasks::default())
        .await
        .expect("a folder");
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).expect("a folder");
    write(outside.join("b.yaml"), &peer("b"));
    fs::rename(&outside, path.join("more")).expect("a rename");
    see(&mut receiver, &["a", "b"]).await;
    write(path.join("more/c.yaml"), &peer("c"));
    see(&mut receiver, &["a", "b", "c"]).await;
    fs::rename(path.join("more/c.yaml"), path.join("c.yaml")).expect("a rename");
    fs::rename(path.join("more"), &outside).expect("a rename");
    see(&mut receiver, &["a", "c"]).await;
    fs::rename(path.join("c.yaml"), path.join("c.old")).expect("a rename");
    see(&mut receiver, &["a"]).await;
    fs::rename(path.join("c.old"), path.join("c.yaml")).expect("a rename");
    see(&mut receiver, &["a", "c"]).await;
}

/// A save that moves the old file aside, as editors do it, never looks as if the objects had gone.
#[tokio::test]
async fn a_file_that_is_moved_aside_and_written_again_loses_nothing() {
    let folder = folder();
    let path = folder.path().join("peers");
    // What is not finished is not read in this test.
    let timing = Timing {
        quiet: PATIENCE,
        settle: 2 * PATIENCE,
        ..BY_EVENTS
    };
    let mut receiver = watch_with(&path, timing, &Tasks::default())
        .await
        .expect("a folder");
    for name in ["b", "c", "d"] {
        fs::rename(path.join("a.yaml"), path.join("a.yaml~")).expect("a rename");
        let text = peer("a") + "---\n" + &peer(name);
        write(path.join("a.yaml"), &text);
        let seen = receiver.wait_for(|snapshot| {
            let names = names(snapshot);
            assert!(names.contains(&"a".to_owned()), "{names:?}");
            names.contains(&name.to_owned())
        });
        timeout(PATIENCE, seen)
            .await
            .expect("in time")
            .expect("alive");
    }
}

/// Promise 1.12.
#[tokio::test]
async fn what_means_the_same_is_not_sent() {
    let folder = folder();
    let path = folder.path().join("peers");
    let mut receiver = watch_with(&path, BY_EVENTS, &Tasks::default())
        .await
        .expect("a folder");
    receiver.mark_unchanged();
    write(path.join("a.yaml"), &format!("# a comment\n{}", peer("a")));
    write(path.join("notes.txt"), "no document");
    write(path.join("b.yaml"), &peer("b"));
    timeout(PATIENCE, receiver.changed())
        .await
        .expect("in time")
        .expect("alive");
    assert_eq!(
        names(&receiver.borrow_and_update()),
        ["a", "b"],
        "the first thing to be sent"
    );
}

/// Promise 1.7.
#[tokio::test]
async fn a_bad_file_is_a_problem_of_its_own() {
    let folder = folder();
    let path = folder.path().join("peers");
    let mut receiver = watch_with(&path, BY_EVENTS, &Tasks::default())
        .await
        .expect("a folder");
    write(
        path.join("b.yaml"),
        &peer("b").replace("192.0.2.1", "nowhere"),
    );
    let snapshot = see_problem(&mut receiver, "nowhere").await;
    assert_eq!(names(&snapshot), ["a"]);
}

#[tokio::test]
async fn a_single_file_is_followed_through_saves() {
    let folder = folder();
    let path = folder.path().join("peers/a.yaml");
    let mut receiver = watch_with(&path, BY_EVENTS, &Tasks::default())
        .await
        .expect("a file");
    write(folder.path().join("peers/other.yaml"), &peer("other"));
    write(&path, &peer("b"));
    see(&mut receiver, &["b"]).await;
    let saved = folder.path().join("saved");
    write(&saved, &peer("c"));
    fs::rename(saved, &path).expect("an atomic save");
    see(&mut receiver, &["c"]).await;
    write(&path, &peer("d"));
    see(&mut receiver, &["d"]).await;
}

/// As the kubelet does it: files are links into `..data`, which is a link to a folder, and is replaced by a rename.
#[tokio::test]
async fn a_mounted_config_map_is_followed_through_swaps() {
    let mount = tempfile::tempdir().expect("a folder");
    let generation = |number: u32| mount.path().join(format!("..{number}"));
    let swap = |number: u32, text: &str| {
        fs::create_dir(generation(number)).expect("a folder");
        write(generation(number).join("a.yaml"), text);
        symlink(format!("..{number}"), mount.path().join("..data_tmp")).expect("a link");
        fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).expect("a swap");
        if number > 1 {
            fs::remove_dir_all(generation(number - 1)).expect("a folder");
        }
    };
    swap(1, &peer("a"));
    symlink("..data/a.yaml", mount.path().join("a.yaml")).expect("a link");
    let mut whole = watch_with(mount.path(), BY_EVENTS, &Tasks::default())
        .await
        .expect("a folder");
    let file = mount.path().join("a.yaml");
    let mut single = watch_with(&file, BY_EVENTS, &Tasks::default())
        .await
        .expect("a file");
    for receiver in [&mut whole, &mut single] {
        assert_eq!(names(&receiver.borrow()), ["a"]);
    }
    for (number, name) in [(2, "b"), (3, "c")] {
        swap(number, &peer(name));
        see(&mut whole, &[name]).await;
        see(&mut single, &[name]).await;
    }
}

/// Promise 1.13.
#[tokio::test]
async fn a_folder_that_is_gone_leaves_its_last_state() {
    let folder = folder();
    let path = folder.path().join("peers");
    let mut receiver = watch_with(&path, BY_EVENTS, &Tasks::default())
        .await
        .expect("a folder");
    let away = folder.path().join("away");
    fs::rename(&path, &away).expect("a rename");
    let snapshot = see_problem(&mut receiver, "the last state of its resources is kept").await;
    assert_eq!(names(&snapshot), ["a"]);
    write(away.join("b.yaml"), &peer("b"));
    fs::rename(&away, &path).expect("a rename");
    let snapshot = see(&mut receiver, &["a", "b"]).await;
    assert_eq!(snapshot.problems, []);
    write(path.join("c.yaml"), &peer("c"));
    see(&mut receiver, &["a", "b", "c"]).await;
}

#[tokio::test]
async fn what_cannot_be_watched_is_read_periodically() {
    let folder = folder();
    let path = folder.path().join("peers");
    let mut receiver = watch_with(&path, BY_CLOCK, &Tasks::default())
        .await
        .expect("a folder");
    fs::remove_dir_all(folder.path()).expect("no folder, and nothing above it to watch");
    see_problem(&mut receiver, "the last state of its resources is kept").await;
    fs::create_dir_all(&path).expect("a folder");
    write(path.join("b.yaml"), &peer("b"));
    see(&mut receiver, &["b"]).await;
}

#[tokio::test]
async fn a_link_to_a_file_elsewhere_is_read_periodically() {
    let folder = folder();
    let elsewhere = tempfile::tempdir().expect("a folder");
    write(elsewhere.path().join("b.yaml"), &peer("b"));
    let path = folder.path().join("peers");
    symlink(elsewhere.path().join("b.yaml"), path.join("b.yaml")).expect("a link");
    let mut receiver = watch_with(&path, BY_CLOCK, &Tasks::default())
        .await
        .expect("a folder");
    assert_eq!(names(&receiver.borrow()), ["a", "b"]);
    write(elsewhere.path().join("b.yaml"), &peer("c"));
    see(&mut receiver, &["a", "c"]).await;
}

/// Promise 18.3.
#[tokio::test]
async fn a_path_that_is_not_there_at_the_start_is_waited_for() {
    let folder = folder();
    let path = folder.path().join("not/yet");
    let tasks = Tasks::default();
    let watched = watch_with(&path, BY_EVENTS, &tasks);
    tokio::pin!(watched);
    let waits = timeout(Duration::from_millis(50), &mut watched).await;
    assert!(waits.is_err(), "there is nothing to read");
    fs::create_dir_all(&path).expect("a folder");
    write(path.join("b.yaml"), &peer("b"));
    let mut receiver = timeout(PATIENCE, watched)
        .await
        .expect("in time")
        .expect("a path");
    see(&mut receiver, &["b"]).await;
}

/// Promise 18.6.
#[tokio::test]
async fn renames_and_removals_by_commands_do_not_wait() {
    let folder = folder();
    let path = folder.path().join("peers");
    let timing = Timing {
        loss: Duration::from_secs(3600),
        ..BY_EVENTS
    };
    let mut receiver = watch_with(&path, timing, &Tasks::default())
        .await
        .expect("a folder");
    write(folder.path().join("new"), &peer("b"));
    fs::rename(folder.path().join("new"), path.join("a.yaml")).expect("an atomic save");
    see(&mut receiver, &["b"]).await;
    let mut store = FolderStore::open(&path, Access::Write).expect("a folder");
    let key = ObjectKey::cluster(Kind::BgpPeer, "b");
    store.delete(&key, None).expect("it is there");
    see(&mut receiver, &[]).await;
    write(path.join("c.yaml"), &(peer("c") + "---\n" + &peer("d")));
    see(&mut receiver, &["c", "d"]).await;
    write(path.join("c.yaml"), &(peer("c") + "---\n" + &peer("e")));
    see(&mut receiver, &["c", "d", "e"]).await;
}

/// Promise 18.7.
#[tokio::test]
async fn a_fifo_is_a_problem_and_later_changes_take_effect() {
    let folder = folder();
    let path = folder.path().join("peers");
    let mut receiver = watch_with(&path, BY_EVENTS, &Tasks::default())
        .await
        .expect("a folder");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, path.join("x.yaml"), kind, mode, 0).expect("a FIFO");
    see_problem(&mut receiver, "is a FIFO, not a regular file").await;
    write(path.join("b.yaml"), &peer("b"));
    see(&mut receiver, &["a", "b"]).await;
    fs::remove_file(path.join("x.yaml")).expect("a FIFO");
    let gone = receiver.wait_for(|snapshot| snapshot.problems.is_empty());
    timeout(PATIENCE, gone)
        .await
        .expect("in time")
        .expect("alive");
}
