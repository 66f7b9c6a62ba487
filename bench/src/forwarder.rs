//! The floor: a program that completes the handshake and then forwards every UPDATE of a peer to all others, unchanged.
//!
//! It keeps no routes, so it shows the cost of sockets, the kernel and the clients of the benchmark. It never ends by itself.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use bgp_core::types::{Family, RouterId};
use bgp_core::wire::{Capability, HEADER_LEN, Message, MessageType, Open};
use bytes::{Bytes, BytesMut};

use crate::client::connection::{Connection, READ_LEN};
use crate::client::poller::{Poller, Ready};
use crate::client::session::encode;
use crate::network::{self, ROUTER};
use crate::subject::ROUTER_ASN;

/// The listening socket among the connections.
const LISTENER: usize = usize::MAX;
/// Longest sleep.
const TICK: Duration = Duration::from_secs(1);

struct Forwarder {
    poller: Poller,
    /// Closed ones leave a gap.
    peers: Vec<Option<Connection>>,
    buffer: Vec<u8>,
    greeting: Bytes,
    keepalive: Bytes,
}

/// Forwards among the peers that connect, and that at `dial` if given.
pub(crate) fn run(dial: Option<Ipv4Addr>) -> anyhow::Result<()> {
    let mut forwarder = Forwarder {
        poller: Poller::new()?,
        peers: Vec::new(),
        buffer: vec![0; READ_LEN + usize::from(u16::MAX)],
        greeting: greeting(),
        keepalive: encode(&Message::Keepalive),
    };
    let listener = TcpListener::bind(network::router())?;
    listener.set_nonblocking(true)?;
    forwarder.poller.add(&listener, LISTENER, false)?;
    if let Some(peer) = dial {
        let remote = SocketAddr::from((peer, network::WAITING_PORT));
        let connection = Connection::connect(ROUTER, remote, 0, &forwarder.poller)?;
        forwarder.greet(connection)?;
    }
    let mut ready = Vec::new();
    loop {
        forwarder.poller.wait(TICK, &mut ready)?;
        for event in &ready {
            match event.key {
                LISTENER => forwarder.accept(&listener)?,
                _ => forwarder.serve(*event),
            }
        }
    }
}

fn greeting() -> Bytes {
    encode(&Message::Open(Open {
        asn: ROUTER_ASN,
        hold_time: 0,
        router_id: RouterId(ROUTER),
        capabilities: vec![
            Capability::Multiprotocol(Family::Ipv4Unicast.afi_safi()),
            Capability::FourOctetAs(ROUTER_ASN),
        ],
    }))
}

impl Forwarder {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let connection = Connection::new(stream, self.peers.len(), &self.poller)?;
        self.greet(connection)
    }

    fn greet(&mut self, mut connection: Connection) -> io::Result<()> {
        connection.send(self.greeting.clone(), &self.poller)?;
        self.peers.push(Some(connection));
        Ok(())
    }

    /// A peer that cannot be served is closed.
    fn serve(&mut self, event: Ready) {
        let Some(mut connection) = self.peers[event.key].take() else {
            return;
        };
        if let Ok(Some(updates)) = self.exchange(event, &mut connection) {
            self.peers[event.key] = Some(connection);
            self.forward(event.key, &updates);
        }
    }

    /// What a peer has sent; `None` if it has closed.
    fn exchange(&mut self, event: Ready, connection: &mut Connection) -> io::Result<Option<Bytes>> {
        if event.writable {
            connection.flush(&self.poller)?;
        }
        let mut updates = BytesMut::new();
        let mut opened = false;
        if event.readable {
            let is_open = connection.read(&mut self.buffer, |message| {
                match MessageType(message[HEADER_LEN - 1]) {
                    MessageType::UPDATE => updates.extend_from_slice(message),
                    MessageType::OPEN => opened = true,
                    _ => {}
                }
                Ok(())
            })?;
            if !is_open {
                return Ok(None);
            }
        }
        if opened {
            connection.send(self.keepalive.clone(), &self.poller)?;
        }
        Ok(Some(updates.freeze()))
    }

    fn forward(&mut self, from: usize, updates: &Bytes) {
        if updates.is_empty() {
            return;
        }
        for (index, peer) in self.peers.iter_mut().enumerate() {
            let sent = peer
                .as_mut()
                .filter(|_| index != from)
                .map(|peer| peer.send(updates.clone(), &self.poller));
            if sent.is_some_and(|sent| sent.is_err()) {
                *peer = None;
            }
        }
    }
}
