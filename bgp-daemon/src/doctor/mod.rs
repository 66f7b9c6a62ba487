//! Why a session is not up, or not well, told apart by looking.
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
//! Nothing is changed by looking. A session whose peer is silent is tried beside it with handshakes that are broken off at once.

mod examination;
pub mod facts;
pub mod finding;
pub mod online;
pub mod preflight;
mod probe;
mod routes;
pub mod rules;
mod stored;
