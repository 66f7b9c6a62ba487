#![forbid(unsafe_code)]
#![warn(clippy::wildcard_enum_match_arm)]
//! BGP-4 (RFC 4271) as plain values: no socket, no clock, no thread, no randomness, no async.
//!
//! | module      | what it is                                                            | imports          |
//! |-------------|-----------------------------------------------------------------------|------------------|
//! | [`types`]   | AS numbers, identifiers, address families, prefixes                   | nothing          |
//! | [`wire`]    | messages to bytes and back                                            | `types`          |
//! | [`session`] | one neighbour: bytes and instants in; bytes, deadlines and events out | `wire`           |
//! | [`policy`]  | match and modify a route                                              | `wire`           |
//! | [`rib`]     | all routes: Adj-RIB-In, Loc-RIB, Adj-RIB-Out                          | `policy`, `wire` |
//! | [`speaker`] | many sessions and one RIB as a single value                           | all of the above |
//!
//! # The law
//!
//! Time comes in as an [`Instant`](std::time::Instant), bytes come in as [`bytes::BytesMut`]. `handle_*`
//! methods change a value and never fail. What should happen in the world comes out of **one ordered
//! queue**: after each `handle_*`, call `poll_output` until it is empty and perform what it says, in
//! order; then sleep until `poll_timeout` or the next event. Nothing calls back.
//!
//! # The loop
//!
//! Two speakers and a wire between them, all in memory. An owner with sockets does the same: it performs each
//! [`speaker::Output`] on its connections and tells what came of it.
//!
//! ```
//! use std::{net::{IpAddr, Ipv4Addr}, sync::Arc, time::Instant};
//! use bgp_core::{policy::Policy, rib::{LocalRoute, PeerConfig, RibConfig}, session::{ConnId, Direction, SessionConfig}};
//! use bgp_core::speaker::{NeighbourConfig, Output, Speaker};
//! use bgp_core::types::{Asn, PeerId, RouterId};
//! use bytes::BytesMut;
//!
//! let now = Instant::now(); // The only clock of this program: time does not pass in it.
//! let addresses = [1, 2].map(|host| Ipv4Addr::new(192, 0, 2, host));
//! let ases = [Asn(65001), Asn(65002)];
//! let peer = PeerId(0);
//! let mut speakers = [0, 1].map(|me| {
//!     let (id, other) = (RouterId(addresses[me]), 1 - me);
//!     let accept = Arc::new(Policy::ACCEPT);
//!     let routes = PeerConfig::new(ases[me], addresses[other].into(), ases[other]);
//!     let routes = PeerConfig { import: accept.clone(), export: accept, ..routes };
//!     let session = SessionConfig::new(ases[me], id, addresses[other].into(), ases[other]);
//!     let session = SessionConfig { passive: me == 1, ..session };
//!     let mut speaker = Speaker::new(RibConfig::new(id), now, me as u64);
//!     speaker.configure(now, peer, NeighbourConfig::new(session, routes));
//!     speaker
//! });
//! speakers[0].announce(now, "198.51.100.0/24".parse()?, LocalRoute::default());
//!
//! let conn = ConnId(1);
//! speakers.iter_mut().for_each(|speaker| speaker.handle_timeout(now)); // The first try to connect is due at once.
//! while let Some((me, output)) = (0..2).find_map(|me| Some((me, speakers[me].poll_output()?))) {
//!     let other = 1 - me;
//!     match output {
//!         Output::Connect(_) => {
//!             speakers[me].handle_connected(now, peer, conn, Direction::Outgoing, addresses[me].into());
//!             speakers[other].handle_connected(now, peer, conn, Direction::Incoming, addresses[other].into());
//!         }
//!         Output::Transmit { bytes, .. } => {
//!             speakers[other].handle_bytes(now, peer, conn, &mut BytesMut::from(&bytes[..]));
//!             speakers[me].handle_written(now, peer, conn, bytes.len(), false);
//!         }
//!         Output::Close { .. } => speakers[other].handle_closed(now, peer, conn, None),
//!         _ => {} // Events and forwarding.
//!     }
//! }
//! let route = speakers[1].rib().best("198.51.100.0/24".parse()?).expect("it was announced");
//! assert_eq!(route.attributes.as_path.to_string(), "65001");
//! assert_eq!(route.next_hop.map(|next_hop| next_hop.address()), Some(IpAddr::from(addresses[0])));
//! # Ok::<(), ipnet::AddrParseError>(())
//! ```

pub mod policy;
pub mod rib;
pub mod session;
#[cfg(feature = "sim")]
pub mod sim;
pub mod speaker;
mod steps;
pub mod types;
pub mod wire;
