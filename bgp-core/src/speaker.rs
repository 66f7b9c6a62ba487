//! Many sessions and one RIB as a single deterministic value: what tests, fuzzers and the simulator drive, and what the daemon
//! runs spread over tasks.
//!
//! Input: what happens to connections, time, local routes, configuration. Output: one ordered queue of [`Output`]. The glue
//! between a session and the RIB ([`Link`]) is here, so that both compositions use the same.

mod config;
mod link;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use ipnet::IpNet;

use crate::rib::{self, ForwardRoute, LocalRoute, OpaqueError, Resolution, Rib, RibConfig};
use crate::session::{self, ConnId, Direction, Down, Negotiated, Session, Stop};
use crate::types::{Family, PeerId, RouterId};
use crate::wire::{Attributes, OpaqueRoutes, RouteRefresh, Update};

pub use config::NeighbourConfig;
pub use link::Link;

/// How long a session that sent too many prefixes, or filled the memory, stays down (RFC 4486 §4).
pub const MAX_PREFIXES_IDLE: Duration = Duration::from_secs(120);

/// What is to happen, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Dial the peer.
    Connect(PeerId),
    /// Give up dialling it.
    CancelConnect(PeerId),
    /// Write octets to a connection; report with [`Speaker::handle_written`].
    Transmit {
        /// The peer.
        peer: PeerId,
        /// The connection.
        conn: ConnId,
        /// Whole messages.
        bytes: Bytes,
    },
    /// Deliver what was handed over, then close.
    Close {
        /// The peer.
        peer: PeerId,
        /// The connection.
        conn: ConnId,
    },
    /// A session came up.
    Up(PeerId, Arc<Negotiated>),
    /// A session went down.
    Down(PeerId, Down),
    /// Routes of families that are not routed here came or went: see [`Update::opaque`] and [`Update::attributes`]. Only of those
    /// that were negotiated by [`SessionConfig::opaque_families`](session::SessionConfig::opaque_families). When the session ends, all of them are gone.
    Opaque(PeerId, Update),
    /// A peer asks for our routes of such a family again, or marks its own answer (RFC 2918, RFC 7313).
    OpaqueRefresh(PeerId, RouteRefresh),
    /// The route to a prefix changed; only with [`RibConfig::forwarding`].
    Forward {
        /// The prefix.
        prefix: IpNet,
        /// `None`: there is none from a peer.
        route: Option<ForwardRoute>,
    },
    /// The way to this next hop is wanted from now on; only with [`RibConfig::resolve_next_hops`].
    Resolve(IpAddr),
    /// The way to this next hop is no longer wanted, until it is asked for again.
    Forget(IpAddr),
    /// Waiting after a restart is over.
    DeferralEnded,
}

#[derive(Debug)]
struct Neighbour {
    config: NeighbourConfig,
    session: Session,
    link: Link,
}

/// Many sessions and one RIB.
#[derive(Debug)]
pub struct Speaker {
    rib: Rib,
    neighbours: BTreeMap<PeerId, Neighbour>,
    outputs: VecDeque<Output>,
    now: Instant,
    seed: u64,
}

impl Speaker {
    /// A speaker without neighbours. Equal seeds and equal inputs make equal outputs.
    pub fn new(config: RibConfig, now: Instant, seed: u64) -> Self {
        let outputs = VecDeque::new();
        Self {
            rib: Rib::new(config, now, seed),
            neighbours: BTreeMap::new(),
            outputs,
            now,
            seed,
        }
    }

    /// Adds a neighbour and starts its session, or changes one: its session only starts anew if it must. A neighbour beyond
    /// [`PeerId::MAX`] is refused.
    pub fn configure(&mut self, now: Instant, peer: PeerId, config: NeighbourConfig) {
        if peer > PeerId::MAX {
            return;
        }
        self.tell_rib(
            now,
            rib::Input::Configure {
                peer,
                config: Arc::clone(&config.routes),
            },
        );
        let same_session = |old: &Neighbour| old.config.session == config.session;
        if self.neighbours.get(&peer).is_some_and(same_session) {
            let changed = self.neighbours.get_mut(&peer).and_then(|neighbour| {
                neighbour.config = config;
                neighbour.link.reconfigured(&neighbour.config)
            });
            if let Some(input) = changed {
                self.tell_rib(now, input);
            }
            return;
        }
        self.stop(now, peer, Stop::ConfigChange);
        let seed = self.seed ^ (u64::from(peer.0) << 32);
        let mut session = Session::new(Arc::clone(&config.session), seed);
        session.start(now);
        self.neighbours.insert(
            peer,
            Neighbour {
                config,
                session,
                link: Link::new(peer),
            },
        );
        self.drain(now, peer);
    }

