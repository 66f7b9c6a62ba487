//! A BGP speaker for agents that embed one: the types of `bgp-core` with real connections, real time and the kernel's routes.
//!
//! | you want to                                       | start at                                                            |
//! |---------------------------------------------------|---------------------------------------------------------------------|
//! | announce addresses to a router                    | [`Speaker`], [`Routes::sync`]; `examples/announcer.rs`              |
//! | watch routes                                      | [`Routes::watch`]; `examples/best_routes.rs`                        |
//! | query routes, and why they are used or not        | [`Routes::ask`]                                                     |
//! | change many peers and routes at once              | [`Desired`], [`Speaker::apply`], [`Report`]                         |
//! | decide on routes with your own code               | [`Hook`](bgp_core::policy::Hook); `examples/route_server.rs`        |
//! | accept peers from a range of addresses            | [`dynamic`]; `examples/collector.rs`                                |
//! | carry EVPN, FlowSpec and other families as octets | [`opaque`], [`Speaker::send_opaque`]                                |
//! | detect a dead path within fractions of a second   | [`BfdSpec`]                                                         |
//! | record, count or export messages                  | [`tap::Subscriber`]                                                 |
//! | put routes into the kernel                        | [`forwarding`], [`kernel`]; `examples/install_routes.rs`            |
//! | use your own sockets, network namespace or clock  | [`Environment`], [`Speaker::listen_on`], [`Speaker::handle_stream`] |
//! | end while peers keep the routes                   | [`Shutdown::KeepRoutes`]                                            |
//! | replace the program and no peer notices           | [`handover`]                                                        |
//!
//! ```
//! use std::sync::Arc;
//! use bgp_core::{policy::Policy, rib::LocalRoute, types::{Asn, RouterId}};
//! use bgp_speaker::{PeerSpec, Shutdown, Speaker, SpeakerConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = SpeakerConfig::new(Asn(65001), RouterId("192.0.2.1".parse()?));
//! let speaker = Speaker::start(config, None);
//! // An eBGP session exchanges nothing until its policies say so (RFC 8212).
//! let accept = Arc::new(Policy::ACCEPT);
//! let tor = PeerSpec::new("192.0.2.254:179".parse()?, Asn(65002)).with_policies(accept.clone(), accept);
//! speaker.configure_peer("tor", tor).await?;
//! speaker.routes().announce("198.51.100.0/24".parse()?, LocalRoute::default()).await?;
//! // Later: peers with graceful restart keep the routes until the next start.
//! speaker.shutdown(Shutdown::KeepRoutes).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Inside
//!
//! | module          | purpose                                                         |
//! |-----------------|-----------------------------------------------------------------|
//! | `speaker`       | the handle for agents: peers, local routes, events, queries     |
//! | `config`        | settings of the speaker as a whole, and errors in settings      |
//! | `spec`          | settings of a peer                                              |
//! | `desired`       | pure: the steps from one desired state to the next              |
//! | `environment`   | forwarding, subscriber, network namespace of a speaker          |
//! | `routes`        | originates and queries routes                                   |
//! | `watch`         | watches routes: a snapshot, then changes                        |
//! | `event`         | events for the owner                                            |
//! | [`tap`]         | subscribers to messages, session states, decisions              |
//! | `inquirer`      | asks the neighbours for their status                            |
//! | `command`       | commands to a neighbour's task                                  |
//! | `neighbour`     | one task per neighbour: drives its session                      |
//! | `exchange`      | the channels between a neighbour and the table                  |
//! | [`opaque`]      | routes of families that are not routed here                     |
//! | `table`         | one task: drives the RIB                                        |
//! | `acceptor`      | one task: hands connections to the neighbours                   |
//! | `pace`          | limits how often a peer may connect                             |
//! | `bfd`           | watches the paths to peers, on its own thread                   |
//! | `path_rule`     | what a dead path does to a session                              |
//! | [`unnumbered`]  | finds routers on a link by router advertisements                |
//! | `connection`    | buffers of a neighbour's TCP connections                        |
//! | [`dynamic`]     | peers from ranges of addresses                                  |
//! | `starter`       | starts the task of a neighbour                                  |
//! | `ids`           | the RIB's peer numbers                                          |
//! | `flush`         | reports when UPDATEs were handed to TCP                         |
//! | `farewell`      | connections that are being closed                               |
//! | [`handover`]    | another process takes over                                      |
//! | [`listener`]    | listening sockets                                               |
//! | `keys`          | TCP MD5 keys of a listening socket                              |
//! | `given_listener` | a listening socket on its way to another process               |
//! | [`connect`]     | dials                                                           |
//! | `dialling`      | dials within the neighbour's task                               |
//! | `namespace`     | a network namespace for sockets                                 |
//! | [`sockopt`]     | TCP MD5, TTL security: the only `unsafe` of the project         |
//! | [`kernel`]      | routes and interfaces through netlink                           |
//! | [`forwarding`]  | which routes go into the kernel, and which the RIB learns there |
//! | [`tasks`]       | tasks with an owner that sees them end                          |
//! | [`alarms`]      | current faults                                                  |
//! | [`turned_away`] | connections that were closed without a NOTIFICATION             |
//! | [`pool`]        | stores equal values once                                        |
//!
//! All time is that of the tokio runtime: with a paused clock, the speaker runs under virtual time, except for BFD.
//!
//! Tasks share no state and no locks. They are joined by bounded channels that carry the enums of `bgp-core`.

mod acceptor;
pub mod alarms;
mod bfd;
mod command;
mod config;
pub mod connect;
mod connection;
mod descriptors;
mod desired;
mod dialling;
pub mod dynamic;
mod environment;
mod error;
mod event;
mod exchange;
mod farewell;
mod flush;
pub mod forwarding;
mod given_listener;
pub mod handover;
mod ids;
mod inquirer;
pub mod kernel;
mod keys;
pub mod listener;
mod meter;
mod namespace;
mod neighbour;
pub mod opaque;
mod pace;
mod path_rule;
mod peers;
pub mod pool;
mod random;
mod reporter;
mod routes;
mod shutdown;
pub mod sockopt;
mod speaker;
mod spec;
mod starter;
mod table;
pub mod tap;
pub mod tasks;
mod timer;
pub mod turned_away;
pub mod unnumbered;
mod watch;

pub use bfd::{BfdPath, BfdSpec, BfdStatus, Packets};
pub use command::NeighbourStatus;
pub use config::{ConfigError, SpeakerConfig};
pub use desired::{ApplyStep, Desired, Report};
pub use environment::Environment;
pub use error::SpeakerError;
pub use event::{Ended, Event, ForwardingEvent, ForwardingSink};
pub use inquirer::Inquirer;
pub use meter::SessionMeter;
pub use namespace::Namespace;
pub use routes::{Flushing, Routes};
pub use shutdown::{Partings, Shutdown};
pub use speaker::Speaker;
pub use spec::{PeerSettings, PeerSpec};
pub use watch::{Change, Filter, Watch, Watched};
