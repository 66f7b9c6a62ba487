//! Reports of a session to the log, the owner's events, the set of established sessions, and the tap.

use std::collections::BTreeSet;
use std::sync::Arc;

use bgp_core::rib::Unusable;
use bgp_core::session::{DownReason, Negotiated, Session};
use ipnet::IpNet;
use tokio::sync::{broadcast, watch};
use tracing::{debug, info, warn};

use crate::connection::TcpConnection;
use crate::event::Event;
use crate::tap::{Flow, PeerTap};

/// Names of the peers whose sessions are up. Each neighbour keeps its own entry.
pub(crate) type Established = Arc<watch::Sender<BTreeSet<Arc<str>>>>;

/// Reports on one session.
pub(crate) struct Reporter {
    pub(crate) name: Arc<str>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) established: Established,
    /// Present if a subscriber wants messages and states.
    pub(crate) tap: Option<PeerTap>,
}

impl Reporter {
    pub(crate) fn up(&self, negotiated: Arc<Negotiated>) {
        self.note_established(true);
        info!(peer = %self.name, peer_id = %negotiated.peer_id, "session established");
        self.tell(Event::Up {
            peer: Arc::clone(&self.name),
            negotiated,
        });
    }

    /// A session of another process goes on here.
    pub(crate) fn taken_over(&self, negotiated: Arc<Negotiated>) {
        self.note_established(true);
        info!(peer = %self.name, peer_id = %negotiated.peer_id, "session taken over");
        self.tell(Event::Up {
            peer: Arc::clone(&self.name),
            negotiated,
        });
    }

    pub(crate) fn down(&mut self, reason: DownReason) {
        self.note_established(false);
        self.ended(&reason);
        let peer = &self.name;
        match reason {
            // We are stopping, and the peer keeps the routes.
            DownReason::Left => info!(%peer, %reason, "session down"),
            _ => warn!(%peer, %reason, "session down"),
        }
        self.tell(Event::Down {
            peer: Arc::clone(peer),
            reason,
        });
    }

    /// A session that never came up.
    pub(crate) fn refused(&mut self, reason: &DownReason) {
        self.ended(reason);
        warn!(peer = %self.name, %reason, "session refused");
    }

    pub(crate) fn unusable(&self, prefix: IpNet, why: Unusable) {
        let peer = &self.name;
        match why {
            // Expected where two routers have several paths between them.
            Unusable::AsLoop | Unusable::ReflectionLoop => {
                debug!(%peer, %prefix, "a route is not used: {why}");
            }
            _ => {
                warn!(%peer, %prefix, "a route is not used: {why} (and so of others, without a line for each)")
            }
        }
    }

    pub(crate) fn sees_messages(&self) -> bool {
        self.tap.is_some()
    }

    pub(crate) fn messages(
        &mut self,
        session: &Session,
        connection: &TcpConnection,
        flow: Flow,
        messages: &[u8],
    ) {
        if let Some(tap) = &mut self.tap {
            tap.messages(session, connection, flow, messages);
        }
    }

    /// Reports the state of the session, if it changed.
    pub(crate) fn state(&mut self, session: &Session) {
        if let Some(tap) = &mut self.tap {
            tap.state(session);
        }
    }

    /// Why a connection ended is reported together with the next state.
    fn ended(&mut self, reason: &DownReason) {
        if let Some(tap) = &mut self.tap {
            tap.ended(reason);
        }
    }

    fn note_established(&self, is: bool) {
        self.established.send_if_modified(|all| match is {
            true => all.insert(Arc::clone(&self.name)),
            false => all.remove(&self.name),
        });
    }

    fn tell(&self, event: Event) {
        // There may be no receiver.
        self.events.send(event).ok();
    }
}
