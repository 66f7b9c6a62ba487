//! The routes of a RIB on their way to another process: the Adj-RIB-In of each peer as received, and what each peer was told.
//!
//! The old RIB writes chunks while nothing changes it ([`Rib::hand_over`]). The new one has its settings and its local routes,
//! and [holds](Rib::hold) all decisions. It takes in the chunks ([`Rib::take_over`]): routes go through *its* import policy, and
//! what a peer was told becomes a [`Lag`](super::lag::Lag), as if the peer came from another update group. So when it goes on
//! ([`Rib::go_on`]), each peer is sent exactly the difference between what it was told and what it should have: with equal
//! settings, nothing.
//!
//! | part      | content                                                                                       |
//! |-----------|-----------------------------------------------------------------------------------------------|
//! | start     | the age of the RIB, so that routes keep theirs                                                |
//! | peers     | stale routes, counters, own next hops                                                         |
//! | attributes| each set once, before its first use                                                           |
//! | slots     | a prefix, its paths, the entries of each update group, and what lagging members hold instead  |
//! | members   | the update group of each peer                                                                 |
//!
//! Own identifiers of paths (RFC 7911) are kept, except for prefixes with very many paths, of which peers may be sent some again.

mod read;
mod record;
mod write;

pub(super) use read::TakeOver;
pub use write::Cursor;
pub(super) use write::chunk;
