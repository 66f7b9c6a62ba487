//! Dialling a BGP peer: one TCP connection with the configured source, signature and TTL, or a short reason.
//!
//! This module does not retry, and knows nothing of sessions. Reasons are the system's error texts, which operators know from
//! BIRD: "Connection refused", "No route to host", "Connection timed out".

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};

use crate::descriptors::is_of_reserve;
use crate::namespace::{Namespace, make_in};
use crate::sockopt::{self, Md5Key, Ttl};

/// Default limit for a TCP handshake.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Where and how to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// The peer. A link-local address carries its interface as scope.
    pub remote: SocketAddr,
    /// Local address to use; `None` leaves the choice to the kernel.
    pub source: Option<IpAddr>,
    /// Key for TCP MD5 signatures (RFC 2385).
    pub md5: Option<Md5Key>,
    /// TTL to send and to require.
    pub ttl: Ttl,
    /// Limit for the handshake.
    pub timeout: Duration,
}

/// Why dialling failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// No answer in time. A wrong MD5 password looks the same: the kernel drops such segments silently.
    #[error("Connection timed out")]
    TimedOut,
    /// This node does not have the source address.
    #[error("source address {address} is not on this node")]
    Source {
        /// The source address.
        address: IpAddr,
    },
    /// The kernel refused the peer's key on the listening sockets: the peer is not dialled without it.
    #[error("the kernel does not take the TCP MD5 password")]
    NoKey,
    /// The kernel lacks TCP MD5 signatures, or refused the key.
    #[error("cannot set the TCP MD5 password: {}", words(.0))]
    Md5(io::Error),
    /// Any other error, with the system's text.
    #[error("{}", words(.0))]
    Os(io::Error),
}

impl Dial {
    /// Dials a peer without signature or TTL security; the kernel chooses the source address.
    pub fn new(remote: SocketAddr) -> Self {
        Self {
            remote,
            source: None,
            md5: None,
            ttl: Ttl::System,
            timeout: TIMEOUT,
        }
    }

    /// Connects to the peer.
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn connect(&self) -> Result<TcpStream, DialError> {
        self.connect_in(None).await
    }

    /// Connects with a socket made in a network namespace.
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn connect_in(&self, namespace: Option<&Namespace>) -> Result<TcpStream, DialError> {
        let connection = self.socket(namespace)?.connect(self.remote);
        match tokio::time::timeout(self.timeout, connection).await {
            Ok(connected) => connected.map_err(DialError::from),
            Err(_) => Err(DialError::TimedOut),
        }
    }

    /// A socket with all options that must be set before the first segment.
    fn socket(&self, namespace: Option<&Namespace>) -> Result<TcpSocket, DialError> {
        let domain = Domain::for_address(self.remote);
        let new = move || Socket::new(domain, Type::STREAM, Some(Protocol::TCP));
        let socket = make_in(namespace, new)?;
        if is_of_reserve(&socket) {
            return Err(DialError::Os(io::Error::from_raw_os_error(libc::EMFILE)));
        }
        socket.set_nonblocking(true)?;
        sockopt::set_bgp_defaults(&socket)?;
        sockopt::set_ttl(&socket, self.ttl)?;
        if self.md5.is_some() {
            sockopt::set_md5_key(&socket, self.remote.ip().into(), self.md5.as_ref())
                .map_err(DialError::Md5)?;
        }
        if let Some(address) = self.source {
            bind(&socket, address, self.remote)?;
        }
        Ok(TcpSocket::from_std_stream(socket.into()))
    }
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Os(error),
        }
    }
}

/// Binds to the source address with any port; a link-local one needs the interface of the peer.
fn bind(socket: &Socket, address: IpAddr, remote: SocketAddr) -> Result<(), DialError> {
    let mut local = SocketAddr::new(address, 0);
    if let (SocketAddr::V6(local), SocketAddr::V6(remote)) = (&mut local, remote)
        && local.ip().is_unicast_link_local()
    {
        local.set_scope_id(remote.scope_id());
    }
    socket
        .bind(&local.into())
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrNotAvailable => DialError::Source { address },
            _ => DialError::Os(error),
        })
}

/// The system's text for a connection error, such as "Connection reset by peer".
pub fn words(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), sockopt::errno_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial(remote: SocketAddr) -> Dial {
        Dial {
            remote,
            source: None,
            md5: None,
            ttl: Ttl::System,
            timeout: Duration::from_secs(5),
        }
    }

    #[tokio::test]
    async fn a_closed_port_refuses() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let error = dial(closed)
            .connect()
            .await
            .expect_err("the listener is gone");
        assert_eq!(error.to_string(), "Connection refused");
    }

    #[tokio::test]
    async fn a_foreign_source_address_is_named() {
        let source = Some("192.0.2.55".parse().unwrap());
        let error = Dial {
            source,
            ..dial("127.0.0.1:179".parse().unwrap())
        }
        .connect()
        .await;
        assert_eq!(
            error.expect_err("not ours").to_string(),
            "source address 192.0.2.55 is not on this node"
        );
    }

    #[tokio::test]
    async fn the_source_address_is_used() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dial = Dial {
            source: Some("127.0.0.77".parse().unwrap()),
            ..dial(listener.local_addr().unwrap())
        };
        let (_stream, accepted) = tokio::join!(dial.connect(), listener.accept());
        assert_eq!(
            accepted.unwrap().1.ip(),
            "127.0.0.77".parse::<IpAddr>().unwrap()
        );
    }
}
