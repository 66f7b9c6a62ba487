//! Renders snapshots as the text of BIRD 1.6 (BFD: of BIRD 2), byte for byte, because programs parse these lines. Pure.
//!
//! Each function appends lines to a [`Reply`](super::reply::Reply), including the last line if it is part of the form. The time
//! and the time zone come in a [`Clock`].

pub mod actions;
pub mod bfd;
mod clock;
pub mod interfaces;
pub mod memory;
pub mod protocols;
pub mod routes;
pub mod status;

pub use clock::Clock;
