//! Events that a speaker sends to its owner.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::rib::ForwardRoute;
use bgp_core::session::{DownReason, Negotiated};
use ipnet::IpNet;

/// A change of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The session is Established.
    Up {
        /// The peer's name.
        peer: Arc<str>,
        /// The negotiated capabilities.
        negotiated: Arc<Negotiated>,
    },
    /// The session left Established.
    Down {
        /// The peer's name.
        peer: Arc<str>,
        /// The reason.
        reason: DownReason,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { peer, negotiated } => {
                write!(
                    f,
                    "{peer}: established with AS {} ({})",
                    negotiated.peer_as, negotiated.peer_id
                )
            }
            Self::Down { peer, reason } => write!(f, "{peer}: down ({reason})"),
        }
    }
}

/// A request of the RIB to the forwarding plane.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardingEvent {
    /// The route to a prefix changed; `None` means that no peer has one.
    Route {
        /// The prefix.
        prefix: IpNet,
        /// The best route and its next hops.
        route: Option<ForwardRoute>,
    },
    /// Resolve this next hop: answer with [`Input::NextHop`](bgp_core::rib::Input::NextHop), and again whenever the answer
    /// changes.
    Resolve(IpAddr),
    /// Stop resolving this next hop, until it is requested again.
    Forget(IpAddr),
    /// The deferral after a restart is over: all routes to install were sent.
    DeferralEnded,
}

/// Receives forwarding events. Called by the task of the table, so it must not block.
pub type ForwardingSink = Box<dyn Fn(ForwardingEvent) + Send + Sync>;

/// The speaker has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the speaker has ended")]
pub struct Ended;
