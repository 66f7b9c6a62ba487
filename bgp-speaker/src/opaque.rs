//! Routes of families that are not routed here (RFC 4760), such as EVPN or FlowSpec. The owner receives them from peers and sends
//! them to peers as octets, with typed attributes.
//!
//! A peer offers the families of [`PeerSpec::opaque_families`](crate::PeerSpec::opaque_families). Received routes come out of the
//! [`OpaqueEvents`] of a [`channel`], in order; [`Speaker::send_opaque`](crate::Speaker::send_opaque) sends routes. Nothing is
//! stored here: the owner sends everything again after each [`OpaqueEvent::Up`] and [`OpaqueEvent::Refresh`].
//!
//! ```
//! use bgp_core::types::{AfiSafi, Asn, RouterId};
//! use bgp_core::wire::{Attributes, OpaqueRoutes};
//! use bgp_speaker::opaque::{self, OpaqueEvent};
//! use bgp_speaker::{Environment, PeerSpec, Speaker, SpeakerConfig, SpeakerError};
//!
//! /// IPv4 FlowSpec (RFC 8955 §4).
//! const FLOW: AfiSafi = AfiSafi { afi: 1, safi: 133 };
//! /// Packets to 192.0.2.0/24.
//! const RULE: [u8; 6] = [5, 1, 24, 192, 0, 2];
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (sender, mut events) = opaque::channel();
//! let environment = Environment::default().with_opaque(sender);
//! let config = SpeakerConfig::new(Asn(65001), RouterId("192.0.2.1".parse()?));
//! let speaker = Speaker::start_in(config, environment);
//! let mut peer = PeerSpec::new("127.0.0.1:1790".parse()?, Asn(65002));
//! peer.opaque_families = vec![FLOW];
//! speaker.configure_peer("router", peer).await?;
//!
//! let follow = async {
//!     while let Some(event) = events.recv().await {
//!         match event {
//!             OpaqueEvent::Up { peer, .. } => {
//!                 let routes = OpaqueRoutes::Reachable { family: FLOW, next_hop: &[], nlri: &RULE };
//!                 speaker.send_opaque(&peer, &Attributes::default(), routes).await?;
//!             }
//!             OpaqueEvent::Update { update, .. } => update.opaque().for_each(|routes| println!("{routes:?}")),
//!             // All routes of the peer are gone.
//!             OpaqueEvent::Down { .. } => {}
//!             _ => {}
//!         }
//!     }
//!     Ok::<_, SpeakerError>(())
//! };
//! # tokio::select! { done = follow => done?, () = std::future::ready(()) => {} }
//! # Ok(())
//! # }
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use bgp_core::rib::{OpaqueError, Rib};
use bgp_core::session::{Negotiated, Output};
use bgp_core::types::{AfiSafi, Family, PeerId};
use bgp_core::wire::{Attributes, OpaqueRoutes, RouteRefresh, Update};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Events waiting for the owner; beyond this number, peers wait.
const ROOM: usize = 256;
/// Events of one peer that wait for room before reading stops.
const MAX_WAITING: usize = 64;

/// An event in a family that is not routed here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OpaqueEvent {
    /// A session is Established that negotiated such a family.
    Up {
        /// The peer's name.
        peer: Arc<str>,
        /// The negotiated capabilities.
        negotiated: Arc<Negotiated>,
    },
    /// Routes were announced or withdrawn: see [`Update::opaque`] and [`Update::attributes`].
    Update {
        /// The peer's name.
        peer: Arc<str>,
        /// The UPDATE.
        update: Update,
    },
    /// The peer asks for our routes of a family again, or marks the start or end of its own answer (RFC 2918, RFC 7313).
    Refresh {
        /// The peer's name.
        peer: Arc<str>,
        /// The received ROUTE-REFRESH.
        refresh: RouteRefresh,
    },
    /// The session ended, and all routes of the peer are gone.
    Down {
        /// The peer's name.
        peer: Arc<str>,
    },
}

/// The owner's end of a [`channel`].
#[derive(Debug)]
pub struct OpaqueEvents(mpsc::UnboundedReceiver<Sent>);

/// The speaker's end of a [`channel`], for [`Environment::with_opaque`](crate::Environment::with_opaque).
#[derive(Clone, Debug)]
pub struct OpaqueSender {
    inbox: mpsc::UnboundedSender<Sent>,
    room: Arc<Semaphore>,
}

/// An event, and its permit in the channel. A Down needs none: there is at most one for each Up.
type Sent = (OpaqueEvent, Option<OwnedSemaphorePermit>);

/// A channel for opaque events. At most 256 events wait for the owner; if the owner is slow, peers wait as well, through TCP.
pub fn channel() -> (OpaqueSender, OpaqueEvents) {
    let (inbox, events) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(ROOM));
    (OpaqueSender { inbox, room }, OpaqueEvents(events))
}

impl OpaqueEvents {
    /// The next event; `None` when the speaker has ended.
    ///
    /// # Cancellation
    ///
    /// No event is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<OpaqueEvent> {
        let (event, _room) = self.0.recv().await?;
        Some(event)
    }
}

/// A peer's events on their way to the owner.
pub(super) struct Outlet {
    sender: OpaqueSender,
    peer: Arc<str>,
    waiting: VecDeque<OpaqueEvent>,
    /// The owner was informed, or will be informed, that the session is up.
    is_up: bool,
}

