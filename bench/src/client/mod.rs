//! The peers of every session: any number of BGP speakers in one thread, which send prepared octets and count received prefixes.
//!
//! | module       | what it is                                                                  |
//! |--------------|-----------------------------------------------------------------------------|
//! | `poller`     | which sockets are ready (epoll)                                             |
//! | `connection` | framing, and a queue of shared bytes to send; the forwarder uses it too     |
//! | `sink`       | which prefixes have arrived: one bit each                                   |
//! | `session`    | one session: handshake, answers                                             |
//! | `fleet`      | all sessions: opens them, waits until something has arrived                 |
//!
//! It keeps no routes and checks no attributes, except for the sender of a path if a scenario needs the best one: on two cores,
//! this leaves CPU time to the daemon.

pub(crate) mod connection;
pub(crate) mod fleet;
pub(crate) mod poller;
pub(crate) mod session;
pub(crate) mod sink;
