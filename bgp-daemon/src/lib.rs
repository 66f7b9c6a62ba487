//! Calico's agent on top of [`bgp_speaker`], and the binary `bgp-daemon`.
//!
//! | module             | content                                                            |
//! |--------------------|--------------------------------------------------------------------|
//! | [`resources`]      | Calico resource types, parsed, with errors that point at the line  |
//! | [`datastore`]      | sources of resources                                               |
//! | [`plan`]           | pure: resources and a node name to the plan of this node's speaker |
//! | `desired`          | pure: a plan to the speaker's configuration                        |
//! | [`outlook`]        | pure: what is advertised, and the effect of a change               |
//! | [`explain`]        | pure: why a prefix is advertised to a peer, or not                 |
//! | [`lint`]           | pure: legal but wrong resources                                    |
//! | [`router_side`]    | pure: what a router needs to peer with the nodes                   |
//! | [`schema`]         | JSON schemas of resources                                          |
//! | [`control`]        | BIRD-compatible control sockets                                    |
//! | [`agent`]          | the node's agent: plan, speaker, kernel and control sockets        |
//! | [`doctor`]         | why a session is down or degraded                                  |
//! | [`cluster_report`] | reports to a Kubernetes cluster: Events, status objects            |
//! | [`cli`]            | one file per command                                               |
//! | [`meters`]         | continuous measurements                                            |
//! | [`occupant`]       | which program listens on a port                                    |
//! | [`privileges`]     | the privileges of this process on the machine                      |
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
pub mod router_side;
pub mod schema;
mod service_manager;
mod sockets;
pub mod takeover;
