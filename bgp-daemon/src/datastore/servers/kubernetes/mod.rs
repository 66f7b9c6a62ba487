//! The Kubernetes API: Calico's custom resources, nodes, services and Secrets.
//!
//! | module     | content                                                     |
//! |------------|-------------------------------------------------------------|
//! | [`client`] | address of the server, our credentials, and requests        |
//! | [`follow`] | lists and watches, for the speaker                          |
//! | [`object`] | conversion between stored objects and those of Calico's API |
//! | [`store`]  | reads and changes single objects, for commands              |
//!
//! Calico's own manifest has enough permissions for the speaker; the operator adds Secrets, which are read by name, and the
//! status of CalicoNodeStatus. Services are read only while they are advertised.

pub(super) mod client;
pub(super) mod cluster;
pub(super) mod follow;
mod object;
pub(super) mod store;
