//! Stories of one neighbour, told to the public interface of [`bgp_core::session`] under virtual time.
//!
//! [`lone`] is a session whose peer is played by the test, message by message; [`pair`] is two sessions with a network
//! between them. Tests cite the requirement that they hold as `Rxxxx-section-number`: the RFC, its section, and the number
//! of the requirement in it; `RFC.md` lists them.

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
