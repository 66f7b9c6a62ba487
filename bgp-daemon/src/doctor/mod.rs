//! Finds out why a session is down or degraded.
//!
//! | module      | what it is                                                             |
//! |-------------|------------------------------------------------------------------------|
//! | [`facts`]   | everything that was looked at, as plain data                           |
//! | [`rules`]   | pure: facts to findings                                                |
//! | [`finding`] | findings, with ids that do not change                                  |
//! | `probe`     | the looking: sockets, counters, kernel parameters, programs, handshakes |
//! | `examination` | what is looked at for which session                                  |
//! | [`online`]  | of a daemon that runs                                                  |
//! | [`preflight`] | of a node before anything runs                                       |
//!
//! An examination changes nothing. A silent peer is probed beside its session, with handshakes that are aborted at once.

mod examination;
pub mod facts;
pub mod finding;
pub mod online;
pub mod preflight;
mod probe;
mod routes;
pub mod rules;
mod stored;
