//! Faults of the network, of routers, of our process and of its machine: a node with two routers, BIRD and FRR, loses no more than
//! [`table`] says, and in the end everything is as before.
//!
//! Each fault is a test with a laboratory of its own. What a run has measured goes to [`report`], which writes `docs/faults.md`.

mod machine;
mod network;
mod ours;
mod report;
mod routers;
mod scene;
mod table;
