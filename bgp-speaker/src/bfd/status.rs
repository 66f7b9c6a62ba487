//! How the watch over a path is.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bgp_core::bfd::{State, Status};

use super::spec::BfdPath;

/// How the watch over a peer's path is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BfdStatus {
    /// How far away the peer is.
    pub path: BfdPath,
    /// Our address.
    pub local: Option<IpAddr>,
    /// The session; `None` while there are no sockets for it.
    pub session: Option<Status>,
    /// Why there are no sockets.
    pub problem: Option<Arc<str>>,
    /// When the session came to its state; `None` while there are no sockets for it.
    pub since: Option<Instant>,
    /// How often it went up.
    pub ups: u64,
    /// How often it went from Up to another state.
    pub downs: u64,
    /// How often the path was found dead: what an operator did does not count (RFC 5882 §3.2).
    pub failures: u64,
    /// Before the last change of state, when the peer last said that it hears us.
    pub(crate) worked_at: Option<Instant>,
    /// Packets sent and received.
    pub packets: Arc<Packets>,
}

/// Counts packets of a session.
#[derive(Debug, Default)]
pub struct Packets {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Packets {
    /// So many were sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// So many came, and were good.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn count_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }
}

impl BfdStatus {
    pub(super) fn new(path: BfdPath) -> Self {
        Self {
            path,
            local: None,
            session: None,
            problem: None,
            since: None,
            ups: 0,
            downs: 0,
            failures: 0,
            worked_at: None,
            packets: Arc::default(),
        }
    }

    /// The state of the session; Down while there are no sockets for it.
    pub fn state(&self) -> State {
        self.session.map_or(State::Down, |session| session.state)
    }

    /// Whether a BGP session that waits for BFD may come up (RFC 5882 §4.1): the path works, or an operator says that nobody watches it.
    pub fn lets_bgp_up(&self) -> bool {
        let peer = self.session.and_then(|session| session.peer);
        let held_down = peer.is_some_and(|peer| peer.state == State::AdminDown);
        matches!(self.state(), State::Up | State::AdminDown) || held_down
    }
}
