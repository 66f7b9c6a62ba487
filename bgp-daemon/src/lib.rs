//! Everything of the speaker that touches the world: a library for agents that embed it, and the binary `bgp-daemon`.
//!
//! | module        | what it is                                                                |
//! |---------------|---------------------------------------------------------------------------|
//! | [`resources`] | Calico resource types, parsed, with errors that point at the line         |
//! | [`datastore`] | where resources come from                                                 |
//! | [`plan`]      | pure: resources and a node name to what this node's speaker must be       |
//! | [`net`]       | TCP connections, and the tasks that drive sessions and the RIB            |
//! | [`kernel`]    | routes and interfaces through netlink                                     |
//! | [`control`]   | BIRD-compatible control sockets                                           |
//! | [`agent`]     | the node's agent: plan, speaker, kernel and control sockets together      |
//! | [`cli`]       | one file per command                                                      |
//! | [`tasks`]     | tasks whose owner sees them end                                           |
//! | [`alarms`]    | what is wrong at the moment, apart from resources                         |
//! | [`occupant`]  | which program listens on a port                                           |
//! | [`privileges`]| what this process may do to the machine                                   |
//!
//! Arrows point one way: `resources` <- `datastore`, `plan` <- `net`, `kernel`, `control` <- `agent` <- `cli`.

pub mod agent;
pub mod alarms;
pub mod cli;
pub mod control;
pub mod datastore;
pub mod kernel;
pub mod log;
pub mod net;
pub mod occupant;
pub mod plan;
mod pool;
pub mod privileges;
pub mod resources;
pub mod tasks;
