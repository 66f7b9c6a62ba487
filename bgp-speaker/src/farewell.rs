//! Connections that are being closed.
//!
//! Each connection stays open until the peer has read the NOTIFICATION on it, or a time limit is over (see
//! [`TcpConnection::finish`]). A peer that keeps reconnecting holds at most [`PER_PEER`] descriptors, and all peers together at most
//! [`FOR_ALL`]: beyond that the oldest connection is closed at once. Its last message was written by then, so only a peer that is
//! still sending can miss it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::connection::TcpConnection;
use crate::tasks::Tasks;

/// Lingering connections of one address.
const PER_PEER: usize = 4;
/// Lingering connections of all peers.
const FOR_ALL: usize = 256;

/// All lingering connections. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Farewells {
    tasks: Tasks,
    lingering: Arc<Mutex<VecDeque<Lingering>>>,
}

/// Oldest first.
#[derive(Debug)]
struct Lingering {
    peer: IpAddr,
    /// Dropping this end closes the connection. The other end is dropped with the connection.
    held: oneshot::Sender<()>,
}

impl Farewells {
    pub(super) fn new(tasks: Tasks) -> Self {
        let lingering = Arc::default();
        Self { tasks, lingering }
    }

    /// Writes as much of the queued output as TCP takes, and lets the connection linger.
    pub(super) fn add(&self, mut connection: TcpConnection) {
        // If a write fails, the reader is gone.
        if connection.write().is_err() {
            return;
        }
        let (held, closed) = oneshot::channel();
        let peer = connection.remote.ip();
        self.make_room(Lingering { peer, held });
        self.tasks.errand("farewell", async {
            tokio::select! {
                () = connection.finish() => {}
                _ = closed => {}
            }
        });
    }

    /// Waits until all lingering connections are closed.
    pub(super) async fn ended(&self) {
        while let Some(mut oldest) = self.oldest() {
            oldest.held.closed().await;
        }
    }

    fn oldest(&self) -> Option<Lingering> {
        let lingering = self.lingering.lock();
        lingering
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }

    fn make_room(&self, newest: Lingering) {
        let lingering = self.lingering.lock();
        let mut lingering = lingering.unwrap_or_else(PoisonError::into_inner);
        lingering.retain(|one| !one.held.is_closed());
        let of_peer = |one: &Lingering| one.peer == newest.peer;
        if lingering.iter().filter(|one| of_peer(one)).count() >= PER_PEER {
            let oldest = lingering.iter().position(of_peer);
            oldest.map(|place| lingering.remove(place));
        } else if lingering.len() >= FOR_ALL {
            lingering.pop_front();
        }
        lingering.push_back(newest);
    }
}

#[cfg(test)]
mod tests {
    use bgp_core::session::ConnId;
    use bytes::Bytes;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// All but the newest few have ended, and all peers have read the last message.
    async fn only_the_newest_linger(count: usize, peers: usize, newest: usize) {
        let farewells = Farewells::new(Tasks::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut clients = Vec::new();
        for number in 0..count {
            let client = TcpSocket::new_v4().expect("a socket");
            let source = [
                127,
                1,
                (number % peers / 250) as u8,
                (number % peers % 250) as u8 + 1,
            ];
            client.bind((source, 0).into()).expect("an address");
            let (client, accepted) = tokio::join!(client.connect(address), listener.accept());
            let mut connection =
                TcpConnection::new(ConnId(number as u64), accepted.expect("accepted").0)
                    .expect("it is there");
            connection.push(Bytes::from_static(b"bye"), false);
            farewells.add(connection);
            clients.push(client.expect("connected"));
        }
        while farewells.tasks.names().len() > newest {
            tokio::task::yield_now().await;
        }
        for client in &mut clients {
            let mut words = [0; 3];
            client.read_exact(&mut words).await.expect("the last words");
            assert_eq!(&words, b"bye");
        }
        // A peer that reads the NOTIFICATION ends its connection.
        drop(clients);
        while !farewells.tasks.names().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_few_connections_of_a_peer_linger() {
        only_the_newest_linger(10 * PER_PEER, 1, PER_PEER).await;
    }

    #[tokio::test]
    async fn connections_of_all_peers_that_linger_have_a_limit() {
        only_the_newest_linger(FOR_ALL + 40, FOR_ALL + 40, FOR_ALL).await;
    }
}
