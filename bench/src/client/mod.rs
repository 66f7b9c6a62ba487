//! The other side of every session: any number of BGP speakers in one thread, which send prepared bytes and count what
//! they get.
//!
//! | module       | what it is                                                                  |
//! |--------------|-----------------------------------------------------------------------------|
//! | `poller`     | which sockets are ready (epoll)                                             |
//! | `connection` | framing, and a queue of shared bytes to send; the forwarder uses it too     |
//! | `sink`       | which prefixes have arrived: one bit each                                   |
//! | `session`    | one session: handshake, answers                                             |
//! | `fleet`      | all sessions: opens them, waits until something has arrived                 |
//!
//! It keeps no routes and checks no attributes but for the sender of a path where a scenario asks for the best one: on
//! two cores, what it saves is the daemon's.

pub(crate) mod connection;
pub(crate) mod fleet;
pub(crate) mod poller;
pub(crate) mod session;
pub(crate) mod sink;