    /// Decides anew on the routes of a peer, and on what it is told: a hook in its policies would decide otherwise now. Done in
    /// slices, as the outputs are taken; see [`rib::Input::Reevaluate`].
    pub fn reevaluate(&mut self, now: Instant, peer: PeerId) {
        self.tell_rib(now, rib::Input::Reevaluate(peer));
    }

    /// Changes our cluster ID (RFC 4456 §7); no session is touched.
    pub fn set_cluster_id(&mut self, now: Instant, cluster_id: Option<RouterId>) {
        self.tell_rib(now, rib::Input::ClusterId(cluster_id));
    }

    /// Removes a neighbour; its session ends with Cease, its routes go.
    pub fn remove(&mut self, now: Instant, peer: PeerId) {
        self.stop(now, peer, Stop::Deconfigured);
        self.neighbours.remove(&peer);
        self.tell_rib(now, rib::Input::Remove(peer));
    }

    /// Stops a session.
    pub fn stop(&mut self, now: Instant, peer: PeerId, why: Stop) {
        self.with(now, peer, |session| session.stop(now, why));
    }

    /// Starts a session that was stopped.
    pub fn start(&mut self, now: Instant, peer: PeerId) {
        self.with(now, peer, |session| session.start(now));
    }

    /// A connection to or from the peer is up; `local` is our address on it.
    pub fn handle_connected(
        &mut self,
        now: Instant,
        peer: PeerId,
        conn: ConnId,
        direction: Direction,
        local: IpAddr,
    ) {
        if let Some(neighbour) = self.neighbours.get_mut(&peer) {
            neighbour.link.connected(conn, local);
        }
        self.with(now, peer, |session| {
            session.handle_connected(now, conn, direction)
        });
    }

    /// The dialling that [`Output::Connect`] asked for failed.
    pub fn handle_connect_failed(&mut self, now: Instant, peer: PeerId, error: &str) {
        self.with(now, peer, |session| {
            session.handle_connect_failed(now, error)
        });
    }

    /// The peer sent octets; what is left in `input` belongs to a message that is not complete.
    pub fn handle_bytes(&mut self, now: Instant, peer: PeerId, conn: ConnId, input: &mut BytesMut) {
        self.with(now, peer, |session| session.handle_bytes(now, conn, input));
    }

    /// The connection was closed by the peer or failed.
    pub fn handle_closed(&mut self, now: Instant, peer: PeerId, conn: ConnId, error: Option<&str>) {
        self.with(now, peer, |session| session.handle_closed(now, conn, error));
        if let Some(neighbour) = self.neighbours.get_mut(&peer) {
            neighbour.link.closed(conn);
        }
    }

    /// The connection took octets; `pending`: there are more to write.
    pub fn handle_written(
        &mut self,
        now: Instant,
        peer: PeerId,
        conn: ConnId,
        octets: usize,
        pending: bool,
    ) {
        self.tell_rib(now, rib::Input::Written { peer, octets });
        self.with(now, peer, |session| {
            session.handle_written(now, conn, pending)
        });
    }

    /// Originates a route.
    pub fn announce(&mut self, now: Instant, prefix: IpNet, route: LocalRoute) {
        self.tell_rib(now, rib::Input::announce(prefix, route));
    }

    /// Stops originating a route.
    pub fn withdraw(&mut self, now: Instant, prefix: IpNet, id: u32) {
        self.tell_rib(now, rib::Input::Withdraw { prefix, id });
    }

    /// Sends a peer routes of a family that is not routed here; `attributes` only count for those that are announced. What was
    /// sent is nowhere kept: after [`Output::Up`] the owner sends everything again.
    ///
    /// # Errors
    ///
    /// See [`OpaqueError`].
    pub fn send_opaque(
        &mut self,
        now: Instant,
        peer: PeerId,
        attributes: &Attributes,
        routes: OpaqueRoutes<'_>,
    ) -> Result<(), OpaqueError> {
        self.now = now;
        self.rib.send_opaque(peer, attributes, routes)
    }

    /// Answers [`Output::Resolve`], again whenever the answer changes.
    pub fn handle_next_hop(&mut self, now: Instant, address: IpAddr, resolution: Resolution) {
        self.tell_rib(
            now,
            rib::Input::NextHop {
                address,
                resolution,
            },
        );
    }

