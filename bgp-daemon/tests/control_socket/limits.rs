//! The behaviour at each limit of a server.

use std::time::Duration;

use bgp_core::types::Family;
use bgp_daemon::control::command::Query;
use bgp_daemon::control::limits::Limits;
use bgp_daemon::control::model::ProtocolKind;
use bgp_daemon::control::request::Answer;
use tokio::sync::{mpsc, oneshot};

use crate::fixtures::{answer, internal, route, via};
use crate::peer::{Client, Fixture};

const V4: Family = Family::Ipv4Unicast;

/// Promise 12.9.
#[tokio::test]
async fn a_line_that_is_too_long_is_skipped_to_its_end() {
    let limits = Limits {
        line_len: 32,
        ..Limits::default()
    };
    let node = Fixture::start(V4, limits, answer);
    let mut client = node.client().await;
    let too_long = "9000 Command too long\n";
    assert_eq!(client.ask(&"x".repeat(100_000)).await, too_long);
    assert_eq!(client.ask(&" ".repeat(33)).await, too_long);
    let padded = format!("{:32}", "show status");
    assert!(client.ask(&padded).await.contains("Router ID"));
}

/// Promise 12.9.
#[tokio::test]
async fn for_a_client_beyond_the_limit_goes_the_one_that_has_said_nothing_for_the_longest() {
    let limits = Limits {
        connections: 3,
        ..Limits::default()
    };
    let node = Fixture::start(V4, limits, answer);
    let mut first = node.client().await;
    let silent = node.client().await;
    let mut half_a_line = node.client().await;
    half_a_line.send(b"show sta").await;
    first.ask("show status").await;
    let mut fourth = node.client().await;
    assert_eq!(silent.closed().await, "");
    let mut fifth = node.client().await;
    assert_eq!(half_a_line.closed().await, "");
    for client in [&mut first, &mut fourth, &mut fifth] {
        client.ask("show status").await;
    }
}

#[tokio::test]
async fn clients_without_end_keep_nobody_from_an_answer() {
    let node = Fixture::start(V4, Limits::default(), answer);
    let mut flood = Vec::new();
    for _ in 0..20 {
        for _ in 0..100 {
            flood.push(Client::dial(&node.path).await);
        }
        let mut honest = node.client().await;
        assert!(honest.ask("show status").await.contains("Router ID"));
    }
}

#[tokio::test]
async fn clients_that_take_nothing_keep_nobody_from_an_answer() {
    let node = Fixture::start(V4, Limits::default(), |query| match query {
        Query::Routes(_) => Some(many_routes(u32::MAX, None)),
        other => answer(other),
    });
    let mut stuck = Vec::new();
    for _ in 0..2 * Limits::default().connections {
        let mut client = node.client().await;
        client.send(b"show route\n").await;
        assert!(client.line().await.is_some());
        stuck.push(client);
    }
    for _ in 0..3 {
        let mut honest = node.client().await;
        assert!(honest.ask("show status").await.contains("Router ID"));
    }
}

/// Promise 12.9.
#[tokio::test]
async fn a_silent_client_is_disconnected() {
    let limits = Limits {
        idle: Duration::from_millis(10),
        ..Limits::default()
    };
    let node = Fixture::start(V4, limits, answer);
    assert_eq!(node.client().await.closed().await, "");
}

/// Promise 12.9.
#[tokio::test]
async fn a_question_without_an_answer_is_answered() {
    let no_answer = "8004 The daemon is ending or too busy to answer\n";
    let node = Fixture::start(V4, Limits::default(), |_| None);
    assert_eq!(node.client().await.ask("show status").await, no_answer);

    let limits = Limits {
        answer: Duration::from_millis(10),
        ..Limits::default()
    };
    let mut unfinished = Vec::new();
    let node = Fixture::start(V4, limits, move |_| {
        let (chunks, receiver) = mpsc::channel(1);
        chunks
            .try_send(vec![route(
                "10.0.0.0/8",
                via(&[("10.0.0.1", "eth0")]),
                "kernel1",
                "20:00:00",
            )])
            .expect("room");
        unfinished.push(chunks);
        Some(Answer::Routes(receiver))
    });
    let reply = node.client().await.ask("show route").await;
    assert!(
        reply.starts_with("1007-10.0.0.0/8 ") && reply.ends_with(no_answer),
        "{reply}"
    );
}

#[tokio::test]
async fn long_answers_that_nobody_takes_are_few() {
    const ROWS: usize = 10_000;
    let node = Fixture::start(V4, Limits::default(), |_| {
        let row = internal("kernel1", ProtocolKind::Kernel);
        Some(Answer::Protocols(vec![row; ROWS]))
    });
    let mut stuck = Vec::new();
    for _ in 0..=Limits::default().answers {
        let mut client = node.client().await;
        client.send(b"show protocols\n").await;
        assert!(client.line().await.is_some());
        stuck.push(client);
    }
    let mut rest = stuck.into_iter().map(Client::closed);
    let cut = rest.next().expect("a client").await;
    assert!(cut.lines().count() < ROWS, "it had to go for the last one");
    let reply = node.client().await.ask("show protocols").await;
    assert_eq!(reply.lines().count(), ROWS + 2);
}

#[tokio::test]
async fn many_routes_stream_through() {
    let node = Fixture::start(V4, Limits::default(), |_| Some(many_routes(100, None)));
    let reply = node.client().await.ask("show route").await;
    assert_eq!(reply.lines().count(), 100 * 256 + 1);
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_stream() {
    let (ended, end) = oneshot::channel();
    let mut ended = Some(ended);
    let node = Fixture::start(V4, Limits::default(), move |query| match query {
        Query::Routes(_) => Some(many_routes(u32::MAX, ended.take())),
        other => answer(other),
    });
    let mut client = node.client().await;
    client.send(b"show route\n").await;
    assert!(client.line().await.is_some());
    drop(client);
    end.await.expect("the owner was told");
}

/// Chunks of 256 routes; records when it stopped because the reader was gone.
fn many_routes(chunks: u32, ended: Option<oneshot::Sender<()>>) -> Answer {
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        for a in 0..chunks {
            let nets = (0..256).map(|b| format!("10.{}.{b}.0/24", a % 256));
            let routes =
                nets.map(|net| route(&net, via(&[("10.0.0.1", "eth0")]), "kernel1", "20:00:00"));
            if sender.send(routes.collect()).await.is_err() {
                break;
            }
        }
        if let Some(ended) = ended {
            let _ = ended.send(());
        }
    });
    Answer::Routes(receiver)
}
