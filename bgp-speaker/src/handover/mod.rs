//! A speaker hands everything over to one in another process, and no peer notices: the sessions go on over the same connections.
//!
//! ```text
//!   old process                              successor
//!                                            has its settings and local routes; decides, listens and dials nothing
//!                  <- Hello                  version, AS, identifier, owner
//!   neighbours read no more: what came is in the RIB; KEEPALIVEs go on
//!   Welcome ->
//!   the RIB stands still
//!   Peer, Routes ... ->                      routes go through its own import policy
//!                  <- RoutesHeld
//!   neighbours do nothing any more           from here to Commit the node is silent: a few milliseconds
//!   Session, Listener ..., End ->            holds copies of the sockets, and does not use them
//!                  <- Holding
//!   Commit ->                                uses them
//!   ends without another octet               decides: what was told is compared with what should be
//! ```
//!
//! Only one of the two ever uses a socket. Until it has sent `Commit`, the old process can go on as if nothing had happened, and
//! does so at any error, and when the other side is late. The successor uses a socket only after `Commit`. If both are gone, the
//! kernel closes the connections, and peers with graceful restart keep the routes.
//!
//! What cannot be handed over in full is not handed over at all ([`HandoverError::Refused`]): dynamic peers, families that are
//! not routed here, a speaker that itself still waits for its peers after a start, and other versions of the form. Sessions that
//! are not Established are started anew by the successor. Keys of TCP MD5 and sequence numbers are in the kernel and stay there.

mod error;
mod giver;
mod line;
mod state;
mod taker;

pub use error::HandoverError;
pub(crate) use state::{Frozen, HandingOver, Quiet, QuietSession, Taken, stream};
pub use state::{HandedOver, TakenOver};
