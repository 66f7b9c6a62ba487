//! The running peers of a speaker, configured and dynamic: looked up by name, started, stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bgp_core::session::Stop;
use bgp_core::types::{Family, PeerId};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use crate::acceptor::AcceptorCommand;
use crate::command::NeighbourCommand;
use crate::config::SpeakerConfig;
use crate::dynamic;
use crate::event::Ended;
use crate::ids::Ids;
use crate::meter::SessionMeter;
use crate::shutdown::Partings;
use crate::spec::PeerSettings;
use crate::starter::{Peer, Restart, Starter};

/// All peers of a speaker.
pub(crate) struct Peers {
    configured: Mutex<Configured>,
    pub(crate) dynamic: dynamic::Registry,
    pub(crate) starter: Starter,
    /// Peers added now are told that we have just restarted.
    restarting: AtomicBool,
    /// Peers whose sessions come up after BFD when they start.
    bfd_first: Mutex<BTreeSet<Arc<str>>>,
}

/// The running configured peers.
#[derive(Debug, Default)]
struct Configured {
    peers: BTreeMap<Arc<str>, Peer>,
    ids: Ids,
}

impl Peers {
    /// No peers yet.
    pub(crate) fn new(starter: Starter, config: SpeakerConfig) -> Self {
        let configured = Configured::default();
        let ids = configured.ids.clone();
        Self {
            configured: Mutex::new(configured),
            dynamic: dynamic::Registry::new(starter.clone(), ids, config),
            starter,
            restarting: AtomicBool::new(false),
            bfd_first: Mutex::default(),
        }
    }

    fn configured(&self) -> MutexGuard<'_, Configured> {
        let configured = self.configured.lock();
        configured.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_restarting(&self, restarting: bool) {
        self.restarting.store(restarting, Ordering::Relaxed);
    }

    pub(crate) fn set_bfd_first(&self, names: BTreeSet<Arc<str>>) {
        *self.bfd_first() = names;
    }

    fn bfd_first(&self) -> MutexGuard<'_, BTreeSet<Arc<str>>> {
        let names = self.bfd_first.lock();
        names.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, name: &str) -> Option<Peer> {
        let configured = self.configured().peers.get(name).cloned();
        configured.or_else(|| self.dynamic.peer(name))
    }

    /// Configured and dynamic peers.
    pub(crate) fn all(&self) -> BTreeMap<Arc<str>, Peer> {
        let mut all = self.dynamic.peers();
        all.extend(self.configured().peers.clone());
        all
    }

    /// The meters of configured and dynamic peers, in no order.
    pub(crate) fn meters(&self) -> Vec<(Arc<str>, SessionMeter)> {
        let of = |(name, peer): (&Arc<str>, &Peer)| (Arc::clone(name), peer.meter.read());
        let dynamic = self.dynamic.peers();
        let mut all: Vec<_> = dynamic.iter().map(of).collect();
        all.extend(self.configured().peers.iter().map(of));
        all
    }

    /// Reserves numbers for peers to be started; returns them with each of their families.
    pub(crate) fn reserve(&self, peers: Vec<(Arc<str>, Vec<Family>)>) -> Vec<(PeerId, Family)> {
        let mut expected = Vec::new();
        let ids = self.configured().ids.clone();
        for (name, families) in peers {
            let id = ids.reserve(name);
            expected.extend(families.into_iter().map(|family| (id, family)));
        }
        expected
    }

    /// Starts a configured peer; dynamic peers with its name or address are removed.
    pub(crate) async fn start(&self, name: Arc<str>, settings: PeerSettings) -> Result<(), Ended> {
        for peer in self.dynamic.give_way(&name, settings.dial.remote) {
            remove(&peer, Stop::Deconfigured).await;
        }
        let id = self.configured().ids.take_for(&name);
        let returns = self.dynamic.returns(&name);
        let restart = Restart {
            is_told: returns || self.restarting.load(Ordering::Relaxed),
            bfd_first: self.bfd_first().remove(&name),
        };
        let started = self.starter.start(id, Arc::clone(&name), settings, restart);
        let peer = started.await?;
        self.configured().peers.insert(name, peer);
        Ok(())
    }

    /// Ends the task of a peer, if there is one of that name.
    pub(crate) async fn stop(&self, name: &str, why: Stop) {
        let configured = self.configured().peers.remove(name);
        let Some(peer) = configured else {
            if let Some(peer) = self.dynamic.peer(name) {
                remove(&peer, why).await;
            }
            return;
        };
        self.dynamic.unconfigured(name);
        // An acceptor that has ended has closed all listener entries.
        let close = AcceptorCommand::Close(name.into());
        self.starter.acceptor.send(close).await.ok();
        remove(&peer, why).await;
        self.configured().ids.give_back(peer.id);
    }

    /// Ends the tasks of all peers, each with its reason, and counts how their sessions ended.
    pub(crate) async fn part(&self, why: impl Fn(&str) -> Stop, partings: &mut Partings) {
        let (mut late, mut ending) = (Vec::new(), Vec::new());
        let mut peers = self.dynamic.close();
        peers.append(&mut self.configured().peers);
        for (name, peer) in peers {
            let (done, ended) = oneshot::channel();
            ending.push(ended);
            let command = NeighbourCommand::Remove(why(&name), done);
            // A busy task must not delay the others.
            if let Err(TrySendError::Full(command)) = peer.commands.try_send(command) {
                late.push((peer.commands, command));
            }
        }
        for (commands, command) in late {
            commands.send(command).await.ok();
        }
        for ended in ending {
            if let Ok(Some(reason)) = ended.await {
                partings.count(&reason);
            }
        }
        self.starter.farewells.ended().await;
    }
}

/// Ends the task of a peer, and waits for the end.
async fn remove(peer: &Peer, why: Stop) {
    let (done, gone) = oneshot::channel();
    // The task may have ended already.
    if peer
        .commands
        .send(NeighbourCommand::Remove(why, done))
        .await
        .is_ok()
    {
        gone.await.ok();
    }
}
