//! Bidirectional Forwarding Detection (RFC 5880, RFC 5881, RFC 5883): notices within fractions of a second that the path to a peer is
//! dead.
//!
//! A [`Session`] is a value as [`session::Session`](crate::session::Session) is one. In: instants, packets that came (`handle_*`), the
//! commands of the owner. Out: one ordered queue ([`poll_output`](Session::poll_output)) and one deadline
//! ([`poll_timeout`](Session::poll_timeout)). Every input has a defined effect in every state; none fails. The queue grows by at most
//! four entries for each call.
//!
//! Asynchronous mode alone is spoken: no echo, no authentication, and Demand mode only if the peer asks for it.
//!
//! # What is left to the owner
//!
//! - Sockets. Packets go out with TTL or hop limit 255, from a port of 49152 to 65535 that is the session's own, to port 3784, or 4784
//!   over several hops. One that came over a single link with another TTL is dropped (RFC 5881 §5), one that came over several hops if
//!   the TTL is less than the owner allows (RFC 5883 §5).
//! - To find the session of a packet: by [`Packet::your_discriminator`], or, without one, by the addresses and the interface; never by
//!   the source alone.
//! - Numbers nobody can guess, for discriminators and seeds.
//! - To end the BGP session when [`Change::is_failure`]: [`Stop::BfdDown`](crate::session::Stop::BfdDown).
//!
//! ```
//! use std::time::{Duration, Instant};
//! use bgp_core::bfd::{Config, Discriminator, Interval, Output, Packet, Session, State};
//!
//! let mut now = Instant::now(); // The only clock of this program.
//! let interval = Interval::try_from(Duration::from_millis(300))?;
//! let config = Config::new(interval, 3.try_into()?);
//! let mut sides = [1, 2].map(|number| {
//!     let local = Discriminator::new(number).expect("not zero");
//!     Session::new(now, config, local, u64::from(number))
//! });
//! while sides.iter().any(|side| side.state() != State::Up) {
//!     now = sides.iter().filter_map(|side| Some(side.poll_timeout()?.0)).min().expect("they always send");
//!     for me in [0, 1] {
//!         sides[me].handle_timeout(now);
//!         while let Some(output) = sides[me].poll_output() {
//!             if let Output::Transmit(packet) = output {
//!                 sides[1 - me].handle_packet(now, &Packet::decode(&packet.encode())?);
//!             }
//!         }
//!     }
//! }
//! assert!(sides.iter().all(|side| side.status().peer.is_some()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod handover;
mod interval;
mod output;
mod packet;
mod session;
mod timing;

pub use config::Config;
pub use handover::Handover;
pub use interval::{Interval, IntervalError};
pub use output::{Cause, Change, Output, PeerView, Status, Timer};
pub use packet::{Diagnostic, Discriminator, PACKET_LEN, Packet, PacketError, State};
pub use session::Session;
