#![forbid(unsafe_code)]
#![warn(clippy::wildcard_enum_match_arm)]
//! BGP-4 (RFC 4271) as plain values: no socket, no clock, no thread, no randomness, no async.
//!
//! | you want to                                   | start at                                                     |
//! |-----------------------------------------------|--------------------------------------------------------------|
//! | decode and encode messages                    | [`wire`]: [`Frame`](wire::Frame), [`Message`](wire::Message) |
//! | run BGP in your own event loop                | [`speaker::SansIoSpeaker`], and the loop below                     |
//! | run one session, with your own RIB            | [`session::Session`]                                         |
//! | detect a dead path at once                    | [`bfd::Session`]                                             |
//! | decide on routes: rules, sets, your own hooks | [`policy`]                                                   |
//! | keep routes: best paths, Adj-RIB-Outs         | [`rib::Rib`]                                                 |
//! | test without a network: faults, virtual time  | the module `sim`, with the feature of that name              |
//! | use existing sockets and a clock              | the crate `bgp-speaker`                                      |
//!
//! Each module imports only from those before it: [`types`], [`wire`], [`session`] and [`policy`], [`rib`], [`speaker`].
//! [`bfd`] is independent of them.
//!
//! # The law
//!
//! Time comes in as an [`Instant`](std::time::Instant), octets come in as [`bytes::BytesMut`]. `handle_*` methods change a value
//! and never fail. All effects come out of **one ordered queue**: after each `handle_*`, call `poll_output` until the queue is
//! empty and carry out each output, in order; then sleep until `poll_timeout` or the next event. There are no callbacks.
//!
//! # The loop
//!
//! Two speakers and a wire between them, all in memory. A program with sockets does the same: it carries out each
//! [`speaker::Output`] on a connection, and the result comes back as the next event.
//!
//! ```
//! use std::collections::VecDeque;
//! use std::{net::{IpAddr, Ipv4Addr}, sync::Arc, time::Instant};
//! use bgp_core::{policy::Policy, rib::{LocalRoute, PeerConfig, RibConfig}, session::{ConnId, Direction, SessionConfig}};
//! use bgp_core::speaker::{NeighbourConfig, Output, SansIoSpeaker};
//! use bgp_core::types::{Asn, PeerId, RouterId};
//! use bytes::{Bytes, BytesMut};
//!
//! enum Event {
//!     Start,
//!     Connected(Direction),
//!     Received(Bytes),
//!     Written(usize),
//!     Closed,
//! }
//!
//! let now = Instant::now(); // The only clock of this program: time stands still.
//! let addresses = [1, 2].map(|host| Ipv4Addr::new(192, 0, 2, host));
//! let ases = [Asn(65001), Asn(65002)];
//! let (peer, conn) = (PeerId(0), ConnId(1));
//! let mut speakers = [0, 1].map(|me| {
//!     let (id, other) = (RouterId(addresses[me]), 1 - me);
//!     let accept = Arc::new(Policy::ACCEPT);
//!     let routes = PeerConfig::new(ases[me], addresses[other].into(), ases[other]);
//!     let routes = routes.with_policies(accept.clone(), accept);
//!     let mut session = SessionConfig::new(ases[me], id, addresses[other].into(), ases[other]);
//!     session.passive = me == 1;
//!     let mut speaker = SansIoSpeaker::new(RibConfig::new(id), now, me as u64);
//!     speaker.configure(now, peer, NeighbourConfig::new(session, routes));
//!     speaker
//! });
//! speakers[0].announce(now, "198.51.100.0/24".parse()?, LocalRoute::default());
//!
//! let mut events = VecDeque::from([(0, Event::Start), (1, Event::Start)]);
//! while let Some((me, event)) = events.pop_front() {
//!     let (speaker, other) = (&mut speakers[me], 1 - me);
//!     match event {
//!         Event::Start => speaker.handle_timeout(now), // The first attempt to connect is due at once.
//!         Event::Connected(direction) => speaker.handle_connected(now, peer, conn, direction, addresses[me].into()),
//!         Event::Received(octets) => speaker.handle_bytes(now, peer, conn, &mut BytesMut::from(&octets[..])),
//!         Event::Written(octets) => speaker.handle_written(now, peer, conn, octets, false),
//!         Event::Closed => speaker.handle_closed(now, peer, conn, None),
//!     }
//!     // Carry out every output before the next event.
//!     while let Some(output) = speaker.poll_output() {
//!         match output {
//!             Output::Connect(_) => events.extend([
//!                 (me, Event::Connected(Direction::Outgoing)),
//!                 (other, Event::Connected(Direction::Incoming)),
//!             ]),
//!             Output::Transmit { bytes, .. } => {
//!                 events.extend([(me, Event::Written(bytes.len())), (other, Event::Received(bytes))]);
//!             }
//!             Output::Close { .. } => events.push_back((other, Event::Closed)),
//!             _ => {} // Changes of the session, routes to install.
//!         }
//!     }
//! }
//! let route = speakers[1].rib().best("198.51.100.0/24".parse()?).expect("it was announced");
//! assert_eq!(route.attributes.as_path.to_string(), "65001");
//! assert_eq!(route.next_hop.map(|next_hop| next_hop.address()), Some(IpAddr::from(addresses[0])));
//! # Ok::<(), ipnet::AddrParseError>(())
//! ```

pub mod bfd;
pub mod handover;
pub mod policy;
mod random;
pub mod rib;
pub mod scoped;
pub mod session;
#[cfg(feature = "sim")]
pub mod sim;
pub mod speaker;
mod steps;
pub mod types;
pub mod wire;
