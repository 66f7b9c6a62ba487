//! A session alone with the test, which plays the peer.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::session::config::GracefulRestart;
use bgp_core::session::{
    ConnId, Direction, Down, DownReason, Output, Session, SessionConfig, State,
};
use bgp_core::types::{Asn, Family, RouterId};
use bgp_core::wire::update::encode_end_of_rib;
use bgp_core::wire::{
    Capability, Context, GracefulRestartFamily, Message, Notification, Open, RouteRefresh, frame,
};
use bytes::{Bytes, BytesMut};

/// An output, with the octets decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Connect,
    CancelConnect,
    Sent(ConnId, Message),
    Closed(ConnId),
    Up(ConnId),
    Update,
    EndOfRib(Family),
    Refresh(RouteRefresh),
    Down(Down),
}

pub(crate) struct Lone {
    pub(crate) session: Session,
    pub(crate) now: Instant,
    /// The peer takes nothing any more.
    pub(crate) stuck: bool,
    /// The reported reasons why the session does not come up.
    pub(crate) refused: Vec<DownReason>,
    dialling: bool,
    seen: Vec<Seen>,
    last_conn: u64,
}

impl Lone {
    /// A session that has been started.
    pub(crate) fn new(change: impl FnOnce(&mut SessionConfig)) -> Self {
        let mut lone = Self::stopped(change);
        lone.session.start(lone.now);
        lone.collect();
        lone
    }

    pub(crate) fn stopped(change: impl FnOnce(&mut SessionConfig)) -> Self {
        let mut config = config();
        change(&mut config);
        Self {
            session: Session::new(Arc::new(config), 42),
            now: base(),
            stuck: false,
            refused: Vec::new(),
            dialling: false,
            seen: Vec::new(),
            last_conn: 0,
        }
    }

    /// A session that is Established over a connection that it dialled.
    pub(crate) fn established(
        change: impl FnOnce(&mut SessionConfig),
        open: Open,
    ) -> (Self, ConnId) {
        let mut lone = Self::new(change);
        let conn = lone.dial();
        lone.receive(conn, Message::Open(open));
        lone.receive(conn, Message::Keepalive);
        assert_eq!(lone.state(), State::Established, "{:?}", lone.seen);
        lone.take();
        (lone, conn)
    }

    /// Lets the session dial, and succeed.
    pub(crate) fn dial(&mut self) -> ConnId {
        self.wait_for_dial();
        self.connected(Direction::Outgoing)
    }

    /// Lets the session dial in vain.
    pub(crate) fn refuse_dial(&mut self) {
        self.wait_for_dial();
        self.dialling = false;
        self.drive(|session, now| session.handle_connect_failed(now, "Connection refused"));
    }

    fn wait_for_dial(&mut self) {
        for _ in 0..100 {
            if self.dialling {
                return;
            }
            self.next_timer();
        }
        panic!("does not dial in state {:?}", self.state());
    }

    /// The peer connects.
    pub(crate) fn accept(&mut self) -> ConnId {
        self.connected(Direction::Incoming)
    }

    fn connected(&mut self, direction: Direction) -> ConnId {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        if direction == Direction::Outgoing {
            self.dialling = false;
        }
        self.session.handle_connected(self.now, conn, direction);
        self.collect();
        conn
    }

    pub(crate) fn receive(&mut self, conn: ConnId, message: Message) {
        self.receive_octets(conn, &encoded(&message));
    }

    /// Returns what was left in the buffer.
    pub(crate) fn receive_octets(&mut self, conn: ConnId, octets: &[u8]) -> BytesMut {
        let mut input = BytesMut::from(octets);
        self.session.handle_bytes(self.now, conn, &mut input);
        self.collect();
        input
    }

    pub(crate) fn closed(&mut self, conn: ConnId, error: Option<&str>) {
        self.session.handle_closed(self.now, conn, error);
        self.collect();
    }

    pub(crate) fn drive(&mut self, act: impl FnOnce(&mut Session, Instant)) {
        act(&mut self.session, self.now);
        self.collect();
    }

    /// Lets time pass, with every timer at its moment.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..100_000 {
            match self.session.poll_timeout() {
                Some((at, _)) if at <= end => self.next_timer(),
                Some(_) | None => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("timers without end");
    }

    fn next_timer(&mut self) {
        let (at, _) = self.session.poll_timeout().expect("something is awaited");
        self.now = self.now.max(at);
        self.session.handle_timeout(self.now);
        self.collect();
    }

    pub(crate) fn state(&self) -> State {
        self.session.state()
    }

