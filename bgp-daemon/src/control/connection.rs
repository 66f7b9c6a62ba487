//! One client: its commands in turn, each with its reply.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bgp_core::types::Family;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::command::{self, ControlCommand, Query, RouteQuery};
use super::json;
use super::limits::Limits;
use super::model::{ProtocolSnapshot, RouteSnapshot};
use super::render::{self, Clock};
use super::reply::{Code, Reply};
use super::request::{Answer, Request};
use crate::sockets::{Awaited, ClientSlot, Clients};

/// Octets of a long reply that are collected per write.
const WRITE_LEN: usize = 32 * 1024;

/// State shared by all connections of a server.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) family: Family,
    pub(super) version: String,
    pub(super) clock: fn() -> Clock,
    pub(super) limits: Limits,
    pub(super) answers: Clients,
    pub(super) requests: mpsc::Sender<Request>,
}

/// A client and its state.
pub(super) struct ClientConnection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    reply: Reply,
    /// The client asked to be restricted to reading.
    restricted: bool,
    place: ClientSlot,
    /// The slot of an answer held in memory, until the client has read it.
    answer: Option<ClientSlot>,
    shared: Arc<Shared>,
}

/// A line from a client.
enum Line {
    Command(String),
    TooLong,
    /// The end of the input; an unfinished line is not a command.
    End,
}

