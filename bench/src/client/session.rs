//! One session: opens it, answers what must be answered, and hands UPDATEs to its [`Sink`].

use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bgp_core::types::{Asn, Family, RouterId};
use bgp_core::wire::{Capability, Context, HEADER_LEN, Message, MessageType, Open, frame};
use bytes::{Bytes, BytesMut};

use super::connection::Connection;
use super::poller::{Poller, Ready};
use super::sink::Sink;

/// Pause before a connection that failed is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// A speaker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// Where it speaks from; its BGP identifier, too.
    pub(crate) address: Ipv4Addr,
    /// Its AS.
    pub(crate) asn: Asn,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle { retry_at: Instant },
    Opening,
    Confirming,
    Established,
    Cut,
}

/// A session with the router.
#[derive(Debug)]
pub(crate) struct Session {
    client: Client,
    connection: Option<Connection>,
    sink: Sink,
    progress: Progress,
}

/// The router's messages, except UPDATEs.
#[derive(Debug)]
struct Progress {
    state: State,
    owes_keepalive: bool,
    last_heard: Option<Instant>,
    longest_silence: Duration,
}

/// The result of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// Among other things, UPDATEs.
    Updates,
    /// Something else, or nothing.
    Other,
}

impl Session {
    /// Not open yet.
    pub(crate) fn new(client: Client, sink: Sink) -> Self {
        let progress = Progress {
            state: State::Idle {
                retry_at: Instant::now(),
            },
            owes_keepalive: false,
            last_heard: None,
            longest_silence: Duration::ZERO,
        };
        Self {
            client,
            connection: None,
            sink,
            progress,
        }
    }

    /// Where the client speaks from.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.client.address
    }

    /// What it has got.
    pub(crate) fn sink(&self) -> &Sink {
        &self.sink
    }

    /// See [`Connection::acknowledge_at_once`].
    pub(crate) fn acknowledge_at_once(&mut self) {
        self.connection
            .iter_mut()
            .for_each(Connection::acknowledge_at_once);
    }

    /// Whether the session is up.
    pub(crate) fn is_established(&self) -> bool {
        self.progress.state == State::Established
    }

    /// Whether it is on its way up.
    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.progress.state, State::Opening | State::Confirming)
    }

    /// Whether it is time to connect.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        matches!(self.progress.state, State::Idle { retry_at } if retry_at <= now)
    }

    /// Begins to look for the longest time without a message.
    pub(crate) fn watch_silence(&mut self) {
        self.progress.last_heard = Some(Instant::now());
        self.progress.longest_silence = Duration::ZERO;
    }

    /// The longest time in which nothing came from the router, between two messages.
    pub(crate) fn longest_silence(&self) -> Duration {
        self.progress.longest_silence
    }

    /// Speaks on this connection, or tries again later if there is none.
    pub(crate) fn open(
        &mut self,
        connection: io::Result<Connection>,
        hold_time: u16,
        poller: &Poller,
    ) {
        let opened = connection.and_then(|mut connection| {
            connection.send(self.client.open(hold_time), poller)?;
            Ok(connection)
        });
        match opened {
            Ok(connection) => {
                self.connection = Some(connection);
                self.progress.state = State::Opening;
            }
            Err(_) => self.back_off(),
        }
    }

    /// Closes the connection, for another try in a while.
    pub(crate) fn back_off(&mut self) {
        self.connection = None;
        self.progress.state = State::Idle {
            retry_at: Instant::now() + RETRY,
        };
    }

    /// Closes the connection without a word, for good.
    pub(crate) fn cut(&mut self) {
        self.connection = None;
        self.progress.state = State::Cut;
    }

    /// Sends octets, now or as soon as there is room.
    pub(crate) fn send(&mut self, octets: Bytes, poller: &Poller) -> anyhow::Result<()> {
        let connection = self.connection.as_mut().context("the session is closed")?;
        Ok(connection.send(octets, poller)?)
    }

    /// Sends a KEEPALIVE. Behind a queue it is left out: what waits there keeps the session up as well.
    pub(crate) fn keep_alive(&mut self, keepalive: &Bytes, poller: &Poller) -> anyhow::Result<()> {
        match &mut self.connection {
            Some(connection) if connection.is_flushed() => {
                Ok(connection.send(keepalive.clone(), poller)?)
            }
            _ => Ok(()),
        }
    }

    /// Does what the connection is ready for.
    ///
    /// # Errors
    ///
    /// The session has ended.
    pub(crate) fn serve(
        &mut self,
        event: Ready,
        buffer: &mut [u8],
        keepalive: &Bytes,
        poller: &Poller,
    ) -> anyhow::Result<Served> {
        let served = self.exchange(event, buffer, keepalive, poller);
        served.with_context(|| format!("session of {}", self.client.address))
    }

    fn exchange(
        &mut self,
        event: Ready,
        buffer: &mut [u8],
        keepalive: &Bytes,
        poller: &Poller,
    ) -> anyhow::Result<Served> {
        let Self {
            connection: Some(connection),
            sink,
            progress,
            ..
        } = self
        else {
            return Ok(Served::Other);
        };
        if event.writable {
            connection.flush(poller)?;
        }
        let mut served = Served::Other;
        if event.readable {
            progress.hear();
            let is_open = connection.read(buffer, |message| {
                if message[HEADER_LEN - 1] == MessageType::UPDATE.0 {
                    served = Served::Updates;
                    return sink.update(message);
                }
                progress.note(message)
            })?;
            if !is_open {
                bail!("the router has closed it");
            }
        }
        if std::mem::take(&mut progress.owes_keepalive) {
            connection.send(keepalive.clone(), poller)?;
        }
        Ok(served)
    }
}

impl Progress {
    /// Octets may have arrived.
    fn hear(&mut self) {
        let now = Instant::now();
        if let Some(last) = self.last_heard.replace(now) {
            self.longest_silence = self.longest_silence.max(now - last);
        }
    }

    fn note(&mut self, message: &[u8]) -> io::Result<()> {
        match MessageType(message[HEADER_LEN - 1]) {
            MessageType::OPEN if self.state == State::Opening => {
                self.state = State::Confirming;
                self.owes_keepalive = true;
            }
            MessageType::KEEPALIVE if self.state == State::Confirming => {
                self.state = State::Established
            }
            MessageType::NOTIFICATION => return Err(io::Error::other(describe(message))),
            _ => {}
        }
        Ok(())
    }
}

impl Client {
    fn open(&self, hold_time: u16) -> Bytes {
        encode(&Message::Open(Open {
            asn: self.asn,
            hold_time,
            router_id: RouterId(self.address),
            capabilities: vec![
                Capability::Multiprotocol(Family::Ipv4Unicast.afi_safi()),
                Capability::RouteRefresh,
                Capability::FourOctetAs(self.asn),
            ],
        }))
    }
}

/// A message that is the same on every session.
pub(crate) fn encode(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&Context::default(), &mut out);
    out.freeze()
}

fn describe(message: &[u8]) -> String {
    let mut octets = BytesMut::from(message);
    let context = Context::default();
    let frame = frame::take(&mut octets, context.max_receive_len)
        .ok()
        .flatten();
    match frame.and_then(|frame| Message::decode(frame, &context).ok()) {
        Some(message) => format!("the router says {message}"),
        None => "the router ends it with a message that cannot be read".to_owned(),
    }
}
