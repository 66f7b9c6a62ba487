//! The control sockets `bird.ctl` and `bird6.ctl`, for `calicoctl`, the health probes, `birdcl` and exporters.
//!
//! | module      | content                                                                 |
//! |-------------|-------------------------------------------------------------------------|
//! | [`command`] | pure: a command line to a [`Query`](command::Query)                     |
//! | [`model`]   | plain snapshots of the speaker, filled in by its owner                  |
//! | [`render`]  | pure: snapshots to the text of BIRD 1.6                                 |
//! | [`reply`]   | pure: lines with reply codes                                            |
//! | [`json`]    | pure: snapshots to one JSON document                                    |
//! | [`request`] | queries for the owner of the speaker, and its answers                   |
//! | [`limits`]  | limits of a socket, and what happens at them                            |
//! | [`server`]  | the sockets; queries the owner of the speaker through a bounded channel |
//! | [`client`]  | the client side, for `calicoctl node status` and `birdcl`               |
//!
//! A server never accesses the speaker: it sends a [`Request`](request::Request) and renders the answer. A request without an
//! answer in time gets an error line, so that no client hangs.

pub mod client;
pub mod command;
mod connection;
pub mod json;
pub mod limits;
pub mod model;
pub mod render;
pub mod reply;
pub mod request;
pub mod server;
pub mod session_name;
mod version;

pub use version::VERSION;
