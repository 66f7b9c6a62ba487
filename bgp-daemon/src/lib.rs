//! Calico's agent on top of [`bgp_speaker`], and the binary `bgp-daemon`.
//!
//! | module        | what it is                                                                |
//! |---------------|---------------------------------------------------------------------------|
//! | [`resources`] | Calico resource types, parsed, with errors that point at the line         |
//! | [`datastore`] | where resources come from                                                 |
//! | [`plan`]      | pure: resources and a node name to what this node's speaker must be       |
//! | `desired`     | pure: a plan as what its speaker is to be                                 |
//! | [`outlook`]   | pure: what peers would be told, and what a change would do                |
//! | [`explain`]   | pure: why a prefix is told to a peer, or not                              |
//! | [`lint`]      | pure: what is legal in resources, and wrong                               |
//! | [`control`]   | BIRD-compatible control sockets                                           |
//! | [`agent`]     | the node's agent: plan, speaker, kernel and control sockets together      |
//! | [`doctor`]    | why a session is not up, or not well                                      |
//! | [`cluster_report`] | what a Kubernetes cluster is told: Events, status objects             |
//! | [`cli`]       | one file per command                                                      |
//! | [`meters`]    | what is measured as it happens                                            |
//! | [`occupant`]  | which program listens on a port                                           |
//! | [`privileges`]| what this process may do to the machine                                   |
//!
//! Arrows point one way: `resources` <- `datastore`, `plan` <- `desired` <- `outlook` <- `explain` <- `control` <- `agent` <- `doctor` <- `api` <- `cli`.

pub mod agent;
pub mod api;
pub mod cli;
mod clock;
pub mod cluster_report;
pub mod control;
pub mod datastore;
mod desired;
pub mod doctor;
pub mod explain;
mod go_error;
pub mod lint;
pub mod log;
pub mod meters;
pub mod occupant;
pub mod outlook;
pub mod plan;
pub mod privileges;
pub mod resources;
mod sockets;
