//! What others may see of a running speaker: messages, session states, decisions.
//!
//! Metrics, a recorder, BMP (RFC 7854) and MRT (RFC 6396) are subscribers. A speaker without one pays for nothing: no copy, no
//! allocation. No subscriber is shown a TCP MD5 password, which is no part of any message.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bgp_core::rib::ViewedRoute;
use bgp_core::session::{ConnId, DownReason, LastError, Negotiated, Session, SessionConfig, State};
use bgp_core::types::{Asn, PeerId};
use bgp_core::wire::HEADER_LEN;
use bytes::BytesMut;
use ipnet::IpNet;

use crate::connection::Connection;
use crate::timer::now;

/// Sees what a speaker does, as it does it. Every method does nothing unless the subscriber has one of its own.
///
/// The tasks of the speaker call a subscriber in passing: a method must not wait, and a panic in one ends the speaker. Calls for one
/// peer come in order, from one task at a time; calls for different peers come at the same time.
///
/// # Example
///
/// A counter of octets in both directions:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use bgp_core::types::{Asn, RouterId};
/// use bgp_speaker::tap::{MessageEvent, Subscriber};
/// use bgp_speaker::{Environment, Speaker, SpeakerConfig};
///
/// #[derive(Default)]
/// struct Octets(AtomicUsize);
///
/// impl Subscriber for Octets {
///     fn message(&self, message: &MessageEvent<'_>) {
///         self.0.fetch_add(message.octets.len(), Ordering::Relaxed);
///     }
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// let octets = Arc::new(Octets::default());
/// let config = SpeakerConfig::new(Asn(65001), RouterId::from_bits(1));
/// let environment = Environment::default().with_subscriber(octets.clone());
/// let _speaker = Speaker::start_in(config, environment);
/// // With peers that speak:
/// let _so_far = octets.0.load(Ordering::Relaxed);
/// # }
/// ```
pub trait Subscriber: Send + Sync {
    /// A whole message came from a peer, before the session looks at it, or was handed to the connection to a peer.
    fn message(&self, message: &MessageEvent<'_>) {
        let _ = message;
    }

    /// A session has another state (RFC 4271 §8.2.2). The messages that led there were shown before.
    fn state(&self, change: &StateEvent<'_>) {
        let _ = change;
    }

    /// Whether [`Subscriber::decision`] is called. Asked once, when the speaker starts: looking up each best route has a cost.
    fn wants_decisions(&self) -> bool {
        false
    }

    /// The decision process ran for a prefix (RFC 4271 §9.1), and maybe chose the route of before. Only for a subscriber that
    /// [wants](Subscriber::wants_decisions) decisions.
    fn decision(&self, decision: &DecisionEvent<'_>) {
        let _ = decision;
    }
}

/// The peer that an event is about.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TappedPeer<'a> {
    /// Its name.
    pub name: &'a Arc<str>,
    /// The number by which the RIB knows the peer. A peer that comes later may get the number of one that is gone.
    pub id: PeerId,
    /// Our AS number in the session.
    pub local_as: Asn,
    /// The peer's AS number, as configured.
    pub peer_as: Asn,
}

/// Where a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// The peer sent the message.
    Received,
    /// The speaker sent the message.
    Sent,
}

/// A whole BGP message.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MessageEvent<'a> {
    /// The peer.
    pub peer: TappedPeer<'a>,
    /// Our end of the connection.
    pub local: SocketAddr,
    /// The peer's end of the connection.
    pub remote: SocketAddr,
    /// Who sent the message.
    pub flow: Flow,
    /// Header and body (RFC 4271 §4.1). The header has a good marker and the right length; nothing else is checked.
    pub octets: &'a [u8],
    /// How octets are read: what both OPENs agreed on, from there to the end of the connection. `None` before, as for an OPEN.
    pub negotiated: Option<&'a Arc<Negotiated>>,
    /// When, by the clock of the runtime. For the time of day, ask for it in the call.
    pub at: Instant,
}

/// A change of a session's state.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StateEvent<'a> {
    /// The peer.
    pub peer: TappedPeer<'a>,
    /// The state before.
    pub old: State,
    /// The state now.
    pub new: State,
    /// Why a connection ended, if the change comes from such an end. `None` too for a refusal that was told before, see
    /// [`Output::Refused`](bgp_core::session::Output::Refused).
    pub reason: Option<&'a DownReason>,
    /// Why the session is not up, as in its status.
    pub last_error: Option<&'a LastError>,
    /// What was agreed on, when the new state is OpenConfirm or Established.
    pub negotiated: Option<&'a Arc<Negotiated>>,
    /// When, by the clock of the runtime.
    pub at: Instant,
}

