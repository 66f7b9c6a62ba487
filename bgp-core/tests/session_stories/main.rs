//! Stories about one neighbour, using the public interface of [`bgp_core::session`] under virtual time.
//!
//! [`lone`] is a session with a peer played by the test, message by message; [`pair`] is two sessions with a network between
//! them. Tests cite their requirement as `Rxxxx-section-number`: the RFC, its section, and the number of the requirement in it;
//! `RFC.md` lists them.

mod collision;
mod lone;
mod messages;
mod negotiation;
mod pair;
mod properties;
mod restart;
mod status;
mod stop;
mod timers;
