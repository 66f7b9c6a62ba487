//! Counters of a session that are read without waking its task: a scrape of a thousand sessions costs little.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bgp_core::session::{Counters, Session, State, Tally};
use bgp_core::types::PeerId;

use crate::bfd::BfdStatus;

/// The counters of a session after the last event that its task has handled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionMeter {
    /// The peer's number in the RIB.
    pub peer: PeerId,
    /// The state of the session.
    pub state: State,
    /// When the session last came up or went down.
    pub since: Instant,
    /// Octets of UPDATEs that TCP has taken, but that were not yet reported to the RIB: the RIB counts them as
    /// [outstanding](bgp_core::rib::Rib::outstanding).
    pub unreported_octets: usize,
    /// Messages by type, and flaps, since the creation of the session.
    pub counters: Counters,
    /// State changes, and NOTIFICATIONs by code.
    pub tally: Arc<Tally>,
    /// The status of BFD, if the path to the peer is watched.
    pub bfd: Option<BfdStatus>,
}

/// The place where the task of a session leaves its counters.
#[derive(Clone, Debug)]
pub(crate) struct Meter(Arc<Mutex<SessionMeter>>);

impl Meter {
    pub(crate) fn new(peer: PeerId, since: Instant) -> Self {
        Self(Arc::new(Mutex::new(SessionMeter {
            peer,
            state: State::Idle,
            since,
            unreported_octets: 0,
            counters: Counters::default(),
            tally: Arc::default(),
            bfd: None,
        })))
    }

    pub(crate) fn read(&self) -> SessionMeter {
        self.lock().clone()
    }

    pub(crate) fn write(
        &self,
        session: &Session,
        since: Instant,
        unreported_octets: usize,
        bfd: Option<BfdStatus>,
    ) {
        let mut meter = self.lock();
        meter.state = session.state();
        meter.since = since;
        meter.unreported_octets = unreported_octets;
        meter.counters = *session.counters();
        meter.bfd = bfd;
        if *meter.tally != *session.tally() {
            meter.tally = Arc::new(session.tally().clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, SessionMeter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
