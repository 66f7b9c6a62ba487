//! Status questions to the sessions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::command::{NeighbourCommand, NeighbourStatus};
use crate::starter::Peer;
use crate::turned_away::{Register, TurnedAway};

/// How long a neighbour may take to answer.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

/// Asks the sessions for their status: those that existed when the inquirer was made.
#[derive(Clone, Debug)]
pub struct Inquirer {
    peers: BTreeMap<Arc<str>, Peer>,
    turned_away: Register,
}

impl Inquirer {
    pub(super) fn new(peers: BTreeMap<Arc<str>, Peer>, turned_away: Register) -> Self {
        Self { peers, turned_away }
    }

    /// Rejected connections, by source: those of the last 64 addresses.
    pub fn turned_away(&self) -> Vec<TurnedAway> {
        self.turned_away.list()
    }

    /// The status of every session, by name. Sessions that are ending, or do not answer within five seconds, are left out.
    pub async fn sessions(&self) -> BTreeMap<Arc<str>, NeighbourStatus> {
        self.sessions_until(Instant::now() + ANSWER).await
    }

    async fn sessions_until(&self, until: Instant) -> BTreeMap<Arc<str>, NeighbourStatus> {
        let mut waiting = Vec::new();
        for (name, Peer { commands, .. }) in &self.peers {
            let (reply, answer) = oneshot::channel();
            let asked = commands.send(NeighbourCommand::Status(reply));
            if let Ok(Ok(())) = timeout_at(until, asked).await {
                waiting.push((Arc::clone(name), answer));
            }
        }
        let mut sessions = BTreeMap::new();
        for (name, answer) in waiting {
            if let Ok(Ok(status)) = timeout_at(until, answer).await {
                sessions.insert(name, status);
            }
        }
        sessions
    }
}

#[cfg(test)]
mod tests {
    use bgp_core::types::PeerId;
    use tokio::sync::mpsc;

    use super::*;
    use crate::meter::Meter;

    #[tokio::test]
    async fn a_session_that_hangs_is_left_out() {
        // One session's queue is full, the other session does not answer.
        let (full, _full) = mpsc::channel(1);
        full.try_send(NeighbourCommand::Start)
            .expect("there is room");
        let (mute, _mute) = mpsc::channel(1);
        let peers = [("full", full), ("mute", mute)].map(|(name, commands)| {
            let id = PeerId(0);
            let meter = Meter::new(id, Instant::now().into_std());
            let peer = Peer {
                id,
                commands,
                meter,
            };
            (name.into(), peer)
        });
        let inquirer = Inquirer::new(peers.into(), Register::default());
        assert!(inquirer.sessions_until(Instant::now()).await.is_empty());
    }
}
