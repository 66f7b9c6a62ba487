//! Snapshots to the text of BIRD 1.6, byte for byte: programs take these lines to pieces. Pure.
//!
//! Each function appends lines, and the last line where it is part of the form, to a [`Reply`](super::reply::Reply). Never
//! asks for the time or the time zone itself: both come in a [`Clock`].

pub mod actions;
mod clock;
pub mod interfaces;
pub mod memory;
pub mod protocols;
pub mod routes;
pub mod status;

pub use clock::Clock;