    /// What came out since the last call.
    pub(crate) fn take(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// The only NOTIFICATION that came out since the last call, which was followed by the close of its connection.
    #[track_caller]
    pub(crate) fn notification(&mut self, conn: ConnId) -> Notification {
        let seen = self.take();
        let mut found = None;
        for (at, notification) in seen
            .iter()
            .enumerate()
            .filter_map(|(at, s)| sent_notification(s, conn).map(|notification| (at, notification)))
        {
            assert_eq!(seen.get(at + 1), Some(&Seen::Closed(conn)), "{seen:?}");
            assert_eq!(found.replace(notification.clone()), None, "{seen:?}");
        }
        found.unwrap_or_else(|| panic!("a NOTIFICATION among {seen:?}"))
    }

    /// Code and subcode of the same.
    #[track_caller]
    pub(crate) fn error(&mut self, conn: ConnId) -> (u8, u8) {
        let notification = self.notification(conn);
        (notification.code.0, notification.subcode)
    }

    fn collect(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match &output {
                Output::Connect => self.dialling = true,
                Output::CancelConnect => self.dialling = false,
                Output::Transmit { conn, .. } if !self.stuck => {
                    self.session.handle_written(self.now, *conn, false);
                }
                Output::Refused(reason) => self.refused.push(reason.clone()),
                _ => {}
            }
            decode(output, &mut self.seen);
        }
    }
}

fn decode(output: Output, seen: &mut Vec<Seen>) {
    seen.push(match output {
        Output::Connect => Seen::Connect,
        Output::CancelConnect => Seen::CancelConnect,
        Output::Transmit { conn, bytes } => {
            let mut bytes = BytesMut::from(&bytes[..]);
            while let Some(frame) = frame::take(&mut bytes, u16::MAX).expect("own header is good") {
                let message = Message::decode(frame, &Context::default());
                seen.push(Seen::Sent(conn, message.expect("own message is good")));
            }
            assert!(bytes.is_empty(), "whole messages");
            return;
        }
        Output::Close { conn } => Seen::Closed(conn),
        Output::Up { conn, .. } => Seen::Up(conn),
        Output::Update(_) => Seen::Update,
        Output::EndOfRib(family) => Seen::EndOfRib(family),
        Output::Refresh(refresh) => Seen::Refresh(refresh),
        Output::Down(down) => Seen::Down(down),
        _ => return,
    });
}

pub(crate) fn sent_notification(seen: &Seen, on: ConnId) -> Option<&Notification> {
    match seen {
        Seen::Sent(conn, Message::Notification(notification)) if *conn == on => Some(notification),
        _ => None,
    }
}

/// How the session went down.
#[track_caller]
pub(crate) fn down(seen: &[Seen]) -> &Down {
    let mut downs = seen.iter().filter_map(|s| match s {
        Seen::Down(down) => Some(down),
        _ => None,
    });
    let down = downs
        .next()
        .unwrap_or_else(|| panic!("a Down among {seen:?}"));
    assert_eq!(downs.next(), None, "only one");
    down
}

pub(crate) fn closed_by_peer() -> DownReason {
    DownReason::Closed("Connection closed".into())
}

pub(crate) fn encoded(message: &Message) -> BytesMut {
    let mut octets = BytesMut::new();
    message.encode(&Context::default(), &mut octets);
    octets
}

/// An End-of-RIB marker of IPv4 unicast, for tests that need some UPDATE.
pub(crate) fn end_of_rib() -> Bytes {
    let mut octets = BytesMut::new();
    encode_end_of_rib(Family::Ipv4Unicast, &mut octets);
    octets.freeze()
}

/// Where virtual time begins.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no other way to get an instant; tests only look at differences"
)]
pub(crate) fn base() -> Instant {
    Instant::now()
}

pub(crate) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// AS 64512, 192.0.2.1, towards AS 64513.
pub(crate) fn config() -> SessionConfig {
    let router_id = RouterId(Ipv4Addr::new(192, 0, 2, 1));
    let peer = Ipv4Addr::new(192, 0, 2, 2).into();
    let mut session = SessionConfig::new(Asn(64512), router_id, peer, Asn(64513));
    session.connect_delay = secs(2);
    session.idle_hold = (secs(5), secs(30));
    session
}

/// The OPEN of AS 64513, 192.0.2.2.
pub(crate) fn peer_open() -> Open {
    Open {
        asn: Asn(64513),
        hold_time: 90,
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 2)),
        capabilities: vec![
            Capability::Multiprotocol(Family::Ipv4Unicast.afi_safi()),
            Capability::RouteRefresh,
            Capability::FourOctetAs(Asn(64513)),
        ],
    }
}

/// The OPEN of some other AS.
pub(crate) fn open_of(asn: u32) -> Open {
    Open {
        asn: Asn(asn),
        capabilities: vec![Capability::Multiprotocol(Family::Ipv4Unicast.afi_safi())],
        ..peer_open()
    }
}

pub(crate) fn peer_open_with(capabilities: impl IntoIterator<Item = Capability>) -> Open {
    let mut open = peer_open();
    open.capabilities.extend(capabilities);
    open
}

/// Capability 64 for IPv4 unicast, 120 s.
pub(crate) fn restart_capability(restarting: bool, notification: bool) -> Capability {
    Capability::GracefulRestart {
        restarting,
        notification,
        restart_time: 120,
        families: vec![GracefulRestartFamily {
            family: Family::Ipv4Unicast.afi_safi(),
            forwarding_preserved: restarting,
        }],
    }
}

/// Our side of the same.
pub(crate) fn restarts(notification: bool) -> Option<GracefulRestart> {
    Some(GracefulRestart::new(120).with_notification(notification))
}
