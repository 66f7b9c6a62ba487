//! Starts the task of a neighbour, with everything that it needs of the speaker.

use std::sync::Arc;

use bgp_core::rib::Input;
use bgp_core::session::SessionConfig;
use bgp_core::speaker::NeighbourConfig;
use bgp_core::types::PeerId;
use tokio::sync::{broadcast, mpsc, watch};

use crate::acceptor::{self, AcceptorCommand, Guard, ListenerEntry};
use crate::bfd::{Bfd, Watchdog};
use crate::command::NeighbourCommand;
use crate::event::{Ended, Event};
use crate::farewell::Farewells;
use crate::listener::PeerSecurity;
use crate::meter::Meter;
use crate::namespace::Namespace;
use crate::neighbour::{Arrival, Neighbour};
use crate::opaque::{OpaqueSender, Outlet};
use crate::path_rule::PathRule;
use crate::reporter::{Established, Reporter};
use crate::spec::PeerSettings;
use crate::table::{self, TableInput};
use crate::tap::{PeerTap, Subscriber};
use crate::tasks::Tasks;
use crate::timer::now;

/// Commands waiting for a neighbour; beyond this number, callers wait.
const COMMANDS: usize = 16;

/// What all neighbours share.
#[derive(Clone)]
pub(super) struct Starter {
    pub(super) table: table::Sender,
    pub(super) bfd: Bfd,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) established: Established,
    pub(super) acceptor: mpsc::Sender<AcceptorCommand>,
    pub(super) farewells: Farewells,
    pub(super) subscriber: Option<Arc<dyn Subscriber>>,
    pub(super) tasks: Tasks,
    pub(super) namespace: Option<Namespace>,
    pub(super) opaque: Option<OpaqueSender>,
    /// Gives each session a different jitter.
    pub(super) seed: u64,
}

/// A peer whose task runs.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) commands: mpsc::Sender<NeighbourCommand>,
    pub(super) meter: Meter,
}

/// Where a peer comes from.
enum Origin {
    /// The owner has configured it.
    Configured,
    /// It has connected, unless another process hands its session over.
    Range(Option<Arrival>),
}

/// What an earlier process means to a peer that starts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Restart {
    /// The OPEN says that we have restarted, until the session first comes up.
    pub(super) is_told: bool,
    /// BFD comes up before the session, as it watched the session of that process.
    pub(super) bfd_first: bool,
}

impl Starter {
    /// Starts a configured peer.
    pub(super) async fn start(
        &self,
        id: PeerId,
        name: Arc<str>,
        settings: PeerSettings,
        restart: Restart,
    ) -> Result<Peer, Ended> {
        let origin = Origin::Configured;
        self.start_task(id, name, settings, restart, origin, async {})
            .await
    }

    /// Starts a dynamic peer with its first connection, or without one if its session comes from another process; otherwise as
    /// [`Starter::start`]. `ended` runs when the peer is gone.
    pub(super) async fn start_dynamic(
        &self,
        id: PeerId,
        name: Arc<str>,
        settings: PeerSettings,
        first: Option<Arrival>,
        restart: Restart,
        ended: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Peer, Ended> {
        let origin = Origin::Range(first);
        self.start_task(id, name, settings, restart, origin, ended)
            .await
    }

    async fn start_task(
        &self,
        id: PeerId,
        name: Arc<str>,
        settings: PeerSettings,
        restart: Restart,
        origin: Origin,
        ended: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Peer, Ended> {
        let (is_dynamic, first) = match origin {
            Origin::Configured => (false, None),
            Origin::Range(first) => (true, first),
        };
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let (connections, accepted) = mpsc::channel(acceptor::WAITING);
        let guard = watch::Sender::new(Guard::Pending);
        let config = Arc::clone(&settings.neighbour.routes);
        let configure = TableInput::Input(Input::Configure { peer: id, config });
        self.table.send([configure]).await?;
        let meter = Meter::new(id, now());
        let neighbour = Neighbour {
            peer: id,
            config: session_of(&settings.neighbour, restart.is_told),
            dial: settings.dial.clone(),
            is_dynamic,
            first,
            commands: receiver,
            accepted,
            guard: guard.subscribe(),
            table: self.table.clone(),
            reporter: Reporter {
                name: Arc::clone(&name),
                events: self.events.clone(),
                established: Arc::clone(&self.established),
                tap: self.tap(&name, id),
            },
            farewells: self.farewells.clone(),
            namespace: self.namespace.clone(),
            opaque: self.outlet(&name, &settings),
            meter: meter.clone(),
            path: PathRule::new(
                self.watchdog(&name, &settings, is_dynamic),
                restart.bfd_first,
            ),
        };
        let number = u64::from(id.0);
        let seed = self.seed.wrapping_add(number.wrapping_mul(SPREAD));
        self.tasks.job(format!("neighbour {name}"), async move {
            neighbour.run(seed).await;
            ended.await;
        });
        let security = PeerSecurity {
            md5: settings.dial.md5.clone(),
            ttl: settings.dial.ttl,
        };
        let mut entry =
            ListenerEntry::new(name, settings.dial.remote, security, connections, guard);
        entry.is_dynamic = is_dynamic;
        let opened = self.acceptor.send(AcceptorCommand::Open(entry)).await;
        opened.map_err(|_| Ended)?;
        Ok(Peer {
            id,
            commands,
            meter,
        })
    }

    /// `None` if the peer offers no opaque families.
    fn outlet(&self, name: &Arc<str>, settings: &PeerSettings) -> Option<Outlet> {
        let offers_any = !settings.neighbour.session.opaque_families.is_empty();
        let sender = self.opaque.as_ref().filter(|_| offers_any)?;
        Some(Outlet::new(sender.clone(), Arc::clone(name)))
    }

    /// A dynamic peer is there because it has connected: it does not wait for BFD.
    fn watchdog(&self, name: &Arc<str>, settings: &PeerSettings, is_dynamic: bool) -> Watchdog {
        let dial = &settings.dial;
        let mut watchdog =
            Watchdog::new(self.bfd.clone(), Arc::clone(name), dial.remote, dial.source);
        let mut bfd = settings.bfd;
        if let Some(bfd) = &mut bfd {
            bfd.strict &= !is_dynamic;
        }
        watchdog.configure(bfd);
        watchdog
    }

    fn tap(&self, name: &Arc<str>, id: PeerId) -> Option<PeerTap> {
        let subscriber = self.subscriber.as_ref()?;
        Some(PeerTap::new(Arc::clone(subscriber), Arc::clone(name), id))
    }
}

fn session_of(config: &NeighbourConfig, restarting: bool) -> NeighbourConfig {
    let mut session = SessionConfig::clone(&config.session);
    if let Some(restart) = &mut session.graceful_restart {
        restart.restarting |= restarting;
    }
    let mut neighbour = config.clone();
    neighbour.session = Arc::new(session);
    neighbour
}

/// Odd, so that peers with different numbers have different seeds.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
