//! What happens to a network besides the speakers' own doing: work of operators, and faults.

use ipnet::IpNet;

use super::filter::Filter;
use super::naive::NaiveRoute;
use crate::session::Stop;

/// One thing that happens at one time.
#[derive(Clone, Debug)]
pub enum Action {
    /// A speaker originates a route.
    Announce(usize, IpNet, NaiveRoute),
    /// It no longer does.
    Withdraw(usize, IpNet),
    /// A speaker has another policy for a neighbour; the session stays.
    Configure {
        /// The session.
        link: usize,
        /// Whose policy.
        side: usize,
        /// For what it receives.
        import: Vec<Filter>,
        /// For what it tells.
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
    /// It adds it again.
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
        /// With which words.
        why: Stop,
    },
    /// It starts it again.
    Start {
        /// The session.
        link: usize,
        /// The side of the link that does it.
        side: usize,
    },
    /// Nothing that this side sends arrives any more, and nobody is told.
    Stall {
        /// The session.
        link: usize,
        /// Who is no longer heard.
        side: usize,
    },
    /// All that was held back arrives.
    Heal(usize),
    /// Attempts to connect are refused.
    Refuse(usize),
    /// They are no longer.
    Admit(usize),
    /// All connections of a link break; both sides notice.
    Break(usize),
    /// A bit of one of the next segments is turned.
    Corrupt(usize),
    /// A process ends; its machine closes the connections.
    Crash(usize),
    /// A machine loses power; nobody is told.
    PowerLoss(usize),
    /// A process ends for a graceful restart (RFC 4724 §4).
    Leave(usize),
    /// A process starts; `graceful`: as one whose forwarding state survived.
    Boot {
        /// The speaker.
        node: usize,
        /// RFC 4724 §4.1.
        graceful: bool,
    },
    /// A speaker reads a few octets at a time.
    ReadSlowly(usize),
    /// It reads what there is.
    ReadFast(usize),
}
