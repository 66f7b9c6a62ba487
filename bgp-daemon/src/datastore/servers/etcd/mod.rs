//! etcd v3: Calico's resources and block claims, as written by calicoctl and Calico's IPAM.
//!
//! | module     | content                                        |
//! |------------|------------------------------------------------|
//! | `api`      | the part of etcd's gRPC API that is needed     |
//! | `settings` | addresses of its members, and our credentials  |
//! | `client`   | a connection to one member                     |
//! | `error`    | errors of requests                             |
//! | `keys`     | conversion between keys and values and objects |
//! | [`follow`] | lists and watches, for the speaker             |
//! | [`store`]  | reads and changes single objects, for commands |
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
