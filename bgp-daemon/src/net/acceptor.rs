//! The task that accepts connections and brings each to the neighbour it comes from.
//!
//! A connection from an address that no neighbour has is closed without a word (RFC 4271 §8.2.1.4 allows it): it costs nothing
//! and keeps no state. One whose neighbour is too busy to take it is closed too; the peer will come again.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};

use super::listener::{Incoming, ListenError, Listeners, PeerSecurity};
use super::neighbour::Command;

/// Orders waiting for the acceptor; beyond it, the owner waits.
pub(super) const ORDERS: usize = 64;

/// What the acceptor is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Listen on these addresses, and no others.
    Listen(
        Vec<SocketAddr>,
        oneshot::Sender<Result<Vec<SocketAddr>, ListenError>>,
    ),
    /// A neighbour takes connections.
    Open(Door),
    /// It no longer does.
    Close(Arc<str>),
}

/// Where connections of a neighbour go.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) name: Arc<str>,
    pub(super) address: IpAddr,
    pub(super) security: PeerSecurity,
    pub(super) commands: mpsc::Sender<Command>,
}

/// The listening sockets and the neighbours behind them.
#[derive(Debug, Default)]
pub(super) struct Acceptor {
    listeners: Listeners,
    /// By address; more than one neighbour where several have the address with different ports: the first takes all.
    doors: HashMap<IpAddr, Vec<Door>>,
}

impl Acceptor {
    /// Runs until the owner is gone.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            tokio::select! {
                // Whoever is configured before it comes is known when it does.
                biased;
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                incoming = self.listeners.accept() => self.admit(incoming),
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Listen(addresses, reply) => {
                self.listeners.close();
                let bound: Result<Vec<SocketAddr>, ListenError> = addresses
                    .into_iter()
                    .map(|address| self.listeners.bind(address))
                    .collect();
                if let Ok(addresses) = &bound {
                    info!(?addresses, "listening");
                }
                // Whoever gave the order may have gone.
                reply.send(bound).ok();
            }
            Order::Open(door) => {
                let address = door.address;
                self.doors.entry(address).or_default().push(door);
                self.protect(address);
            }
            Order::Close(name) => {
                let Some(address) = self
                    .doors
                    .values()
                    .flatten()
                    .find(|door| door.name == name)
                    .map(|door| door.address)
                else {
                    return;
                };
                if let Some(doors) = self.doors.get_mut(&address) {
                    doors.retain(|door| door.name != name);
                }
                self.protect(address);
            }
        }
    }

    /// Brings the rules of the first neighbour with this address to the sockets.
    fn protect(&mut self, address: IpAddr) {
        let security = self
            .doors
            .get(&address)
            .and_then(|doors| doors.first())
            .map(|door| door.security.clone());
        let done = match security {
            Some(security) => self.listeners.set_peer(address, security),
            None => {
                self.doors.remove(&address);
                self.listeners.remove_peer(address)
            }
        };
        if let Err(error) = done {
            warn!(%error, "connections of this peer cannot be accepted safely");
        }
    }

    fn admit(&self, incoming: Incoming) {
        let address = incoming.peer.ip();
        let Some(door) = self.doors.get(&address).and_then(|doors| doors.first()) else {
            debug!(peer = %incoming.peer, "connection from an address that is not configured");
            return;
        };
        if door
            .commands
            .try_send(Command::Accepted(incoming.stream))
            .is_err()
        {
            debug!(peer = %door.name, "too busy for another connection");
        }
    }
}
