//! What a speaker tells its owner.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::rib::ForwardRoute;
use bgp_core::session::{DownReason, Negotiated};
use ipnet::IpNet;

/// What happened to a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// It is Established.
    Up {
        /// The peer's name.
        peer: Arc<str>,
        /// What was agreed on.
        negotiated: Arc<Negotiated>,
    },
    /// It left Established.
    Down {
        /// The peer's name.
        peer: Arc<str>,
        /// Why.
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

/// What the RIB wants of whoever forwards packets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardingEvent {
    /// The route to a prefix changed; `None`: no peer has one.
    Route {
        /// Which.
        prefix: IpNet,
        /// How to reach it.
        route: Option<ForwardRoute>,
    },
    /// The way to this next hop is wanted: answer with [`Input::NextHop`](bgp_core::rib::Input::NextHop), again whenever it changes.
    Resolve(IpAddr),
    /// The way to this next hop is no longer wanted, until it is asked for again.
    Forget(IpAddr),
    /// Waiting after a restart is over: all that is to be installed has been told.
    DeferralEnded,
}

/// Takes what the RIB wants of forwarding. Called by the task of the table: it must not wait.
pub type ForwardingSink = Box<dyn Fn(ForwardingEvent) + Send + Sync>;

/// The speaker has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the speaker has ended")]
pub struct Ended;
