//! The raw ICMPv6 socket of all links.

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Arc;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::message::{ADVERTISEMENT, Message, SOLICITATION};
use crate::namespace::{Namespace, make_in};
use crate::sockopt::{self, Datagram};

/// An open socket. Opening it needs CAP_NET_RAW, using it does not: a process may open it before it drops its privileges.
/// Clones share it.
#[derive(Clone, Debug)]
pub struct DiscoverySocket(Arc<Socket>);

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

impl DiscoverySocket {
    /// Opens the socket, in the network namespace of the calling thread unless another one is given. It receives nothing until it
    /// is used.
    ///
    /// # Errors
    /// CAP_NET_RAW is missing, or the system has no IPv6.
    pub fn open(namespace: Option<&Namespace>) -> io::Result<Self> {
        make_in(namespace, || {
            let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
            sockopt::receive_icmpv6(&socket, &[])?;
            socket.set_nonblocking(true)?;
            // RFC 4861 §6.1: whoever receives it can tell that no router has passed it on.
            socket.set_multicast_hops_v6(u8::MAX.into())?;
            socket.set_multicast_loop_v6(false)?;
            sockopt::tell_ttl(&socket)?;
            Ok(Self(Arc::new(socket)))
        })
    }

    /// Starts to receive; must be called within a tokio runtime.
    pub(super) fn begin(self) -> io::Result<Raw> {
        sockopt::receive_icmpv6(&*self.0, &[SOLICITATION, ADVERTISEMENT])?;
        let socket = self.0.try_clone()?;
        UdpSocket::from_std(socket.into()).map(Raw)
    }
}

/// The socket in use. The runtime only waits for it, which it does for a raw socket as for one of UDP.
pub(super) struct Raw(UdpSocket);

impl Raw {
    /// Receives what is sent to all routers of a link.
    pub(super) fn join(&self, index: u32) -> io::Result<()> {
        match self.0.join_multicast_v6(&ALL_ROUTERS, index) {
            Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => Ok(()), // it does already
            other => other,
        }
    }

    /// Undoes [`join`](Self::join). An interface that is gone takes its memberships with it.
    pub(super) fn leave(&self, index: u32) {
        self.0.leave_multicast_v6(&ALL_ROUTERS, index).ok();
    }

    /// Sends a message on a link. The queue of a raw socket is never full for long; a message that does not fit is lost.
    pub(super) fn send(&self, index: u32, message: Message) -> io::Result<()> {
        let to = match message {
            Message::Solicitation => ALL_ROUTERS,
            Message::Advertisement { .. } => ALL_NODES,
        };
        let to = SocketAddrV6::new(to, 0, 0, index);
        SockRef::from(&self.0).send_to(&message.encode(), &to.into())?;
        Ok(())
    }

    /// The next datagram. Cancellation safe.
    pub(super) async fn receive(&self) -> io::Result<Datagram> {
        let receive = || sockopt::receive_datagram(&self.0);
        self.0.async_io(Interest::READABLE, receive).await
    }
}
