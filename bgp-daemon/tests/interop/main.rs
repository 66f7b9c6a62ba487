//! Interoperation with real BGP speakers, each in its own network namespace.
//!
//! Needs root (or a user namespace) and the peers' programs; a test without them prints `SKIPPED: reason`, see
//! [`lab::requirement`].

#[path = "../lab/mod.rs"]
mod lab;

mod api_document;
mod beyond_the_link;
mod bfd;
mod data_plane;
mod doctor;
mod drain;
mod dynamic_peers;
mod ecmp;
mod etcd;
mod explain;
mod faults;
mod foreseen;
mod found_peers;
mod graceful_restart;
mod graceful_restart_data_plane;
mod hostile;
mod installed;
mod kubernetes;
mod kubernetes_datastore;
mod kubernetes_install;
mod kubernetes_rights;
mod lab_self_check;
mod live_changes;
mod metrics;
mod mixed_mesh;
mod operating;
mod peer_config;
mod privileges;
mod refusals;
mod scenario;
mod settings_capabilities;
mod settings_counters;
mod settings_roles;
mod settings_routes;
mod settings_security;
mod settings_timers;
mod stage;
mod stop;
mod takeover;
mod top_of_rack;
mod workload_peers;
