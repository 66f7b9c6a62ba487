//! Observes a running speaker: messages, session states, decisions.
//!
//! Metrics, a recorder, BMP (RFC 7854) and MRT (RFC 6396) are subscribers. A speaker without a subscriber pays nothing: no copy,
//! no allocation. A subscriber never sees a TCP MD5 password, which is not part of any message.

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

use crate::connection::TcpConnection;
use crate::timer::now;

/// Observes a speaker. Every method has an empty default.
///
/// The speaker's tasks call the subscriber directly: a method must not block, and a panic ends the speaker. Calls for one peer
/// are in order and never concurrent; calls for different peers may be concurrent.
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
    /// A complete message was received from a peer, before the session processes it, or was handed to the connection to a peer.
    fn message(&self, message: &MessageEvent<'_>) {
        let _ = message;
    }

    /// A session changed its state (RFC 4271 §8.2.2). The messages that caused it were shown before.
    fn state(&self, change: &StateEvent<'_>) {
        let _ = change;
    }

    /// Whether to call [`Subscriber::decision`]. Asked once, when the speaker starts: looking up each best route has a cost.
    fn wants_decisions(&self) -> bool {
        false
    }

    /// The decision process ran for a prefix (RFC 4271 §9.1); it may have chosen the same route as before. Called only if the
    /// subscriber [wants](Subscriber::wants_decisions) decisions.
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
    /// The peer's number in the RIB. The number of a removed peer may be used again.
    pub id: PeerId,
    /// Our AS number in the session.
    pub local_as: Asn,
    /// The peer's AS number, as configured.
    pub peer_as: Asn,
}

/// The direction of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// From the peer.
    Received,
    /// To the peer.
    Sent,
}

/// A complete BGP message.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MessageEvent<'a> {
    /// The peer.
    pub peer: TappedPeer<'a>,
    /// Our end of the connection.
    pub local: SocketAddr,
    /// The peer's end of the connection.
    pub remote: SocketAddr,
    /// The direction.
    pub flow: Flow,
    /// Header and body (RFC 4271 §4.1). The marker and the length are valid; nothing else has been checked.
    pub octets: &'a [u8],
    /// The negotiated capabilities, which tell how to read the octets, from the second OPEN to the end of the connection. `None`
    /// earlier, as for an OPEN.
    pub negotiated: Option<&'a Arc<Negotiated>>,
    /// When, by the clock of the runtime. For the time of day, read the system clock in the call.
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
    /// Why a connection ended, if that caused the change. Also `None` for a refusal that was reported earlier, see
    /// [`Output::Refused`](bgp_core::session::Output::Refused).
    pub reason: Option<&'a DownReason>,
    /// Why the session is not up, as in its status.
    pub last_error: Option<&'a LastError>,
    /// The negotiated capabilities, if the new state is OpenConfirm or Established.
    pub negotiated: Option<&'a Arc<Negotiated>>,
    /// When, by the clock of the runtime.
    pub at: Instant,
}

/// The result of the decision process for a prefix.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DecisionEvent<'a> {
    /// The prefix.
    pub prefix: IpNet,
    /// The best route, possibly a local one, with its attributes and source; `None` if there is no route.
    pub best: Option<&'a ViewedRoute>,
    /// When, by the clock of the runtime.
    pub at: Instant,
}

/// The most connections that a session may have.
const MAX_AGREED: usize = 2;

/// One peer's part of the tap.
pub(super) struct PeerTap {
    subscriber: Arc<dyn Subscriber>,
    name: Arc<str>,
    id: PeerId,
    state: State,
    /// Why a connection ended since the last state was shown.
    reason: Option<DownReason>,
    /// Of the last connections: a session that closes a connection forgets its capabilities before the last NOTIFICATION is
    /// shown.
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

    /// The capabilities of a connection, even right after its end.
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

    /// Shows each of these complete messages of a connection.
    pub(super) fn messages(
        &mut self,
        session: &Session,
        connection: &TcpConnection,
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

    /// Records why a connection ended.
    pub(super) fn ended(&mut self, reason: &DownReason) {
        self.reason = Some(reason.clone());
    }

    /// Shows the state, if it changed.
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

/// Splits the first message off a read buffer, if it is complete and has a valid marker. The session checks the rest.
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
