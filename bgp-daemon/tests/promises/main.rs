//! The promises of `docs/calico.md`: each has a test, and those that need a whole agent are tested here.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

mod catalogue;
mod control;
mod live;
#[path = "../../../bgp-speaker/tests/netns/mod.rs"]
mod netns;
mod plans;
mod scene;
mod status;
