//! etcd v3: Calico's resources and block claims, as written by calicoctl and Calico's IPAM.
//!
//! | module       | what it is                                                |
//! |--------------|-----------------------------------------------------------|
//! | `api`        | the part of etcd's gRPC API that is needed                |
//! | `settings`   | where its members are, and who we are to them             |
//! | `client`     | a connection to one of them                               |
//! | `error`      | why it did not do it                                      |
//! | `keys`       | keys and values to objects, and back                      |
//! | [`follow`]   | lists and watches, for the speaker                        |
//! | [`store`]    | reads and changes single objects, for commands            |
//!
//! Services, EndpointSlices and Secrets are not in etcd, but in Kubernetes.

mod api;
mod client;
mod error;
pub(super) mod follow;
mod keys;
mod settings;
pub(super) mod store;

pub(super) use self::settings::EtcdSettings;
