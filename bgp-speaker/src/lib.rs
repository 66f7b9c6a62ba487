//! A BGP speaker for agents that embed one: the values of `bgp-core` with real connections, real time and the kernel's routes.
//!
//! | module          | what it is                                                        |
//! |-----------------|-------------------------------------------------------------------|
//! | `speaker`       | what an agent embeds: peers, local routes, events, questions      |
//! | `spec`          | settings of the speaker and of peers, each value in one place     |
//! | `desired`       | pure: from one desired state to the next                          |
//! | `event`         | what the speaker tells its owner                                  |
//! | `inquirer`      | asks the neighbours how they are                                  |
//! | `neighbour`     | a task per neighbour: drives one session                          |
//! | `table`         | one task: drives the RIB                                          |
//! | `acceptor`      | a task: brings connections to the neighbours                      |
//! | `connection`    | buffers of the TCP connections of a neighbour                     |
//! | `farewell`      | connections that are being closed                                 |
//! | [`listener`]    | accepts connections                                               |
//! | `keys`          | TCP MD5 keys of a listening socket                                |
//! | [`connect`]     | dials                                                             |
//! | [`sockopt`]     | TCP MD5, TTL security: the only `unsafe` of the project           |
//! | [`kernel`]      | routes and interfaces through netlink                             |
//! | [`forwarding`]  | which routes go into the kernel, and which the RIB learns there   |
//! | [`tasks`]       | tasks whose owner sees them end                                   |
//! | [`alarms`]      | what is wrong at the moment                                       |
//! | [`pool`]        | equal values are kept once                                        |
//!
//! Share nothing, lock nothing: the tasks are joined by bounded channels that carry the enums of `bgp-core`.

mod acceptor;
pub mod alarms;
pub mod connect;
mod connection;
mod descriptors;
mod desired;
mod event;
mod farewell;
pub mod forwarding;
mod inquirer;
pub mod kernel;
mod keys;
pub mod listener;
mod neighbour;
pub mod pool;
mod shutdown;
pub mod sockopt;
mod speaker;
mod spec;
mod table;
pub mod tasks;
mod timer;

pub use desired::{Desired, Report, Step};
pub use event::{Ended, Event, ForwardingEvent, ForwardingSink};
pub use inquirer::Inquirer;
pub use neighbour::NeighbourStatus;
pub use shutdown::{Partings, Shutdown};
pub use speaker::{Routes, Speaker, SpeakerError};
pub use spec::{ConfigError, PeerSettings, PeerSpec, SpeakerConfig};
