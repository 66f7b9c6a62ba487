//! Events of a network other than the work of its speakers: operations and faults.

use ipnet::IpNet;

use super::filter::Filter;
use super::naive::NaiveRoute;
use crate::session::Stop;

/// One event.
#[derive(Clone, Debug)]
pub enum Action {
    /// A speaker originates a route.
    Announce(usize, IpNet, NaiveRoute),
    /// A speaker withdraws a route.
    Withdraw(usize, IpNet),
    /// A speaker gets another policy for a neighbour; the session stays.
    Configure {
        /// The session.
        link: usize,
        /// The side that gets the policy.
        side: usize,
        /// Import policy.
        import: Vec<Filter>,
        /// Export policy.
        export: Vec<Filter>,
    },
    /// A speaker proposes another hold time, which needs a new session.
    HoldTime {
        /// The session.
        link: usize,
        /// The side of the link that does it.
        side: usize,
        /// In seconds.
        secs: u16,
    },
    /// A speaker removes a neighbour.
    Remove {
        /// The session.
        link: usize,
        /// The side of the link that does it.
        side: usize,
    },
    /// A speaker adds a removed neighbour again.
    Add {
        /// The session.
        link: usize,
        /// The side of the link that does it.
        side: usize,
    },
    /// A speaker stops a session.
    Stop {
        /// The session.
        link: usize,
        /// The side of the link that does it.
        side: usize,
        /// The reason.
        why: Stop,
    },
    /// A speaker starts a stopped session again.
    Start {
        /// The session.
        link: usize,
        /// The side of the link that does it.
        side: usize,
    },
    /// Octets sent by this side no longer arrive, without an error.
    Stall {
        /// The session.
        link: usize,
        /// The side whose octets are lost.
        side: usize,
    },
    /// All held octets arrive.
    Heal(usize),
    /// Attempts to connect are refused.
    Refuse(usize),
    /// Attempts to connect succeed again.
    Admit(usize),
    /// All connections of a link break; both sides notice.
    Break(usize),
    /// A bit of one of the next segments is flipped.
    Corrupt(usize),
    /// A process ends; its machine closes the connections.
    Crash(usize),
    /// A machine loses power; no peer is notified.
    PowerLoss(usize),
    /// A process ends for a graceful restart (RFC 4724 §4).
    Leave(usize),
    /// A process starts; with `graceful`, its forwarding state was preserved.
    Boot {
        /// The speaker.
        node: usize,
        /// RFC 4724 §4.1.
        graceful: bool,
    },
    /// A speaker reads a few octets at a time.
    ReadSlowly(usize),
    /// A speaker reads everything available.
    ReadFast(usize),
}
