#![forbid(unsafe_code)]
#![warn(clippy::wildcard_enum_match_arm)]
//! BGP-4 (RFC 4271) as plain values: no socket, no clock, no thread, no randomness, no async.
//!
//! | module      | what it is                                                            | imports          |
//! |-------------|-----------------------------------------------------------------------|------------------|
//! | [`types`]   | AS numbers, identifiers, address families, prefixes                   | nothing          |
//! | [`wire`]    | messages to bytes and back                                            | `types`          |
//! | [`session`] | one neighbour: bytes and instants in; bytes, deadlines and events out | `wire`           |
//! | [`policy`]  | match and modify a route                                              | `wire`           |
//! | [`rib`]     | all routes: Adj-RIB-In, Loc-RIB, Adj-RIB-Out                          | `policy`, `wire` |
//! | [`speaker`] | many sessions and one RIB as a single value                           | all of the above |
//!
//! # The law
//!
//! Time comes in as an [`Instant`](std::time::Instant), bytes come in as [`bytes::BytesMut`]. `handle_*`
//! methods change a value and never fail. What should happen in the world comes out of **one ordered
//! queue**: after each `handle_*`, call `poll_output` until it is empty and perform what it says, in
//! order; then sleep until `poll_timeout` or the next event. Nothing calls back.
//!
//! # The loop
//!
//! Two speakers and a wire between them, all in memory. An owner with sockets does the same: it performs each
//! [`speaker::Output`] on its connections and tells what came of it.
//!

pub mod session;
pub mod types;
pub mod wire;
