//! What a session wants done, and how it is.

use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use super::interval::Interval;
use super::packet::{Diagnostic, Discriminator, Packet, State};

/// What is to happen, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// The session is in another state.
    Changed(Change),
    /// Send this to the peer.
    Transmit(Packet),
}

/// One state after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The state before.
    pub old: State,
    /// The state after.
    pub new: State,
    /// Why.
    pub cause: Cause,
    /// By the C bits, BFD shares the fate of the control plane on neither side.
    pub control_plane_independent: bool,
    /// When the peer last said that it hears us; `None` if it has not.
    pub worked_at: Option<Instant>,
}

/// Why a session is in another state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The peer is heard, or hears us.
    Handshake,
    /// Nothing was heard for the detection time.
    DetectionTimeExpired,
    /// The peer went down: most likely it does not hear us.
    PeerDown,
    /// The peer went down after we had sent nothing for its detection time: our process was not running.
    OwnSilence,
    /// The peer's operator holds its side down.
    PeerAdminDown,
    /// Our owner holds the session down, or no longer does.
    AdminDown,
}

impl Change {
    /// Whether the path is dead, or the peer. What an operator did says nothing of either (RFC 5882 §3.2), and our own silence was
    /// no fault of theirs.
    pub fn is_failure(&self) -> bool {
        let by_itself = matches!(self.cause, Cause::DetectionTimeExpired | Cause::PeerDown);
        self.old == State::Up && by_itself
    }

    /// Whether a graceful restart of the peer that is going on is not viable: its forwarding is dead (RFC 5882 §4.3.1). Where BFD
    /// shares the fate of a control plane, a failure may be the restart itself, which goes on (§4.3.2).
    pub fn ends_graceful_restart(&self) -> bool {
        self.is_failure() && self.control_plane_independent
    }
}

/// What the deadline of [`Session::poll_timeout`](super::Session::poll_timeout) is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// The peer must have been heard by then.
    Detect,
    /// Send the next packet.
    Transmit,
}

/// How a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Its state.
    pub state: State,
    /// Why it last left a state.
    pub diagnostic: Diagnostic,
    /// By this number we know it.
    pub local: Discriminator,
    /// What the peer last said; `None` while it is not heard.
    pub peer: Option<PeerView>,
    /// Interval between our packets, before jitter; `None` while there are to be none.
    pub transmit_interval: Option<Interval>,
    /// After so much time without a packet the path is dead; `None` while the peer is not heard.
    pub detection_time: Option<Duration>,
    /// The peer has not yet confirmed our intervals.
    pub polling: bool,
}

/// What the peer last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerView {
    /// By this number it knows the session.
    pub discriminator: Discriminator,
    /// Its state.
    pub state: State,
    /// Why it last left a state.
    pub diagnostic: Diagnostic,
    /// It would like to send as often as this.
    pub desired_min_tx: Interval,
    /// It can take packets as often as this.
    pub required_min_rx: Interval,
    /// So many of its packets in a row may be lost.
    pub multiplier: NonZeroU8,
    /// It wants no periodic packets while both sides are up.
    pub demand: bool,
    /// Its BFD goes on while its control plane restarts.
    pub control_plane_independent: bool,
}

impl PeerView {
    pub(super) fn of(packet: &Packet) -> Self {
        Self {
            discriminator: packet.my_discriminator,
            state: packet.state,
            diagnostic: packet.diagnostic,
            desired_min_tx: packet.desired_min_tx,
            required_min_rx: packet.required_min_rx,
            multiplier: packet.multiplier,
            demand: packet.demand,
            control_plane_independent: packet.control_plane_independent,
        }
    }
}