impl ClientConnection {
    pub(super) fn new(stream: UnixStream, place: ClientSlot, shared: Arc<Shared>) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            reader: BufReader::new(reader),
            writer,
            reply: Reply::new(),
            restricted: false,
            place,
            answer: None,
            shared,
        }
    }

    /// Serves until the client leaves, is replaced, or is idle or stalled for too long.
    pub(super) async fn serve(mut self) {
        let lost = self.place.lost();
        let ended = lost.run_until_cancelled(self.converse()).await;
        let error = match ended {
            Some(Ok(())) => return,
            Some(Err(error)) => error.to_string(),
            None => "another client needs the place".to_owned(),
        };
        tracing::debug!(family = %self.shared.family, error, "control connection ended");
    }

    async fn converse(&mut self) -> io::Result<()> {
        self.reply.end(
            Code::WELCOME,
            format_args!("BIRD {} ready.", self.shared.version),
        );
        self.flush().await?;
        loop {
            let idle = self.shared.limits.idle;
            let line = read_line(&mut self.reader, self.shared.limits.line_len);
            let line = within(idle, line);
            match self.place.awaiting(Awaited::Command, line).await? {
                Line::Command(line) => self.command(&line).await?,
                Line::TooLong => self.reply.end(Code::COMMAND_TOO_LONG, "Command too long"),
                Line::End => return Ok(()),
            }
            self.flush().await?;
        }
    }

    async fn command(&mut self, line: &str) -> io::Result<()> {
        match command::parse(line, self.shared.family) {
            Err(error) => self.reply.end(Code::SYNTAX_ERROR, error),
            Ok(ControlCommand::Restrict) => {
                self.restricted = true;
                self.reply.end(Code::ACCESS_RESTRICTED, "Access restricted");
            }
            Ok(ControlCommand::Query(query)) if self.restricted && query.changes_something() => {
                self.reply.end(Code::ACCESS_DENIED, "Access denied");
            }
            Ok(ControlCommand::Query(query)) => self.query(query).await?,
        }
        Ok(())
    }

    /// Answers a query. A possibly long answer in one piece needs a slot, and keeps it if it is long.
    async fn query(&mut self, query: Query) -> io::Result<()> {
        if !matches!(query, Query::Routes(_)) {
            let limit = self.shared.limits.answers;
            self.answer = Some(self.shared.answers.enter(limit).await);
        }
        match self.ask(query.clone()).await {
            Some(answer) => self.render(query, answer).await?,
            None => self.no_answer(),
        }
        if self.reply.len() < WRITE_LEN {
            self.answer = None;
        }
        Ok(())
    }

    /// `None` if the owner is gone, too busy, or does not answer.
    async fn ask(&self, query: Query) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            family: self.shared.family,
            query,
            reply,
        };
        let asked = async {
            self.shared.requests.send(request).await.ok()?;
            answer.await.ok()
        };
        timeout(self.shared.limits.answer, asked).await.ok()?
    }

    fn no_answer(&mut self) {
        self.reply.end(
            Code::NO_ANSWER,
            "The daemon is ending or too busy to answer",
        );
    }

    async fn render(&mut self, query: Query, answer: Answer) -> io::Result<()> {
        let reply = &mut self.reply;
        let clock = (self.shared.clock)();
        let version = &self.shared.version;
        match answer {
            Answer::Status(status) => render::status::render(reply, &clock, version, &status),
            Answer::Protocols(protocols) => render_protocols(reply, &clock, &query, &protocols),
            Answer::Routes(chunks) => {
                let Query::Routes(routes) = query else {
                    self.no_answer();
                    return Ok(());
                };
                self.stream(routes, clock, chunks).await?;
            }
            Answer::NoProtocol => reply.end(Code::NO_PROTOCOLS_MATCH, "No protocols match"),
            Answer::NoSpeaker => reply.end(
                Code::NO_ANSWER,
                "No speaker: the datastore does not say yet what it must be",
            ),
            Answer::Interfaces(interfaces) => render::interfaces::render(reply, &interfaces),
            Answer::BfdSessions(sessions) => {
                let protocol = match &query {
                    Query::BfdSessions { protocol } => protocol.as_deref(),
                    _ => None,
                };
                render::bfd::render(reply, &clock, protocol, sessions.as_deref());
            }
            Answer::Memory(memory) => render::memory::render(reply, &memory),
            Answer::Configured(outcome) => render::actions::configure(reply, &outcome),
            Answer::Actions(reports) => render::actions::protocols(reply, &reports),
            Answer::Snapshot(snapshot) => {
                json::render(reply, &clock, version, self.shared.family, &snapshot);
            }
        }
        Ok(())
    }

    async fn stream(
        &mut self,
        query: RouteQuery,
        clock: Clock,
        mut chunks: mpsc::Receiver<Vec<RouteSnapshot>>,
    ) -> io::Result<()> {
        let mut listing = render::routes::Listing::new(query, clock);
        while let Ok(chunk) = timeout(self.shared.limits.answer, chunks.recv()).await {
            let Some(chunk) = chunk else {
                listing.end(&mut self.reply);
                return Ok(());
            };
            for route in &chunk {
                listing.route(&mut self.reply, route);
                if self.reply.len() >= WRITE_LEN {
                    self.flush().await?;
                }
            }
        }
        self.no_answer();
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        let text = self.reply.take();
        let written = self.writer.write_all(text.as_bytes());
        let written = within(self.shared.limits.write, written);
        let written = self.place.awaiting(Awaited::Reading, written);
        let Some(answer) = self.answer.take() else {
            return written.await;
        };
        let lost = answer.lost();
        let written = answer.awaiting(Awaited::Reading, written);
        let done = lost.run_until_cancelled(written).await;
        done.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn render_protocols(
    reply: &mut Reply,
    clock: &Clock,
    query: &Query,
    protocols: &[ProtocolSnapshot],
) {
    let (all, any) = match query {
        Query::Protocols { all, name } => (*all, name.is_any()),
        _ => (false, true),
    };
    if protocols.is_empty() && !any {
        reply.end(Code::NO_PROTOCOLS_MATCH, "No protocols match");
    } else {
        render::protocols::render(reply, clock, protocols, all);
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Reads up to a line feed, keeping at most `limit` octets.
async fn read_line(reader: &mut BufReader<OwnedReadHalf>, limit: usize) -> io::Result<Line> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let chunk = reader.fill_buf().await?;
        if chunk.is_empty() {
            return Ok(Line::End);
        }
        let end = chunk.iter().position(|&b| b == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        too_long |= line.len() + part.len() > limit;
        if !too_long {
            line.extend_from_slice(part);
        }
        let taken = end.map_or(chunk.len(), |at| at + 1);
        reader.consume(taken);
        if end.is_some() {
            return Ok(if too_long {
                Line::TooLong
            } else {
                Line::Command(String::from_utf8_lossy(&line).into_owned())
            });
        }
    }
}
