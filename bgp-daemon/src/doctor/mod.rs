//! Finds out why a session is down or degraded.
//!
//! | module        | content                                                                    |
//! |---------------|----------------------------------------------------------------------------|
//! | [`facts`]     | all observations, as plain data                                            |
//! | [`rules`]     | pure: facts to findings                                                    |
//! | [`finding`]   | findings, with stable ids                                                  |
//! | `probe`       | collects facts: sockets, counters, kernel parameters, programs, handshakes |
//! | `examination` | which facts to collect for which session                                   |
//! | [`online`]    | examination of a running daemon                                            |
//! | [`preflight`] | examination of a node before the daemon runs                               |
//!
//! An examination changes nothing. A silent peer is probed on additional connections, with handshakes that are aborted at once.

mod examination;
pub mod facts;
pub mod finding;
pub mod online;
pub mod preflight;
mod probe;
mod routes;
pub mod rules;
mod stored;
