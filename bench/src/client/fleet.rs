//! All sessions of a run: opens them, keeps them up, and waits for routes.
//!
//! One thread, one loop. Every wait has a deadline. An established session must not close, unless it was closed from here.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::bail;
use bgp_core::wire::Message;
use bytes::Bytes;

use super::connection::{Connection, READ_LEN};
use super::poller::{Poller, Ready};
use super::session::{Client, Served, Session, encode};
use super::sink::Sink;

/// Connections that are set up at the same time: small backlogs shall not overflow.
const AT_ONCE: usize = 16;
/// Longest sleep of the loop.
const TICK: Duration = Duration::from_millis(20);

/// The sessions.
pub(crate) struct Fleet {
    router: SocketAddr,
    poller: Poller,
    ready: Vec<Ready>,
    buffer: Vec<u8>,
    sessions: Vec<Session>,
    hold_time: u16,
    keepalive: Bytes,
    next_keepalive: Instant,
    /// When the last UPDATE came, or not all sessions were up.
    last_change: Instant,
    /// Sessions that end are opened again.
    establishing: bool,
}

impl Fleet {
    /// No session yet. All will be with this router, and propose this hold time (seconds).
    pub(crate) fn new(router: SocketAddr, hold_time: u16) -> anyhow::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            router,
            poller: Poller::new()?,
            ready: Vec::new(),
            buffer: vec![0; READ_LEN + usize::from(u16::MAX)],
            sessions: Vec::new(),
            hold_time,
            keepalive: encode(&Message::Keepalive),
            next_keepalive: now,
            last_change: now,
            establishing: false,
        })
    }

    /// Adds a session, to be opened by [`Fleet::establish`]; returns its number.
    pub(crate) fn add(&mut self, client: Client, sink: Sink) -> usize {
        self.sessions.push(Session::new(client, sink));
        self.sessions.len() - 1
    }

    /// Uses a connection that the router has opened.
    pub(crate) fn adopt(&mut self, session: usize, stream: TcpStream) {
        let connection = Connection::new(stream, session, &self.poller);
        self.sessions[session].open(connection, self.hold_time, &self.poller);
    }

    /// Opens all sessions, and waits until all have been idle for a while. A session that ends in the meantime is reopened.
    /// `is_alive` tells whether to continue.
    pub(crate) fn establish(
        &mut self,
        quiet: Duration,
        at_most: Duration,
        mut is_alive: impl FnMut() -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + at_most;
        self.establishing = true;
        loop {
            self.connect_some();
            self.turn(TICK)?;
            let up = self
                .sessions
                .iter()
                .filter(|session| session.is_established())
                .count();
            if up < self.sessions.len() {
                self.last_change = Instant::now();
            } else if self.last_change.elapsed() >= quiet {
                break;
            }
            if Instant::now() > deadline {
                bail!(
                    "after {at_most:?}, {up} of {} sessions are up",
                    self.sessions.len()
                );
            }
            if !is_alive() {
                bail!("the daemon has ended");
            }
        }
        self.establishing = false;
        Ok(())
    }

    fn connect_some(&mut self) {
        let now = Instant::now();
        let opening = self
            .sessions
            .iter()
            .filter(|session| session.is_opening())
            .count();
        let free = AT_ONCE.saturating_sub(opening);
        let due = self
            .sessions
            .iter_mut()
            .enumerate()
            .filter(|(_, session)| session.is_due(now));
        for (index, session) in due.take(free) {
            let connection =
                Connection::connect(session.address(), self.router, index, &self.poller);
            session.open(connection, self.hold_time, &self.poller);
        }
    }

    /// Sends octets on a session, now or as soon as there is room.
    pub(crate) fn send(&mut self, session: usize, octets: Bytes) -> anyhow::Result<()> {
        self.sessions[session].send(octets, &self.poller)
    }

    /// Closes a connection without a word, as a speaker does that dies.
    pub(crate) fn cut(&mut self, session: usize) {
        self.sessions[session].cut();
    }

    /// What a session has got.
    pub(crate) fn sink(&self, session: usize) -> &Sink {
        self.sessions[session].sink()
    }

    /// See [`Connection::acknowledge_at_once`]; for all sessions that are open.
    pub(crate) fn acknowledge_at_once(&mut self) {
        self.sessions
            .iter_mut()
            .for_each(Session::acknowledge_at_once);
    }

    /// Begins to look for the longest time without a message.
    pub(crate) fn watch_silence(&mut self) {
        self.sessions.iter_mut().for_each(Session::watch_silence);
    }

    /// The longest time in which nothing came from the router on some session.
    pub(crate) fn longest_silence(&self) -> Duration {
        self.sessions
            .iter()
            .map(|session| session.longest_silence())
            .max()
            .unwrap_or_default()
    }

    /// Runs until a condition holds; returns when it did.
    pub(crate) fn run_until(
        &mut self,
        at_most: Duration,
        mut is_done: impl FnMut(&Self) -> bool,
    ) -> anyhow::Result<Instant> {
        let deadline = Instant::now() + at_most;
        while !is_done(self) {
            if Instant::now() > deadline {
                bail!("not done after {at_most:?}; prefixes held: {}", self.held());
            }
            self.turn(TICK)?;
        }
        Ok(Instant::now())
    }

    /// Goes on for this long.
    pub(crate) fn run_for(&mut self, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.turn(left.min(TICK))?;
        }
        Ok(())
    }

    /// Goes on until no UPDATE has come for a while.
    pub(crate) fn settle(&mut self, quiet: Duration, at_most: Duration) -> anyhow::Result<()> {
        self.last_change = Instant::now();
        self.run_until(at_most, |fleet| fleet.last_change.elapsed() >= quiet)?;
        Ok(())
    }

    fn held(&self) -> String {
        let counts = self.sessions.iter().map(|session| session.sink().count());
        format!(
            "{} to {}",
            counts.clone().min().unwrap_or(0),
            counts.max().unwrap_or(0)
        )
    }

    /// Waits for sockets once and does what they are ready for.
    pub(crate) fn turn(&mut self, at_most: Duration) -> anyhow::Result<()> {
        self.keep_alive()?;
        let mut ready = std::mem::take(&mut self.ready);
        self.poller.wait(at_most, &mut ready)?;
        for event in &ready {
            self.serve(*event)?;
        }
        self.ready = ready;
        Ok(())
    }

    fn serve(&mut self, event: Ready) -> anyhow::Result<()> {
        let session = &mut self.sessions[event.key];
        match session.serve(event, &mut self.buffer, &self.keepalive, &self.poller) {
            Ok(Served::Updates) => self.last_change = Instant::now(),
            Ok(Served::Other) => {}
            Err(_) if self.establishing => session.back_off(),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn keep_alive(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        if now < self.next_keepalive {
            return Ok(());
        }
        self.next_keepalive = now + Duration::from_secs(self.hold_time.into()) / 3;
        for session in self
            .sessions
            .iter_mut()
            .filter(|session| session.is_established())
        {
            session.keep_alive(&self.keepalive, &self.poller)?;
        }
        Ok(())
    }
}
