//! The HTTP API: status, sessions, routes, problems, events, probes.
//!
//! The Unix socket `bgp-daemon.sock` in the run directory serves everything; TCP, if the operator enables it, serves only
//! endpoints without routes: see [`Scope`]. The API is read-only.
//!
//! | module        | what it is                                                               |
//! |---------------|--------------------------------------------------------------------------|
//! | [`model`]     | the answers, as plain values                                             |
//! | `answers`     | from what the agent shows to these values                                |
//! | `events`      | what `GET /v1/events` tells, as it happens                               |
//! | `context`     | what answers are made of, and how questions are read                     |
//! | `handlers`    | who answers each question                                                |
//! | [`metrics`]   | `GET /metrics`                                                           |
//! | `proposals`   | what other resources would change                                        |
//! | `endpoint`    | a question: path, parameters, form of the answer, who answers            |
//! | `endpoints`   | the list of all questions                                                |
//! | `openapi`     | the list as an OpenAPI document                                          |
//! | `questions`   | the same questions, for tasks of this process                            |
//! | `error`       | why a question has no answer                                             |
//! | [`server`]    | the sockets, and the limits of their clients                             |
//! | [`client`]    | the other end, for commands                                              |
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