impl Outlet {
    pub(super) fn new(sender: OpaqueSender, peer: Arc<str>) -> Self {
        Self {
            sender,
            peer,
            waiting: VecDeque::new(),
            is_up: false,
        }
    }

    /// Whether so much is waiting for the owner that reading from the peer must stop.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING
    }

    /// Queues the events that a session's output means for the owner.
    pub(super) fn see(&mut self, output: &Output) {
        let peer = || Arc::clone(&self.peer);
        let event = match output {
            Output::Up { negotiated, .. } if !negotiated.opaque_families.is_empty() => {
                self.is_up = true;
                let negotiated = Arc::clone(negotiated);
                OpaqueEvent::Up {
                    peer: peer(),
                    negotiated,
                }
            }
            Output::Update(update) if self.is_up && update.opaque().next().is_some() => {
                OpaqueEvent::Update {
                    peer: peer(),
                    update: update.clone(),
                }
            }
            Output::Refresh(refresh) if Family::from_afi_safi(refresh.family).is_none() => {
                OpaqueEvent::Refresh {
                    peer: peer(),
                    refresh: *refresh,
                }
            }
            Output::Down(_) if self.is_up => return self.down(),
            _ => return,
        };
        self.waiting.push_back(event);
        self.offer();
    }

    /// Drops the waiting events of the ended session.
    fn down(&mut self) {
        self.is_up = false;
        let is_up = |event: &OpaqueEvent| matches!(event, OpaqueEvent::Up { .. });
        let was_told = !self.waiting.iter().any(is_up);
        self.waiting.clear();
        if was_told {
            let peer = Arc::clone(&self.peer);
            self.send(OpaqueEvent::Down { peer }, None);
        }
    }

    /// Sends as many waiting events as there is room for.
    fn offer(&mut self) {
        while !self.waiting.is_empty()
            && let Ok(room) = Arc::clone(&self.sender.room).try_acquire_owned()
        {
            self.give(room);
        }
    }

    fn give(&mut self, room: OwnedSemaphorePermit) {
        if let Some(event) = self.waiting.pop_front() {
            self.send(event, Some(room));
        }
    }

    fn send(&self, event: OpaqueEvent, room: Option<OwnedSemaphorePermit>) {
        // If the owner is gone, the permit is returned.
        self.sender.inbox.send((event, room)).ok();
    }

    /// Waits until there is room for the next waiting event.
    pub(super) async fn room(&self) -> OwnedSemaphorePermit {
        match self.waiting.is_empty() {
            true => std::future::pending().await,
            // Nobody closes the semaphore.
            false => match Arc::clone(&self.sender.room).acquire_owned().await {
                Ok(room) => room,
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Sends the next waiting event in this room.
    pub(super) fn go_on(&mut self, room: OwnedSemaphorePermit) {
        self.give(room);
        self.offer();
    }
}

/// Routes to send to a peer.
pub(super) struct Sending {
    pub(super) peer: PeerId,
    pub(super) attributes: Attributes,
    pub(super) routes: Routes,
    pub(super) reply: oneshot::Sender<Result<(), OpaqueError>>,
}

/// [`OpaqueRoutes`] that own their octets.
pub(super) enum Routes {
    Reachable {
        family: AfiSafi,
        next_hop: Box<[u8]>,
        nlri: Box<[u8]>,
    },
    Unreachable {
        family: AfiSafi,
        nlri: Box<[u8]>,
    },
}

impl From<OpaqueRoutes<'_>> for Routes {
    fn from(routes: OpaqueRoutes<'_>) -> Self {
        match routes {
            OpaqueRoutes::Reachable {
                family,
                next_hop,
                nlri,
            } => Self::Reachable {
                family,
                next_hop: next_hop.into(),
                nlri: nlri.into(),
            },
            OpaqueRoutes::Unreachable { family, nlri } => Self::Unreachable {
                family,
                nlri: nlri.into(),
            },
        }
    }
}

impl Routes {
    fn borrowed(&self) -> OpaqueRoutes<'_> {
        match self {
            Self::Reachable {
                family,
                next_hop,
                nlri,
            } => OpaqueRoutes::Reachable {
                family: *family,
                next_hop,
                nlri,
            },
            Self::Unreachable { family, nlri } => OpaqueRoutes::Unreachable {
                family: *family,
                nlri,
            },
        }
    }

    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Reachable { nlri, .. } | Self::Unreachable { nlri, .. } => nlri.len(),
        }
    }
}

/// Routes that wait until their peers have taken the octets in flight. A caller waits for each of them.
#[derive(Default)]
pub(super) struct Backlog(Vec<Sending>);

impl Backlog {
    pub(super) fn push(&mut self, sending: Sending) {
        self.0.push(sending);
    }

    /// Sends what the peers can take now, in order.
    pub(super) fn work(&mut self, rib: &mut Rib) {
        for sending in std::mem::take(&mut self.0) {
            if sending.reply.is_closed() {
                continue;
            }
            let routes = sending.routes.borrowed();
            match rib.send_opaque(sending.peer, &sending.attributes, routes) {
                Err(OpaqueError::Full) => self.0.push(sending),
                // The caller may be gone.
                done => drop(sending.reply.send(done)),
            }
        }
    }
}
