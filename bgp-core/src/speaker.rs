//! Many sessions and one RIB as a single deterministic value, for tests, fuzzers and the simulator. The crate `bgp-speaker` runs
//! the same parts spread over tasks.
//!
//! Input: events of connections, time, local routes, configuration. Output: one ordered queue of [`Output`]. The glue between a
//! session and the RIB ([`SessionAdapter`]) is here, so that both compositions use the same code.

mod adapter;
mod config;

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

pub use adapter::SessionAdapter;
pub use config::NeighbourConfig;

/// How long a session stays down after it exceeded the prefix or memory limit (RFC 4486 §4).
pub const MAX_PREFIXES_IDLE: Duration = Duration::from_secs(120);

/// An output, to be carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Dial the peer.
    Connect(PeerId),
    /// Cancel the dialling in progress.
    CancelConnect(PeerId),
    /// Write octets to a connection; report with [`SansIoSpeaker::handle_written`].
    Transmit {
        /// The peer.
        peer: PeerId,
        /// The connection.
        conn: ConnId,
        /// Complete messages.
        bytes: Bytes,
    },
    /// Deliver the octets written so far, then close.
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
    /// Routes of families that are not routed here were announced or withdrawn: see [`Update::opaque`] and
    /// [`Update::attributes`]. Only for families negotiated by
    /// [`SessionConfig::opaque_families`](session::SessionConfig::opaque_families). All of them are gone when the session ends.
    Opaque(PeerId, Update),
    /// A peer asks for our routes of such a family again, or marks the start or end of its own answer (RFC 2918, RFC 7313).
    OpaqueRefresh(PeerId, RouteRefresh),
    /// The route to a prefix changed; only with [`RibConfig::forwarding`].
    Forward {
        /// The prefix.
        prefix: IpNet,
        /// The route to install; `None` if no peer has one.
        route: Option<ForwardRoute>,
    },
    /// Resolve this next hop from now on; only with [`RibConfig::resolve_next_hops`].
    Resolve(IpAddr),
    /// Stop resolving this next hop, until it is requested again.
    Forget(IpAddr),
    /// The deferral after a restart is over.
    DeferralEnded,
}

#[derive(Debug)]
struct Neighbour {
    config: NeighbourConfig,
    session: Session,
    link: SessionAdapter,
}

/// Many sessions and one RIB.
#[derive(Debug)]
pub struct SansIoSpeaker {
    rib: Rib,
    neighbours: BTreeMap<PeerId, Neighbour>,
    outputs: VecDeque<Output>,
    now: Instant,
    seed: u64,
}

impl SansIoSpeaker {
    /// A speaker without neighbours. Equal seeds and equal inputs give equal outputs.
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

    /// Adds a neighbour and starts its session, or changes a neighbour; its session restarts only if necessary. A number above
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
                link: SessionAdapter::new(peer),
            },
        );
        self.drain(now, peer);
    }

    /// Evaluates the routes from and to a peer again, because a hook in its policies has new answers. Done in slices, as outputs
    /// are taken; see [`rib::Input::Reevaluate`].
    pub fn reevaluate(&mut self, now: Instant, peer: PeerId) {
        self.tell_rib(now, rib::Input::Reevaluate(peer));
    }

    /// Changes our cluster ID (RFC 4456 §7); no session is touched.
    pub fn set_cluster_id(&mut self, now: Instant, cluster_id: Option<RouterId>) {
        self.tell_rib(now, rib::Input::ClusterId(cluster_id));
    }

    /// Removes a neighbour: its session ends with a Cease, and its routes are removed.
    pub fn remove(&mut self, now: Instant, peer: PeerId) {
        self.stop(now, peer, Stop::Deconfigured);
        self.neighbours.remove(&peer);
        self.tell_rib(now, rib::Input::Remove(peer));
    }

    /// Stops a session.
    pub fn stop(&mut self, now: Instant, peer: PeerId, why: Stop) {
        self.with(now, peer, |session| session.stop(now, why));
    }

    /// Starts a stopped session.
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

    /// The dialling requested by [`Output::Connect`] failed.
    pub fn handle_connect_failed(&mut self, now: Instant, peer: PeerId, error: &str) {
        self.with(now, peer, |session| {
            session.handle_connect_failed(now, error)
        });
    }

    /// The peer sent octets; octets left in `input` belong to an incomplete message.
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

    /// The connection has taken octets; `pending` tells whether more are waiting.
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

    /// Adds or replaces a local route.
    pub fn announce(&mut self, now: Instant, prefix: IpNet, route: LocalRoute) {
        self.tell_rib(now, rib::Input::announce(prefix, route));
    }

    /// Removes a local route.
    pub fn withdraw(&mut self, now: Instant, prefix: IpNet, id: u32) {
        self.tell_rib(now, rib::Input::Withdraw { prefix, id });
    }

    /// Sends a peer routes of a family that is not routed here; `attributes` only apply to announced routes. Sent routes are not
    /// stored: after [`Output::Up`] the owner sends everything again.
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

    /// Answers [`Output::Resolve`], and again whenever the answer changes.
    pub fn handle_next_hop(&mut self, now: Instant, address: IpAddr, resolution: Resolution) {
        self.tell_rib(
            now,
            rib::Input::NextHop {
                address,
                resolution,
            },
        );
    }

    /// Defers all decisions until these peers have sent their routes: see [`rib::Input::Defer`].
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

    /// Handles deadlines up to `now`; harmless if none is due.
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

    /// When to call [`SansIoSpeaker::handle_timeout`] next.
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

    /// The next output; `None` if nothing is left to do until the next event.
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
                // The RIB is never watched here.
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

    /// The RIB.
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

    /// Passes an input to the RIB. Messages that the RIB outputs later are sent at the same time.
    fn tell_rib(&mut self, now: Instant, input: rib::Input) {
        self.now = now;
        self.rib.handle(now, input);
    }

    /// Handles the session's outputs: its own go out, routes go to the RIB.
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
