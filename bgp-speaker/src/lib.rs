//! A BGP speaker for agents that embed one: the values of `bgp-core` with real connections, real time and the kernel's routes.
//!
//! | you want to                                      | start at                                                       |
//! |--------------------------------------------------|----------------------------------------------------------------|
//! | announce addresses to a router                   | [`Speaker`], [`Routes::sync`]; `examples/announcer.rs`         |
//! | follow routes                                    | [`Routes::watch`]; `examples/best_routes.rs`                   |
//! | look at routes, and why they are (not) there     | [`Routes::ask`]                                                |
//! | change many peers and routes at once             | [`Desired`], [`Speaker::apply`], [`Report`]                    |
//! | decide on routes by code of your own             | [`Hook`](bgp_core::policy::Hook); `examples/route_server.rs`   |
//! | accept peers that are not known beforehand       | [`dynamic`]; `examples/collector.rs`                           |
//! | carry EVPN, FlowSpec and the like as octets       | [`opaque`], [`Speaker::send_opaque`]                           |
//! | record, count or export what is said             | [`tap::Subscriber`]                                            |
//! | put routes into the kernel                       | [`forwarding`], [`kernel`]; `examples/install_routes.rs`       |
//! | use sockets, a namespace or a clock of your own  | [`Environment`], [`Speaker::listen_on`], [`Speaker::handle_stream`] |
//! | end so that peers keep the routes                | [`Shutdown::KeepRoutes`]                                       |
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
//! // Later: peers with graceful restart keep the routes until we are back.
//! speaker.shutdown(Shutdown::KeepRoutes).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Inside
//!
//! | module          | what it is                                                        |
//! |-----------------|-------------------------------------------------------------------|
//! | `speaker`       | what an agent embeds: peers, local routes, events, questions      |
//! | `config`        | settings of the speaker as a whole, and mistakes in settings      |
//! | `spec`          | settings of a peer, each value in one place                       |
//! | `desired`       | pure: from one desired state to the next                          |
//! | `environment`   | what a speaker is started in                                      |
//! | `routes`        | originates routes, asks for them                                 |
//! | `watch`         | follows routes: a snapshot, then changes                          |
//! | `event`         | what the speaker tells its owner                                  |
//! | [`tap`]         | what others may see: messages, session states, decisions          |
//! | `inquirer`      | asks the neighbours how they are                                  |
//! | `command`       | what the owner of a neighbour says and asks                       |
//! | `neighbour`     | a task per neighbour: drives one session                          |
//! | `exchange`      | a neighbour's end of the way to and from the table                |
//! | [`opaque`]      | routes of families that are not routed here                       |
//! | `table`         | one task: drives the RIB                                          |
//! | `acceptor`      | a task: brings connections to the neighbours                      |
//! | `pace`          | how often somebody may connect                                    |
//! | `connection`    | buffers of the TCP connections of a neighbour                     |
//! | [`dynamic`]     | peers that are not known beforehand                               |
//! | `starter`       | starts the task of a neighbour                                    |
//! | `ids`           | the numbers by which the RIB knows peers                          |
//! | `flush`         | tells when UPDATEs have been handed to TCP                        |
//! | `farewell`      | connections that are being closed                                 |
//! | [`listener`]    | accepts connections                                               |
//! | `keys`          | TCP MD5 keys of a listening socket                                |
//! | [`connect`]     | dials                                                             |
//! | `dialling`      | the same as a part of the neighbour's task                        |
//! | `namespace`     | a network namespace of the owner's                                |
//! | [`sockopt`]     | TCP MD5, TTL security: the only `unsafe` of the project           |
//! | [`kernel`]      | routes and interfaces through netlink                             |
//! | [`forwarding`]  | which routes go into the kernel, and which the RIB learns there   |
//! | [`tasks`]       | tasks whose owner sees them end                                   |
//! | [`alarms`]      | what is wrong at the moment                                       |
//! | [`turned_away`] | connections that were closed without a word                       |
//! | [`pool`]        | equal values are kept once                                        |
//!
//! All time is that of the tokio runtime: where its clock is paused, the speaker runs under virtual time.
//!
//! Share nothing, lock nothing: the tasks are joined by bounded channels that carry the enums of `bgp-core`.

mod acceptor;
pub mod alarms;
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
mod ids;
mod inquirer;
pub mod kernel;
mod keys;
pub mod listener;
mod namespace;
mod neighbour;
pub mod opaque;
mod pace;
mod peers;
pub mod pool;
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
mod watch;

pub use command::NeighbourStatus;
pub use config::{ConfigError, SpeakerConfig};
pub use desired::{Desired, Report, Step};
pub use environment::Environment;
pub use error::SpeakerError;
pub use event::{Ended, Event, ForwardingEvent, ForwardingSink};
pub use inquirer::Inquirer;
pub use namespace::Namespace;
pub use routes::{Flushing, Routes};
pub use shutdown::{Partings, Shutdown};
pub use speaker::Speaker;
pub use spec::{PeerSettings, PeerSpec};
pub use watch::{Change, Filter, Watch, Watched};
