//! Calico's agent on top of [`bgp_speaker`], and the binary `bgp-daemon`.
//!
//! | module        | what it is                                                                |
//! |---------------|---------------------------------------------------------------------------|
//! | [`resources`] | Calico resource types, parsed, with errors that point at the line         |
//! | [`datastore`] | where resources come from                                                 |
//! | [`plan`]      | pure: resources and a node name to what this node's speaker must be       |
//! | [`control`]   | BIRD-compatible control sockets                                           |
//! | [`agent`]     | the node's agent: plan, speaker, kernel and control sockets together      |
//! | [`cli`]       | one file per command                                                      |
//! | [`occupant`]  | which program listens on a port                                           |
//! | [`privileges`]| what this process may do to the machine                                   |
//!
//! Arrows point one way: `resources` <- `datastore`, `plan` <- `control` <- `agent` <- `cli`.

pub mod agent;
pub mod cli;
pub mod control;
pub mod datastore;
mod go_error;
pub mod log;
pub mod occupant;
pub mod plan;
pub mod privileges;
pub mod resources;
