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
    /// Listen on these addresses, and no others: sockets that are there stay, and each address is tried.
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
    /// By address; more than one neighbour where several have the address with different ports: the first by name takes all.
    doors: HashMap<IpAddr, Vec<Door>>,
    /// Where it cannot listen, and why: said once.
    refused: HashMap<SocketAddr, String>,
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
                // Whoever gave the order may have gone.
                reply.send(self.listen(&addresses)).ok();
            }
            Order::Open(door) => {
                let address = door.address;
                let doors = self.doors.entry(address).or_default();
                doors.push(door);
                doors.sort_by(|a, b| a.name.cmp(&b.name));
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

    /// Returns the first error of an address that is worth another try.
    fn listen(&mut self, addresses: &[SocketAddr]) -> Result<Vec<SocketAddr>, ListenError> {
        let before = self.listeners.addresses();
        self.listeners.keep(addresses);
        self.refused
            .retain(|address, _| addresses.contains(address));
        let (mut bound, mut failed) = (Vec::new(), Vec::new());
        for address in addresses {
            match self.listeners.bind(*address) {
                Ok(local) => {
                    self.refused.remove(address);
                    bound.push(local);
                }
                Err(error) => failed.extend(self.take_failure(error)),
            }
        }
        if bound.iter().any(|address| !before.contains(address)) {
            info!(addresses = ?bound, "listening");
        }
        failed.into_iter().next().map_or(Ok(bound), Err)
    }

    /// Logs an error when it is new. Returns it unless another try is in vain.
    fn take_failure(&mut self, error: ListenError) -> Option<ListenError> {
        let text = error.to_string();
        let absent = error.is_family_absent();
        if self.refused.get(&error.address) != Some(&text) {
            // Whoever gave the order learns of the others, and says so.
            if absent {
                info!("{text}");
            } else {
                debug!("{text}");
            }
            self.refused.insert(error.address, text);
        }
        (!absent).then_some(error)
    }

    /// Brings the rules of the first neighbour with this address to the sockets: they have one key for each address.
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    /// Promise 2.4.
    #[tokio::test]
    async fn an_address_that_is_taken_keeps_no_other_from_being_listened_on() {
        let other = std::net::TcpListener::bind("127.0.0.2:0").expect("a port");
        let taken = other.local_addr().expect("an address");
        let wanted = [taken, address("127.0.0.1:0")];
        let mut acceptor = Acceptor::default();
        assert!(acceptor.listen(&wanted).expect_err("taken").is_in_use());
        let good = acceptor.listeners.addresses();
        assert_eq!(good.len(), 1);
        // The socket stays: another would have another port.
        assert!(acceptor.listen(&wanted).expect_err("taken").is_in_use());
        assert_eq!(acceptor.listeners.addresses(), good);
        drop(other);
        assert_eq!(acceptor.listen(&wanted).expect("free"), [taken, good[0]]);
        assert_eq!(acceptor.listen(&[taken]).expect("it stays"), [taken]);
        assert_eq!(acceptor.listeners.addresses(), [taken]);
        assert_eq!(acceptor.refused, HashMap::new());
    }

    /// Promise 5.15.
    #[test]
    fn the_first_of_an_address_by_name_takes_its_connections() {
        let peer = address("192.0.2.1:179").ip();
        let mut acceptor = Acceptor::default();
        for name in ["b", "a", "c"] {
            let (commands, _) = mpsc::channel(1);
            acceptor.obey(Order::Open(Door {
                name: name.into(),
                address: peer,
                security: PeerSecurity::default(),
                commands,
            }));
        }
        let first = |acceptor: &Acceptor| Arc::clone(&acceptor.doors[&peer][0].name);
        assert_eq!(*first(&acceptor), *"a");
        acceptor.obey(Order::Close("a".into()));
        assert_eq!(*first(&acceptor), *"b");
    }

    #[test]
    fn a_family_that_is_absent_is_no_reason_to_try_again() {
        let error = |address, errno| ListenError {
            address,
            error: io::Error::from_raw_os_error(errno),
        };
        let (v6, v4) = (address("[::]:179"), address("0.0.0.0:179"));
        let mut acceptor = Acceptor::default();
        let absent = error(v6, libc::EAFNOSUPPORT);
        assert_eq!(
            absent.to_string(),
            "cannot listen on address :: port 179: this system has no IPv6"
        );
        assert!(acceptor.take_failure(absent).is_none());
        assert!(acceptor.take_failure(error(v4, libc::EADDRINUSE)).is_some());
    }
}
