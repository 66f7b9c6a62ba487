//! Real connections and real time for the values of `bgp-core`, and the speaker as a library.
//!
//! | module         | what it is                                                        |
//! |----------------|-------------------------------------------------------------------|
//! | [`speaker`]    | what an agent embeds: peers, local routes, events, questions      |
//! | `inquirer`     | asks the neighbours how they are                                  |
//! | `neighbour`    | a task per neighbour: drives one session                          |
//! | `table`        | one task: drives the RIB                                          |
//! | `acceptor`     | a task: brings connections to the neighbours                      |
//! | `connection`   | buffers of the TCP connections of a neighbour                     |
//! | `farewell`     | connections that are being closed                                 |
//! | [`listener`]   | accepts connections                                               |
//! | `keys`         | TCP MD5 keys of a listening socket                                |
//! | [`connect`]    | dials                                                             |
//! | [`sockopt`]    | TCP MD5, TTL security: the only `unsafe` of the project           |
//!
//! Share nothing, lock nothing: the tasks are joined by bounded channels that carry the enums of `bgp-core`.

mod acceptor;
pub mod connect;
mod connection;
mod farewell;
mod inquirer;
mod keys;
pub mod listener;
mod neighbour;
pub mod sockopt;
pub mod speaker;
mod table;

use std::fmt;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Instant;

use bgp_core::rib::ForwardRoute;
use bgp_core::session::{DownReason, Negotiated};
use ipnet::IpNet;
use rustix::process::{Resource, getrlimit};

pub use inquirer::Inquirer;
pub use neighbour::NeighbourStatus;
pub use speaker::{Ended, Partings, PeerSettings, Routes, Speaker, SpeakerError};

/// What happened to a session.
#[derive(Clone, Debug)]
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

/// Descriptors that are not given to connections of peers: files, control sockets and the kernel need some.
const RESERVE: u64 = 64;

/// Whether a connection took one of the last descriptors, and is to be closed: the system gives the smallest number that is
/// free. Where few are allowed, a quarter is held back.
fn is_of_reserve(socket: &impl AsRawFd) -> bool {
    let number = u64::try_from(socket.as_raw_fd()).unwrap_or_default();
    let limit = getrlimit(Resource::Nofile).current;
    limit.is_some_and(|limit| number + RESERVE.min(limit / 4) >= limit)
}

/// Sleeps until an instant; for ever without one.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
