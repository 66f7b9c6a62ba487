//! Routers on the link: finds the neighbours of unnumbered sessions by router advertisements (RFC 4861), and is found by them.
//!
//! On each configured link [`Discovery`] sends router advertisements and solicitations, and lists the routers that it hears. Other
//! links are never touched. An owner makes a peer of a router that it finds: [`PeerSpec::remote`](crate::PeerSpec::remote) is the
//! link-local address with the interface as scope, and IPv4 routes come by `extended_next_hop` (RFC 8950).
//!
//! `message` holds the formats; `link` decides on one link when to send, and which routers there are, and is pure; `socket` is the
//! raw socket, which needs CAP_NET_RAW when it is opened; `task` joins them.

mod link;
mod message;
mod socket;
mod task;

pub use link::{Found, MAX_ROUTERS};
pub use message::ROUTER_LIFETIME;
pub use socket::DiscoverySocket;
pub use task::{Discovery, Links};
