//! The control sockets `bird.ctl` and `bird6.ctl`: what `calicoctl`, the health probes, `birdcl` and exporters talk to.
//!
//! | module      | what it is                                                                     |
//! |-------------|--------------------------------------------------------------------------------|
//! | [`command`] | pure: a command line to a [`Query`](command::Query)                            |
//! | [`model`]   | plain snapshots of the speaker, filled in by whoever owns it                   |
//! | [`render`]  | pure: snapshots to the text of BIRD 1.6                                        |
//! | [`reply`]   | pure: lines with reply codes                                                   |
//! | [`json`]    | pure: snapshots to one JSON document                                           |
//! | [`server`]  | the sockets; asks the owner of the speaker through a bounded channel           |
//! | [`client`]  | the other end, as `calicoctl node status` and `birdcl` read it                 |
//!
//! A server never looks into the speaker: it sends a [`Request`](server::Request) and renders the answer. A question that
//! finds no answer in time gets an error line, so that a client never hangs on us.

pub mod client;
mod clients;
pub mod command;
mod connection;
pub mod json;
pub mod model;
pub mod render;
pub mod reply;
pub mod server;
pub mod session_name;
mod socket;

/// What this daemon calls itself on its sockets. Readers take what follows `BIRD ` as a version only if it begins with `v`.
pub const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"), "+bgp-daemon");
