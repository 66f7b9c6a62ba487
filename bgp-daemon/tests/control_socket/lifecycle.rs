//! The socket file: it is created, respects others, and is removed.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use bgp_core::types::Family;
use bgp_daemon::control::limits::Limits;
use bgp_daemon::control::request::Answer;
use bgp_daemon::control::server::{BindError, Server};
use bgp_daemon::privileges::Group;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::fixtures::answer;
use crate::peer::{Client, Fixture};

const V4: Family = Family::Ipv4Unicast;

/// Promise 12.1.
#[tokio::test]
async fn the_file_is_there_for_as_long_as_it_is_served() {
    let node = Fixture::start(V4, Limits::default(), answer);
    let mode = std::fs::metadata(&node.path)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let idle = node.client().await;
    let mut busy = node.client().await;
    busy.send(b"show status\nshow st").await;
    busy.reply().await;
    node.shutdown.cancel();
    node.server.await.expect("no panic");
    assert!(!node.path.exists());
    assert_eq!(idle.closed().await, "");
    assert_eq!(busy.closed().await, "");
}

/// What can be seen of a socket while it is made.
#[tokio::test]
async fn no_socket_ever_has_another_mode() {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("bird.ctl");
    let group = std::fs::metadata(path.with_file_name("."))
        .expect("it")
        .gid();
    let (done, watched) = (CancellationToken::new(), path.clone());
    let end = done.clone();
    let watcher = std::thread::spawn(move || {
        let mut seen = std::collections::BTreeSet::new();
        while !end.is_cancelled() {
            seen.extend(
                std::fs::metadata(&watched)
                    .map(|file| file.mode() & 0o777)
                    .ok(),
            );
        }
        seen
    });
    for _ in 0..500 {
        let (requests, _questions) = mpsc::channel(1);
        let server = Server::bind(&path, Some(Group(group)), V4, requests).expect("a socket");
        let file = std::fs::metadata(&path).expect("a file");
        assert_eq!((file.mode() & 0o777, file.gid()), (0o660, group));
        drop(server);
    }
    done.cancel();
    let seen = watcher.join().expect("no panic");
    assert!(seen.is_empty() || seen == [0o660].into(), "{seen:?}");
    // Nothing is left of the making.
    let left = std::fs::read_dir(directory.path()).expect("a directory");
    assert_eq!(left.count(), 0);
}

/// Promise 12.1.
#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("bird.ctl");
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists(), "nobody removed it");
    let (requests, _questions) = mpsc::channel(1);
    Server::bind(&path, None, V4, requests).expect("a new socket");
}

/// Promise 12.1.
#[tokio::test]
async fn a_socket_that_is_served_is_left_alone() {
    let node = Fixture::start(V4, Limits::default(), answer);
    let (requests, _questions) = mpsc::channel(1);
    let error = Server::bind(&node.path, None, V4, requests).expect_err("it is served");
    assert!(matches!(error, BindError::Served(_)), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!(
            "control socket {} is served by another process",
            node.path.display()
        )
    );
    node.client().await.ask("show status").await;
}

/// Promise 12.1.
#[tokio::test]
async fn another_file_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("bird.ctl");
    std::fs::write(&path, "precious").expect("a file");
    let (requests, _questions) = mpsc::channel(1);
    let error = Server::bind(&path, None, V4, requests).expect_err("it is no socket");
    assert!(matches!(error, BindError::NotASocket(_)), "{error:?}");
    assert_eq!(
        std::fs::read_to_string(&path).expect("still there"),
        "precious"
    );
}

#[tokio::test]
async fn a_successor_keeps_its_file() {
    let node = Fixture::start(V4, Limits::default(), answer);
    std::fs::remove_file(&node.path).expect("the file");
    let successor = UnixListener::bind(&node.path).expect("its socket");
    node.shutdown.cancel();
    node.server.await.expect("no panic");
    assert!(node.path.exists());
    drop(successor);
}

#[tokio::test]
async fn commands_may_be_sent_before_the_greeting_and_several_at_once() {
    let node = Fixture::start(V4, Limits::default(), |_| {
        Some(Answer::Protocols(Vec::new()))
    });
    let mut client = Client::dial(&node.path).await;
    client.send(b"show protocols\nshow protocols x\r\n").await;
    let mut lines = Vec::new();
    for _ in 0..3 {
        lines.push(client.line().await.expect("a line"));
    }
    assert_eq!(
        lines,
        [
            "0001 BIRD v0.3.3+birdv1.6.8 ready.",
            "0000 ",
            "8003 No protocols match"
        ]
    );
}