    /// Waits with all decisions for peers that tell what they know: see [`rib::Input::Defer`].
    pub fn defer(
        &mut self,
        now: Instant,
        expected: Vec<(PeerId, Family)>,
        up_by: Instant,
        until: Instant,
    ) {
        self.tell_rib(
            now,
            rib::Input::Defer {
                expected,
                up_by,
                until,
            },
        );
    }

    /// Does what is due at `now`; harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.rib.handle_timeout(now);
        let due = |neighbour: &Neighbour| {
            neighbour
                .session
                .poll_timeout()
                .is_some_and(|(at, _)| at <= now)
        };
        let peers: Vec<PeerId> = self
            .neighbours
            .iter()
            .filter(|(_, neighbour)| due(neighbour))
            .map(|(peer, _)| *peer)
            .collect();
        for peer in peers {
            self.with(now, peer, |session| session.handle_timeout(now));
        }
    }

    /// When [`Speaker::handle_timeout`] is wanted next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sessions = self
            .neighbours
            .values()
            .filter_map(|neighbour| neighbour.session.poll_timeout());
        sessions
            .map(|(at, _)| at)
            .chain(self.rib.poll_timeout())
            .min()
    }

    /// The next thing to do; `None`: nothing is left until something happens.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            match self.rib.poll_output()? {
                rib::Output::Send { peer, messages } => {
                    let now = self.now;
                    self.with(now, peer, |session| session.send(now, messages));
                }
                rib::Output::Forward { prefix, route } => {
                    return Some(Output::Forward { prefix, route });
                }
                rib::Output::Resolve(address) => return Some(Output::Resolve(address)),
                rib::Output::Forget(address) => return Some(Output::Forget(address)),
                rib::Output::DeferralEnded => return Some(Output::DeferralEnded),
                rib::Output::Unusable { .. } => {}
                // Nobody has said that the RIB is watched.
                rib::Output::Changed(_) | rib::Output::ToldAnew(_) => {}
                rib::Output::TooManyPrefixes {
                    peer,
                    family,
                    limit,
                } => {
                    self.stop(
                        self.now,
                        peer,
                        Stop::MaxPrefixes {
                            family,
                            limit,
                            idle: MAX_PREFIXES_IDLE,
                        },
                    );
                }
                rib::Output::OutOfResources(peer) => {
                    let idle = MAX_PREFIXES_IDLE;
                    self.stop(self.now, peer, Stop::OutOfResources { idle });
                }
            }
        }
    }

    /// The routes.
    pub fn rib(&self) -> &Rib {
        &self.rib
    }

    /// The session with a peer.
    pub fn session(&self, peer: PeerId) -> Option<&Session> {
        self.neighbours
            .get(&peer)
            .map(|neighbour| &neighbour.session)
    }

    fn with(&mut self, now: Instant, peer: PeerId, act: impl FnOnce(&mut Session)) {
        self.now = now;
        if let Some(neighbour) = self.neighbours.get_mut(&peer) {
            act(&mut neighbour.session);
            self.drain(now, peer);
        }
    }

    /// Gives the RIB its input. What comes out of the RIB later is sent at the same time.
    fn tell_rib(&mut self, now: Instant, input: rib::Input) {
        self.now = now;
        self.rib.handle(now, input);
    }

    /// Takes what the session wants: its own business goes out, routes go to the RIB.
    fn drain(&mut self, now: Instant, peer: PeerId) {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else {
            return;
        };
        while let Some(output) = neighbour.session.poll_output() {
            if let session::Output::Update(update) = &output
                && update.has_opaque()
            {
                let update = update.clone();
                self.outputs.push_back(Output::Opaque(peer, update));
            }
            if let session::Output::Refresh(refresh) = &output
                && Family::from_afi_safi(refresh.family).is_none()
            {
                self.outputs
                    .push_back(Output::OpaqueRefresh(peer, *refresh));
            }
            let (input, output) = neighbour.link.split(&neighbour.config, output);
            if let Some(input) = input {
                self.rib.handle(now, input);
            }
            self.outputs.extend(output.and_then(|output| match output {
                session::Output::Connect => Some(Output::Connect(peer)),
                session::Output::CancelConnect => Some(Output::CancelConnect(peer)),
                session::Output::Transmit { conn, bytes } => {
                    Some(Output::Transmit { peer, conn, bytes })
                }
                session::Output::Close { conn } => Some(Output::Close { peer, conn }),
                session::Output::Up { negotiated, .. } => Some(Output::Up(peer, negotiated)),
                session::Output::Down(down) => Some(Output::Down(peer, down)),
                session::Output::Update(_)
                | session::Output::EndOfRib(_)
                | session::Output::Refresh(_)
                | session::Output::Refused(_) => None,
            }));
        }
    }
}