/// What the decision process made of a prefix.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DecisionEvent<'a> {
    /// The prefix.
    pub prefix: IpNet,
    /// The best route, which may be a local one, with its attributes and where it comes from; `None`: there is none.
    pub best: Option<&'a ViewedRoute>,
    /// When, by the clock of the runtime.
    pub at: Instant,
}

/// As many connections as a session may have.
const MAX_AGREED: usize = 2;

/// One peer's part of the tap.
pub(super) struct PeerTap {
    subscriber: Arc<dyn Subscriber>,
    name: Arc<str>,
    id: PeerId,
    state: State,
    /// Why a connection ended since the state was last told.
    reason: Option<DownReason>,
    /// Of the last connections: a session that ends one forgets what was agreed on before the last NOTIFICATION is shown.
    agreed: VecDeque<(ConnId, Arc<Negotiated>)>,
}

impl PeerTap {
    pub(super) fn new(subscriber: Arc<dyn Subscriber>, name: Arc<str>, id: PeerId) -> Self {
        Self {
            subscriber,
            name,
            id,
            state: State::Idle,
            reason: None,
            agreed: VecDeque::new(),
        }
    }

    fn peer<'a>(&'a self, config: &SessionConfig) -> TappedPeer<'a> {
        TappedPeer {
            name: &self.name,
            id: self.id,
            local_as: config.local_as,
            peer_as: config.peer_as,
        }
    }

    /// What was agreed on for a connection, also right after its end.
    fn agreed(&mut self, session: &Session, id: ConnId) -> Option<Arc<Negotiated>> {
        let known = self.agreed.iter().find(|(known, _)| *known == id);
        if let Some((_, negotiated)) = known {
            return Some(Arc::clone(negotiated));
        }
        let negotiated = session.negotiated(id)?;
        self.agreed.truncate(MAX_AGREED - 1);
        self.agreed.push_front((id, Arc::clone(negotiated)));
        Some(Arc::clone(negotiated))
    }

    /// Shows each of these whole messages of a connection.
    pub(super) fn messages(
        &mut self,
        session: &Session,
        connection: &Connection,
        flow: Flow,
        mut octets: &[u8],
    ) {
        let negotiated = self.agreed(session, connection.id);
        let (peer, at) = (self.peer(session.config()), now());
        while let Some(len) = message_len(octets) {
            let (message, rest) = octets.split_at(len);
            octets = rest;
            self.subscriber.message(&MessageEvent {
                peer,
                local: connection.local,
                remote: connection.remote,
                flow,
                octets: message,
                negotiated: negotiated.as_ref(),
                at,
            });
        }
    }

    /// Notes why a connection ended.
    pub(super) fn ended(&mut self, reason: &DownReason) {
        self.reason = Some(reason.clone());
    }

    /// Tells the state, if it is another one than the last.
    pub(super) fn state(&mut self, session: &Session) {
        if self.state == session.state() {
            return;
        }
        let status = session.status();
        let old = std::mem::replace(&mut self.state, status.state);
        let reason = self.reason.take();
        self.subscriber.state(&StateEvent {
            peer: self.peer(session.config()),
            old,
            new: status.state,
            reason: reason.as_ref(),
            last_error: status.last_error.as_ref(),
            negotiated: status.negotiated.as_ref(),
            at: now(),
        });
    }
}

/// Takes the first message off a read buffer, if there is a whole one with a good marker. What is left is for the session to judge.
pub(super) fn take_message(input: &mut BytesMut) -> Option<BytesMut> {
    message_len(input).map(|len| input.split_to(len))
}

/// The length of the first message, header included.
fn message_len(octets: &[u8]) -> Option<usize> {
    let header = octets.first_chunk::<HEADER_LEN>()?;
    let [marker @ .., high, low, _kind] = header;
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    let is_whole = (HEADER_LEN..=octets.len()).contains(&len);
    (is_whole && *marker == [0xff; 16]).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_messages_with_a_good_marker_are_taken() {
        let keepalive = [&[0xff; 16][..], &[0, 19, 4]].concat();
        let mut input = BytesMut::from(&[&keepalive[..], &keepalive[..18]].concat()[..]);
        assert_eq!(take_message(&mut input).as_deref(), Some(&keepalive[..]));
        assert_eq!(take_message(&mut input), None);
        assert_eq!(input.len(), 18);
        for (place, octet) in [(3, 0xfe), (17, 18), (17, 20)] {
            let mut bad = BytesMut::from(&keepalive[..]);
            bad[place] = octet;
            assert_eq!(take_message(&mut bad), None, "octet {place} is {octet}");
        }
    }
}
