//! The other end of a BFD session, which does as it is told: on a thread of its own, with the state machine of `bgp-core`.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::num::NonZeroU8;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use bgp_core::bfd::{Config, Discriminator, Interval, Output, Packet, Session, State};
use bgp_speaker::sockopt::{self, Ttl};

/// A packet of the speaker's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) source: SocketAddr,
    pub(crate) ttl: u8,
    pub(crate) packet: Packet,
}

/// What it is told, and what it has seen.
pub(crate) struct Inner {
    pub(crate) seen: Vec<Seen>,
    pub(crate) session: Session,
    /// Says nothing, and hears nothing.
    pub(crate) is_mute: bool,
    /// Answers no Poll.
    pub(crate) is_stubborn: bool,
    /// With which its packets leave.
    pub(crate) ttl: u8,
    /// When its last packet left.
    pub(crate) last_sent: Option<Instant>,
    over: bool,
}

/// The peer, until it is dropped.
pub(crate) struct BfdPeer(Arc<Mutex<Inner>>);

impl BfdPeer {
    /// At an address, for the speaker at another one. Its own packets leave from a port that RFC 5881 does not allow.
    pub(crate) fn start(own: &str, speaker: &str, port: u16, interval: Duration) -> Self {
        Self::start_with_ttl(own, speaker, port, interval, 255)
    }

    /// The same with packets that leave with this TTL.
    pub(crate) fn start_with_ttl(
        own: &str,
        speaker: &str,
        port: u16,
        interval: Duration,
        ttl: u8,
    ) -> Self {
        let own: IpAddr = own.parse().unwrap();
        let to = SocketAddr::new(speaker.parse().unwrap(), port);
        let receiver = UdpSocket::bind((own, port)).unwrap();
        sockopt::tell_ttl(&receiver).unwrap();
        receiver
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        let sender = UdpSocket::bind((own, 0)).unwrap();
        let interval = Interval::try_from(interval).unwrap();
        let config = Config::new(interval, NonZeroU8::new(3).unwrap());
        let number = Discriminator::new(4711).unwrap();
        let inner = Arc::new(Mutex::new(Inner {
            seen: Vec::new(),
            session: Session::new(Instant::now(), config, number, 1),
            is_mute: false,
            is_stubborn: false,
            ttl,
            last_sent: None,
            over: false,
        }));
        let shared = Arc::clone(&inner);
        thread::spawn(move || {
            while !shared.lock().unwrap().over {
                let datagram = sockopt::receive_datagram(&receiver);
                let mut inner = shared.lock().unwrap();
                // Only packets of this speaker: there may be other ones at other addresses.
                if let Ok(datagram) = datagram.as_ref()
                    && datagram.source.ip() == to.ip()
                {
                    let packet = Packet::decode(datagram.octets()).unwrap();
                    let (source, ttl) = (datagram.source, datagram.ttl.unwrap());
                    inner.hear(source, ttl, packet);
                }
                inner.act(&sender, to);
            }
        });
        Self(inner)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Inner) -> bool) {
        let waited = async {
            while !holds(&self.lock()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), waited).await;
        waited.unwrap_or_else(|_| panic!("{what}: {:?}", self.lock().seen.last()));
    }

    pub(crate) async fn is_up(&self) {
        let up = |inner: &Inner| {
            let last = inner.seen.last().map(|seen| seen.packet.state);
            (last, inner.session.state()) == (Some(State::Up), State::Up)
        };
        self.until("BFD comes up", up).await;
    }

    /// What the speaker says next.
    pub(crate) async fn next(&self) -> Packet {
        let count = self.lock().seen.len();
        self.until("a packet", |inner| inner.seen.len() > count)
            .await;
        self.lock().seen[count].packet
    }

    /// Whether the speaker has ever said this.
    pub(crate) fn has_seen(&self, state: State) -> bool {
        self.lock()
            .seen
            .iter()
            .any(|seen| seen.packet.state == state)
    }
}

impl Inner {
    fn hear(&mut self, source: SocketAddr, ttl: u8, packet: Packet) {
        let at = Instant::now();
        self.seen.push(Seen {
            at,
            source,
            ttl,
            packet,
        });
        let poll = packet.poll && !self.is_stubborn;
        if !self.is_mute {
            self.session.handle_packet(at, &Packet { poll, ..packet });
        }
    }

    fn act(&mut self, sender: &UdpSocket, to: SocketAddr) {
        self.session.handle_timeout(Instant::now());
        sockopt::set_ttl(sender, Ttl::Hops(self.ttl)).unwrap();
        while let Some(output) = self.session.poll_output() {
            if let Output::Transmit(packet) = output
                && !self.is_mute
            {
                // As lost on its way.
                sender.send_to(&packet.encode(), to).ok();
                self.last_sent = Some(Instant::now());
            }
        }
    }
}

impl Drop for BfdPeer {
    fn drop(&mut self) {
        self.lock().over = true;
    }
}
