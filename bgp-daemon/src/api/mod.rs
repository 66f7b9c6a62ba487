//! The HTTP API: status, sessions, routes, problems, events, probes.
//!
//! The Unix socket `bgp-daemon.sock` in the run directory serves everything; TCP, if the operator enables it, serves only
//! endpoints without routes: see [`Scope`]. The API is read-only.
//!
//! | module      | content                                                   |
//! |-------------|-----------------------------------------------------------|
//! | [`model`]   | the answers, as plain values                              |
//! | `answers`   | the agent's state as these values                         |
//! | `events`    | the events of `GET /v1/events`                            |
//! | `context`   | the input of answers, and the parsing of requests         |
//! | `handlers`  | the function for each request                             |
//! | [`metrics`] | `GET /metrics`                                            |
//! | `proposals` | the effect of other resources                             |
//! | `endpoint`  | a request: path, parameters, type of the answer, function |
//! | `endpoints` | the list of all requests                                  |
//! | `openapi`   | the list as an OpenAPI document                           |
//! | `questions` | the same requests, for tasks of this process              |
//! | `error`     | why a request failed                                      |
//! | [`server`]  | the sockets, and the limits of their clients              |
//! | [`client`]  | the client side, for commands                             |
//!
//! A request is answered by the task of its connection, from handles on the speaker ([`View`](crate::agent::View)): it blocks
//! neither the agent nor the RIB.

mod answers;
pub mod client;
mod context;
mod endpoint;
mod endpoints;
mod error;
mod events;
mod handlers;
pub mod metrics;
pub mod model;
mod openapi;
mod proposals;
mod questions;
pub mod server;

pub use endpoint::Scope;
pub use endpoints::document;
pub use questions::Questions;
