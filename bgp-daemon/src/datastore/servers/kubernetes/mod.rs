//! The Kubernetes API: Calico's custom resources, nodes, services and Secrets.
//!
//! | module         | what it is                                                     |
//! |----------------|----------------------------------------------------------------|
//! | [`client`]     | where the server is, who we are to it, and what it is asked    |
//! | [`follow`]     | lists and watches, for the speaker                             |
//! | [`object`]     | objects as the server holds them, and as Calico's API shows them |
//! | [`store`]      | reads and changes single objects, for commands                 |
//!
//! Calico's own manifest has enough permissions for the speaker; the operator adds Secrets, which are read by name, and the
//! status of CalicoNodeStatus. Services are read only while they are advertised.

pub(super) mod client;
pub(super) mod cluster;
pub(super) mod follow;
mod object;
pub(super) mod store;
