//! The promises of `docs/calico.md`: that each has a test, and those that are best kept by a whole agent.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

mod catalogue;
mod control;
mod live;
#[path = "../../../bgp-speaker/tests/netns/mod.rs"]
mod netns;
mod plans;
mod scene;
mod status;
