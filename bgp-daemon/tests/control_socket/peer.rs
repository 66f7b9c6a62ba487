//! Both ends of a socket under test: a server with an owner made of a closure, and a client.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bgp_core::types::Family;
use bgp_daemon::control::command::Query;
use bgp_daemon::control::limits::Limits;
use bgp_daemon::control::request::{Answer, Request};
use bgp_daemon::control::server::Server;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fixtures;
use crate::grammar::Grammar;

/// Only there so that a broken test ends.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Fixture {
    pub(crate) path: PathBuf,
    pub(crate) shutdown: CancellationToken,
    pub(crate) server: JoinHandle<()>,
    _directory: TempDir,
}

impl Fixture {
    /// Serves `family` with an owner that gives `answer`s; `None` is no answer.
    pub(crate) fn start(
        family: Family,
        limits: Limits,
        mut answer: impl FnMut(Query) -> Option<Answer> + Send + 'static,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("run/bird.ctl");
        let (requests, mut questions) = mpsc::channel::<Request>(4);
        tokio::spawn(async move {
            while let Some(request) = questions.recv().await {
                assert_eq!(request.family, family);
                if let Some(answer) = answer(request.query) {
                    // The client may have left meanwhile.
                    let _ = request.reply.send(answer);
                }
            }
        });
        let shutdown = CancellationToken::new();
        let server = Server::bind(&path, None, family, requests)
            .expect("a socket")
            .with_version(fixtures::VERSION)
            .with_clock(fixtures::clock)
            .with_limits(limits);
        Self {
            server: tokio::spawn(server.run(shutdown.clone())),
            path,
            shutdown,
            _directory: directory,
        }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.path).await
    }
}

pub(crate) struct Client {
    stream: BufReader<UnixStream>,
    grammar: Grammar,
}

impl Client {
    /// Connects without waiting for the greeting.
    pub(crate) async fn dial(path: &Path) -> Self {
        Self {
            stream: BufReader::new(UnixStream::connect(path).await.expect("a connection")),
            grammar: Grammar::default(),
        }
    }

    pub(crate) async fn connect(path: &Path) -> Self {
        let mut client = Self::dial(path).await;
        assert_eq!(client.reply().await, "0001 BIRD v0.3.3+birdv1.6.8 ready.\n");
        client
    }

    pub(crate) async fn send(&mut self, octets: &[u8]) {
        self.stream
            .write_all(octets)
            .await
            .expect("the server reads");
    }

    /// Sends a command and returns its whole reply, which keeps to the grammar.
    pub(crate) async fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\n").as_bytes()).await;
        self.reply().await
    }

    /// Reads up to the last line of a reply.
    pub(crate) async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self.line().await.expect("the reply has a last line");
            let last = self.grammar.line(&line);
            reply.push_str(&line);
            reply.push('\n');
            if last {
                assert!(
                    self.stream.buffer().is_empty(),
                    "something follows the last line of {reply:?}"
                );
                return reply;
            }
        }
    }

    pub(crate) async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, self.stream.read_line(&mut line));
        match read.await.expect("a line in time").expect("UTF-8") {
            0 => None,
            _ => Some(line.strip_suffix('\n').expect("a whole line").to_owned()),
        }
    }

    /// Waits until the server closes the connection; returns what it still sent.
    pub(crate) async fn closed(mut self) -> String {
        let mut rest = String::new();
        let read = tokio::time::timeout(PATIENCE, self.stream.read_to_string(&mut rest));
        read.await
            .expect("closed in time")
            .expect("closed without error");
        rest
    }
}
