//! Probes a peer on additional connections: a TCP handshake that is aborted at once, and tests whether the machine is alive.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bgp_speaker::connect::{Dial, DialError};
use bgp_speaker::sockopt::Ttl;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::doctor::facts::Knock;

/// Limit of an answer: a SYN is retransmitted after a second.
const ANSWER: Duration = Duration::from_millis(2500);
/// TCP and UDP ports that are expected to be closed: a live machine rejects them.
const CLOSED_TCP: u16 = 1;
const CLOSED_UDP: u16 = 33434;

/// A TCP handshake without signature.
pub(in crate::doctor) async fn knock(
    remote: SocketAddr,
    source: Option<IpAddr>,
    ttl: Ttl,
) -> Knock {
    let dial = Dial {
        source,
        ttl,
        timeout: ANSWER,
        ..Dial::new(remote)
    };
    match dial.connect().await {
        Ok(stream) => {
            // A reset, so that nothing remains on the other side.
            socket2::SockRef::from(&stream)
                .set_linger(Some(Duration::ZERO))
                .ok();
            Knock::Answered
        }
        Err(DialError::TimedOut) => Knock::Silent,
        Err(DialError::Os(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Knock::Refused
        }
        Err(error) => Knock::Failed(error.to_string()),
    }
}

/// Whether a machine answers at all: a reset from a closed TCP port, or an ICMP message from a closed UDP port.
pub(in crate::doctor) async fn is_alive(address: IpAddr, source: Option<IpAddr>) -> bool {
    let tcp = knock(SocketAddr::new(address, CLOSED_TCP), source, Ttl::System);
    let (tcp, udp) = tokio::join!(tcp, udp_is_refused(address, source));
    matches!(tcp, Knock::Answered | Knock::Refused) || udp
}

async fn udp_is_refused(address: IpAddr, source: Option<IpAddr>) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let asked = async {
        let socket = UdpSocket::bind((source.unwrap_or(any), 0)).await?;
        socket.connect((address, CLOSED_UDP)).await?;
        socket.send(&[0]).await?;
        socket.recv(&mut [0]).await
    };
    let answer = timeout(ANSWER, asked).await;
    matches!(answer, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_machine_is_alive_and_refuses() {
        let here: IpAddr = "127.0.0.1".parse().expect("an address");
        assert!(is_alive(here, None).await);
        let closed = SocketAddr::new(here, CLOSED_TCP);
        assert_eq!(knock(closed, None, Ttl::System).await, Knock::Refused);
        let listener = std::net::TcpListener::bind((here, 0)).expect("a port");
        let open = listener.local_addr().expect("an address");
        assert_eq!(knock(open, None, Ttl::System).await, Knock::Answered);
    }
}
