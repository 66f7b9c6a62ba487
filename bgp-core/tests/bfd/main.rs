//! BFD: packets, the state machine, and two machines under virtual time.

#![allow(clippy::unwrap_used, reason = "test code")]

mod machine;
mod packets;
mod simulation;
mod timers;
mod world;
