//! BFD: what a path that is dead does to a session, and what does nothing to it; packets as the RFCs want them; beside BIRD.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

#[allow(dead_code, reason = "not every helper is needed")]
mod bfd_peer;
#[allow(dead_code, reason = "not every helper is needed")]
mod bird;
mod netns;
#[allow(dead_code, reason = "not every helper is needed")]
mod pair;
#[allow(dead_code, reason = "not every helper is needed")]
mod room;

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use bfd_peer::BfdPeer;
use bgp_core::bfd::{Diagnostic, Packet, State};
use bgp_core::rib::LocalRoute;
use bgp_core::session::config::GracefulRestart;
use bgp_core::session::{DownReason, Stop};
use bgp_core::types::Family;
use bgp_speaker::{BfdPath, BfdSpec, BfdStatus, Environment, Event, PeerSpec, Shutdown, Speaker};
use bird::Bird;
use pair::{DIALLER_AS, LISTENER_AS, net};
use tokio::sync::broadcast;

/// Our speaker, which watches its peer.
const OURS: &str = "10.0.0.1";
/// The peer, which is another speaker without BFD: that is played beside it.
const THEIRS: &str = "10.0.0.2";

const FAST: Duration = Duration::from_millis(50);

fn watched(interval: Duration) -> Option<BfdSpec> {
    Some(BfdSpec::new(interval, 3))
}

/// Two speakers on loopback, one of which watches the other.
struct Scene {
    ours: Speaker,
    theirs: Speaker,
    our_peer: PeerSpec,
    their_events: broadcast::Receiver<Event>,
}

impl Scene {
    async fn new(change: impl Fn(&mut PeerSpec)) -> Self {
        for address in [OURS, THEIRS, "10.0.0.3"] {
            netns::ip(&format!("address add {address}/32 dev lo"));
        }
        let listen = format!("{OURS}:1790").parse().unwrap();
        let ours = pair::start(LISTENER_AS);
        ours.listen(vec![listen]).await.unwrap();
        let mut our_peer = pair::passive(format!("{THEIRS}:179").parse().unwrap());
        our_peer.source = Some(OURS.parse().unwrap());
        our_peer.bfd = watched(FAST);
        change(&mut our_peer);
        ours.configure_peer("theirs", our_peer.clone())
            .await
            .unwrap();
        let theirs = Self::their_speaker(&our_peer).await;
        Self {
            their_events: theirs.events(),
            ours,
            theirs,
            our_peer,
        }
    }

    async fn their_speaker(our_peer: &PeerSpec) -> Speaker {
        let listen = format!("{OURS}:1790").parse().unwrap();
        let theirs = pair::start(DIALLER_AS);
        let mut their_peer = pair::active(listen, THEIRS);
        their_peer.connect_retry_time = Duration::from_secs(1);
        their_peer.idle_hold = (Duration::from_secs(1), Duration::from_secs(1));
        their_peer.graceful_restart = our_peer.graceful_restart;
        theirs.configure_peer("ours", their_peer).await.unwrap();
        theirs
    }

    /// The other side is another process now.
    async fn restart_theirs(&mut self) {
        self.theirs.shutdown(Shutdown::KeepRoutes).await;
        until("the end of the session", async || {
            self.ours.established().borrow().is_empty()
        })
        .await;
        self.theirs = Self::their_speaker(&self.our_peer).await;
        self.their_events = self.theirs.events();
    }

    fn is_established(&self) -> bool {
        !self.ours.established().borrow().is_empty()
            && !self.theirs.established().borrow().is_empty()
    }

    async fn established(&self) {
        until("a session", async || self.is_established()).await;
    }

    async fn bfd(&self) -> BfdStatus {
        self.ours.status("theirs").await.unwrap().bfd.unwrap()
    }

    /// Why the session ended, as the other side sees it.
    async fn end(&mut self) -> DownReason {
        loop {
            if let Event::Down { reason, .. } = self.their_events.recv().await.unwrap() {
                return reason;
            }
        }
    }

    /// Changes settings of the peer that no session notices.
    async fn change(&mut self, bfd: Option<BfdSpec>) {
        self.our_peer.bfd = bfd;
        let peer = self.our_peer.clone();
        self.ours.configure_peer("theirs", peer).await.unwrap();
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waited).await;
    waited.unwrap_or_else(|_| panic!("{what}"));
}

fn peer(interval: Duration) -> BfdPeer {
    BfdPeer::start(THEIRS, OURS, 3784, interval)
}

fn notification(reason: &DownReason) -> (u8, u8, Vec<u8>) {
    let DownReason::Received(notification) = reason else {
        panic!("{reason:?}");
    };
    let data = notification.data.to_vec();
    (notification.code.0, notification.subcode, data)
}

#[test]
fn a_path_that_is_dead_ends_the_session_with_cease_6_10() {
    netns::run(
        "a_path_that_is_dead_ends_the_session_with_cease_6_10",
        async {
            let mut scene = Scene::new(|_| {}).await;
            let peer = peer(FAST);
            scene.established().await;
            peer.is_up().await;
            peer.lock().is_mute = true;
            assert_eq!(notification(&scene.end().await), (6, 10, vec![]));
            let told = |inner: &bfd_peer::Inner| {
                let packet = inner.seen.last().unwrap().packet;
                (packet.state, packet.diagnostic)
                    == (State::Down, Diagnostic::DETECTION_TIME_EXPIRED)
            };
            peer.until("why", told).await;
            assert_eq!(scene.bfd().await.failures, 1);
            // RFC 5882 §4.1: nothing keeps it from coming up again, whether the peer has BFD or not.
            scene.established().await;
            peer.lock().is_mute = false;
            peer.is_up().await;
            let status = scene.bfd().await;
            assert_eq!((status.ups, status.downs, status.failures), (2, 1, 1));
        },
    );
}

#[test]
fn where_the_n_bit_was_exchanged_it_is_a_hard_reset() {
    netns::run("where_the_n_bit_was_exchanged_it_is_a_hard_reset", async {
        let mut restart = GracefulRestart::new(120);
        restart.notification = true;
        let mut scene = Scene::new(|peer| peer.graceful_restart = Some(restart)).await;
        let peer = peer(FAST);
        let prefix = net("198.51.100.0/24");
        let route = LocalRoute::default();
        scene.theirs.routes().announce(prefix, route).await.unwrap();
        scene.established().await;
        pair::prefixes(&scene.ours.routes(), 1).await;
        peer.is_up().await;
        peer.lock().is_mute = true;
        assert_eq!(notification(&scene.end().await), (6, 9, vec![6, 10]));
    });
}

/// R5882-4.3-01 holds in this way: our BFD ends with us, so its C bit is never set, and a failure while a peer restarts leaves the
/// peer's routes alone.
#[test]
fn a_peer_that_restarts_keeps_its_routes_though_bfd_fails() {
    netns::run(
        "a_peer_that_restarts_keeps_its_routes_though_bfd_fails",
        async {
            let restart = GracefulRestart::new(120);
            let scene = Scene::new(|peer| peer.graceful_restart = Some(restart)).await;
            let peer = peer(FAST);
            let prefix = net("198.51.100.0/24");
            let route = LocalRoute::default();
            scene.theirs.routes().announce(prefix, route).await.unwrap();
            scene.established().await;
            pair::prefixes(&scene.ours.routes(), 1).await;
            peer.is_up().await;
            assert!(
                !peer
                    .lock()
                    .seen
                    .iter()
                    .any(|seen| seen.packet.control_plane_independent)
            );
            scene.theirs.shutdown(Shutdown::KeepRoutes).await;
            until("the end of the session", async || {
                scene.ours.established().borrow().is_empty()
            })
            .await;
            peer.lock().is_mute = true;
            until("the failure", async || scene.bfd().await.failures == 1).await;
            let known = |rib: &bgp_core::rib::Rib| rib.prefix_count(Family::Ipv4Unicast);
            assert_eq!(scene.ours.routes().look(known).await.unwrap(), 1);
        },
    );
}

/// A peer that is back before its silence is noticed: BFD then finds the end of the process of before. R5882-4.3-01.
#[test]
fn a_peer_that_is_back_in_time_keeps_its_session() {
    netns::run("a_peer_that_is_back_in_time_keeps_its_session", async {
        let slow = Duration::from_secs(1);
        let restart = GracefulRestart::new(120);
        let mut scene = Scene::new(|peer| {
            peer.graceful_restart = Some(restart);
            peer.bfd = watched(slow);
        })
        .await;
        let peer = peer(slow);
        scene.established().await;
        peer.is_up().await;
        peer.lock().is_mute = true;
        scene.restart_theirs().await;
        scene.established().await;
        until("the failure", async || scene.bfd().await.failures == 1).await;
        // It was told before that; the answer to another question comes later.
        assert_eq!(scene.bfd().await.state(), State::Down);
        assert!(scene.is_established());
        while let Ok(event) = scene.their_events.try_recv() {
            assert!(!matches!(event, Event::Down { .. }), "{event:?}");
        }
        // BFD of the new process works in this session, and what it finds counts.
        peer.lock().is_mute = false;
        peer.is_up().await;
        peer.lock().is_mute = true;
        assert_eq!(notification(&scene.end().await), (6, 10, vec![]));
    });
}

/// RFC 5882 §3.2.
#[test]
fn an_operator_of_the_peer_ends_nothing() {
    netns::run("an_operator_of_the_peer_ends_nothing", async {
        let scene = Scene::new(|_| {}).await;
        let peer = peer(FAST);
        scene.established().await;
        peer.is_up().await;
        peer.lock().session.disable(Instant::now());
        until("BFD goes down", async || {
            scene.bfd().await.state() == State::Down
        })
        .await;
        peer.lock().is_mute = true;
        // Nor does it when it is silent from then on.
        until("the peer is forgotten", async || {
            scene.bfd().await.session.unwrap().peer.is_none()
        })
        .await;
        assert_eq!(scene.bfd().await.failures, 0);
        assert!(scene.is_established());
    });
}

/// AdminDown comes before Cease.
#[test]
fn a_planned_stop_is_told_by_bfd_first() {
    netns::run("a_planned_stop_is_told_by_bfd_first", async {
        let (peer, reason) = stop(Shutdown::Cease(None)).await;
        assert!(matches!(reason, DownReason::Received(_)), "{reason:?}");
        let told = |inner: &bfd_peer::Inner| {
            let mut seen = inner.seen.iter();
            seen.any(|seen| seen.packet.state == State::AdminDown)
        };
        peer.until("AdminDown", told).await;
    });
}

/// Some peers drop the routes at AdminDown.
#[test]
fn a_graceful_restart_is_not_told_by_bfd() {
    netns::run("a_graceful_restart_is_not_told_by_bfd", async {
        let (peer, reason) = stop(Shutdown::KeepRoutes).await;
        assert!(matches!(reason, DownReason::Closed(_)), "{reason:?}");
        // What the thread had to say, it said before the session ended.
        assert!(!peer.has_seen(State::AdminDown));
    });
}

/// Stops our speaker while everything is up.
async fn stop(how: Shutdown) -> (BfdPeer, DownReason) {
    let restart = GracefulRestart::new(120);
    let mut scene = Scene::new(|peer| peer.graceful_restart = Some(restart)).await;
    let peer = peer(FAST);
    scene.established().await;
    peer.is_up().await;
    scene.ours.shutdown(how).await;
    let reason = scene.end().await;
    (peer, reason)
}

#[test]
fn an_operator_who_stops_a_session_holds_bfd_down() {
    netns::run("an_operator_who_stops_a_session_holds_bfd_down", async {
        let mut scene = Scene::new(|_| {}).await;
        let peer = peer(FAST);
        scene.established().await;
        peer.is_up().await;
        scene
            .ours
            .disable_peer("theirs", Stop::Shutdown(None))
            .await;
        assert_eq!(notification(&scene.end().await).1, 2);
        peer.until("AdminDown", |inner| {
            inner.seen.last().unwrap().packet.state == State::AdminDown
        })
        .await;
        scene.ours.enable_peer("theirs").await;
        scene.established().await;
        peer.is_up().await;
        assert_eq!(scene.bfd().await.failures, 0);
    });
}

/// R5880-6.8.3-06 on a real session.
#[test]
fn a_change_of_timers_goes_by_poll_and_ends_nothing() {
    netns::run("a_change_of_timers_goes_by_poll_and_ends_nothing", async {
        let mut scene = Scene::new(|_| {}).await;
        let peer = peer(FAST);
        scene.established().await;
        peer.is_up().await;
        peer.until("no poll", |inner| !inner.seen.last().unwrap().packet.poll)
            .await;
        let number = peer.next().await.my_discriminator;
        peer.lock().is_stubborn = true;
        let slow = Duration::from_millis(500);
        scene.change(watched(slow)).await;
        let polls = |packet: &Packet| packet.poll && Duration::from(packet.desired_min_tx) == slow;
        peer.until("a poll", |inner| polls(&inner.seen.last().unwrap().packet))
            .await;
        let interval = scene
            .bfd()
            .await
            .session
            .unwrap()
            .transmit_interval
            .unwrap();
        assert_eq!(
            Duration::from(interval),
            FAST,
            "until the peer has confirmed"
        );
        peer.lock().is_stubborn = false;
        until("the change", async || {
            let session = scene.bfd().await.session.unwrap();
            !session.polling && session.transmit_interval.map(Duration::from) == Some(slow)
        })
        .await;
        let status = scene.bfd().await;
        assert_eq!((status.ups, status.downs), (1, 0));
        assert_eq!(peer.next().await.my_discriminator, number);
        // Off, and on again.
        scene.change(None).await;
        peer.until("AdminDown", |inner| {
            inner.seen.last().unwrap().packet.state == State::AdminDown
        })
        .await;
        assert!(scene.ours.status("theirs").await.unwrap().bfd.is_none());
        scene.change(watched(FAST)).await;
        peer.is_up().await;
        assert_ne!(
            peer.next().await.my_discriminator,
            number,
            "another session"
        );
        let mut events = scene.theirs.events();
        assert!(events.try_recv().is_err() && scene.is_established());
        assert!(
            scene
                .their_events
                .try_recv()
                .is_ok_and(|event| matches!(event, Event::Up { .. }))
        );
        assert!(scene.their_events.try_recv().is_err(), "it never went down");
    });
}

/// R5882-4.1-01.
#[test]
fn a_strict_session_waits_for_bfd() {
    netns::run("a_strict_session_waits_for_bfd", async {
        let mut scene = Scene::new(|peer| {
            let mut bfd = BfdSpec::new(FAST, 3);
            bfd.strict = true;
            peer.bfd = Some(bfd);
        })
        .await;
        // It is dialled, and refuses.
        until("tries of the peer", async || {
            let status = scene.theirs.status("ours").await.unwrap();
            status.session.last_error.is_some()
        })
        .await;
        assert!(!scene.is_established());
        let peer = peer(FAST);
        scene.established().await;
        peer.lock().is_mute = true;
        assert_eq!(notification(&scene.end().await), (6, 10, vec![]));
        let status = scene.ours.status("theirs").await.unwrap();
        assert_eq!(
            status.session.last_error.unwrap().to_string(),
            "Error: BFD session down"
        );
        assert!(!scene.is_established());
        peer.lock().is_mute = false;
        scene.established().await;
        // An operator of the peer holds BFD down: that is no reason to wait.
        peer.lock().session.disable(Instant::now());
        until("BFD goes down", async || {
            scene.bfd().await.state() == State::Down
        })
        .await;
        scene.ours.disable_peer("theirs", Stop::Reset(None)).await;
        assert_eq!(notification(&scene.end().await).1, 4);
        scene.established().await;
    });
}

/// RFC 5881 §4, §5: TTL 255, a source port of its own that stays; the peer's port does not matter.
#[test]
fn packets_are_as_the_rfc_wants_them() {
    netns::run("packets_are_as_the_rfc_wants_them", async {
        let scene = Scene::new(|_| {}).await;
        let peer_one = peer(FAST);
        let mut other = pair::passive("10.0.0.3:179".parse().unwrap());
        other.source = Some(OURS.parse().unwrap());
        other.bfd = watched(FAST);
        scene.ours.configure_peer("other", other).await.unwrap();
        let peer_two = BfdPeer::start("10.0.0.3", OURS, 3784, FAST);
        for peer in [&peer_one, &peer_two] {
            peer.is_up().await;
            peer.until("ten packets", |inner| inner.seen.len() >= 10)
                .await;
        }
        let ports = [&peer_one, &peer_two].map(|peer| {
            let inner = peer.lock();
            let port = inner.seen[0].source.port();
            assert!(
                inner
                    .seen
                    .iter()
                    .all(|seen| seen.source.port() == port && seen.ttl == 255)
            );
            assert!(port >= 49152, "{port}");
            port
        });
        assert_ne!(ports[0], ports[1]);
        let numbers =
            [&peer_one, &peer_two].map(|peer| peer.lock().seen[0].packet.my_discriminator);
        assert_ne!(numbers[0], numbers[1]);
    });
}

#[test]
fn packets_that_a_router_has_passed_on_are_dropped() {
    netns::run("packets_that_a_router_has_passed_on_are_dropped", async {
        let scene = Scene::new(|_| {}).await;
        let peer = BfdPeer::start_with_ttl(THEIRS, OURS, 3784, FAST, 254);
        peer.until("packets", |inner| inner.seen.len() >= 3).await;
        assert_eq!(scene.bfd().await.packets.received(), 0);
        peer.lock().ttl = 255;
        peer.is_up().await;
        peer.lock().ttl = 254;
        until("the failure", async || scene.bfd().await.failures == 1).await;
    });
}

/// RFC 5883 §5: over several hops there is another port, and the owner says how many.
#[test]
fn over_several_hops_the_least_ttl_counts() {
    netns::run("over_several_hops_the_least_ttl_counts", async {
        let scene = Scene::new(|peer| {
            let mut bfd = BfdSpec::new(FAST, 3);
            bfd.path = BfdPath::Multihop { min_ttl: 250 };
            peer.bfd = Some(bfd);
        })
        .await;
        let peer = BfdPeer::start_with_ttl(THEIRS, OURS, 4784, FAST, 249);
        peer.until("packets", |inner| inner.seen.len() >= 3).await;
        assert_eq!(scene.bfd().await.packets.received(), 0);
        peer.lock().ttl = 250;
        peer.is_up().await;
        assert!(peer.lock().seen.iter().all(|seen| seen.ttl == 255));
    });
}

/// RFC 5880 §6.8.6: a packet without our number is for the session of its addresses, and one with it must come from its peer.
#[test]
fn a_session_is_found_by_both_addresses() {
    netns::run("a_session_is_found_by_both_addresses", async {
        let mut scene = Scene::new(|_| {}).await;
        let peer_one = peer(FAST);
        peer_one.is_up().await;
        // The same source to another address of ours, where nobody watches: nothing listens there.
        let stray = UdpSocket::bind("10.0.0.2:0").unwrap();
        bgp_speaker::sockopt::set_ttl(&stray, bgp_speaker::sockopt::Ttl::Hops(255)).unwrap();
        let down = Packet {
            state: State::Down,
            your_discriminator: None,
            ..peer_one.lock().seen[0].packet
        };
        stray.send_to(&down.encode(), "10.0.0.3:3784").ok();
        // Somebody else who knows our number, or does not.
        let stranger = UdpSocket::bind("10.0.0.3:0").unwrap();
        bgp_speaker::sockopt::set_ttl(&stranger, bgp_speaker::sockopt::Ttl::Hops(255)).unwrap();
        let number = peer_one.lock().seen[0].packet.my_discriminator;
        for yours in [Some(number), None] {
            let down = Packet {
                your_discriminator: yours,
                ..down
            };
            stranger.send_to(&down.encode(), "10.0.0.1:3784").unwrap();
        }
        // They were read: packets of the same socket come in order.
        let received = scene.bfd().await.packets.received();
        until("more packets", async || {
            scene.bfd().await.packets.received() > received + 2
        })
        .await;
        assert_eq!(scene.bfd().await.state(), State::Up);
        scene.change(None).await;
    });
}

/// No wildcard: other programs have the port on other addresses, and who was there first keeps it.
#[test]
fn the_port_is_taken_on_one_address_alone() {
    netns::run("the_port_is_taken_on_one_address_alone", async {
        netns::ip("address add 10.0.0.9/32 dev lo");
        let elsewhere = UdpSocket::bind("10.0.0.9:3784").unwrap();
        let first = UdpSocket::bind("127.0.0.1:3784").unwrap();
        let scene = Scene::new(|peer| peer.source = Some("127.0.0.1".parse().unwrap())).await;
        until("an alarm", async || !scene.ours.alarms().list().is_empty()).await;
        let alarm = scene.ours.alarms().list().remove(0);
        assert_eq!(alarm.object, "peer theirs");
        let reason = "another program receives BFD packets on address 127.0.0.1 port 3784";
        assert_eq!(&*alarm.reason, reason);
        assert_eq!(scene.bfd().await.problem.as_deref(), Some(reason));
        drop(first);
        until("the end of the alarm", async || {
            scene.ours.alarms().list().is_empty()
        })
        .await;
        let another = UdpSocket::bind("10.0.0.3:3784");
        drop((another.unwrap(), elsewhere));
    });
}

/// What counts is the time from the peer's last packet until our packet that says so. It is never too short; that it is not too long
/// needs one try of ten, because this machine has other things to do.
#[test]
fn silence_is_noticed_within_the_detection_time() {
    netns::run("silence_is_noticed_within_the_detection_time", async {
        let scene = Scene::new(|_| {}).await;
        let peer = peer(FAST);
        let detection = FAST * 3;
        let mut best = Duration::MAX;
        for _ in 0..10 {
            peer.is_up().await;
            until("confirmed intervals", async || {
                !scene.bfd().await.session.unwrap().polling
            })
            .await;
            let last = {
                let mut inner = peer.lock();
                inner.is_mute = true;
                inner.seen.clear();
                inner.last_sent.unwrap()
            };
            let is_down = |packet: &Packet| packet.diagnostic == Diagnostic::DETECTION_TIME_EXPIRED;
            peer.until("the failure", |inner| {
                inner.seen.iter().any(|seen| is_down(&seen.packet))
            })
            .await;
            let noticed = {
                let inner = peer.lock();
                inner
                    .seen
                    .iter()
                    .find(|seen| is_down(&seen.packet))
                    .unwrap()
                    .at
            };
            let took = noticed - last;
            assert!(took >= detection, "{took:?}");
            best = best.min(took);
            if best <= detection + Duration::from_millis(10) {
                return;
            }
            peer.lock().is_mute = false;
        }
        panic!("{best:?} at best");
    });
}

/// Two peers of ours at one address are one session (RFC 5882 §4.4), and end with the last.
#[test]
fn who_watches_the_same_path_shares_a_session() {
    netns::run("who_watches_the_same_path_shares_a_session", async {
        let scene = Scene::new(|_| {}).await;
        let peer = peer(Duration::from_millis(20));
        let mut again = pair::passive(format!("{THEIRS}:1179").parse().unwrap());
        again.source = Some(OURS.parse().unwrap());
        again.bfd = watched(Duration::from_millis(20));
        scene.ours.configure_peer("again", again).await.unwrap();
        peer.is_up().await;
        until("the shorter interval of both", async || {
            let session = scene.bfd().await.session.unwrap();
            session.transmit_interval.map(Duration::from) == Some(Duration::from_millis(20))
        })
        .await;
        scene.ours.remove_peer("again").await;
        until("the interval of the one that is left", async || {
            let session = scene.bfd().await.session.unwrap();
            session.transmit_interval.map(Duration::from) == Some(FAST)
        })
        .await;
        assert_eq!(scene.bfd().await.state(), State::Up);
        assert!(!peer.has_seen(State::AdminDown));
        let numbers = peer
            .lock()
            .seen
            .iter()
            .map(|seen| seen.packet.my_discriminator.get())
            .collect::<std::collections::BTreeSet<_>>();
        assert_eq!(numbers.len(), 1);
    });
}

const BIRD_HEAD: &str = "
router id 192.0.2.1;
protocol device {}
protocol bfd {
    interface \"*\" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; };
    multihop { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; };
}
";

/// Over IPv4, IPv6, link-local addresses, and over several hops; intervals of both sides differ. Then the cable goes silent.
#[test]
fn beside_bird() {
    if !Bird::is_installed() {
        return netns::skip::skip("no bird");
    }
    netns::run("beside_bird", async {
        let room = room::room_next_door();
        for (theirs, ours, path) in [
            ("192.0.2.1", "192.0.2.2", BfdPath::SingleHop),
            ("192.0.2.1", "192.0.2.2", BfdPath::Multihop { min_ttl: 1 }),
            ("2001:db8::1", "2001:db8::2", BfdPath::SingleHop),
            ("fe80::1", "fe80::2", BfdPath::SingleHop),
        ] {
            let bird = start_bird(theirs, ours, path);
            let environment = Environment::default().with_namespace(room.namespace());
            let speaker = Speaker::start_in(pair::config(DIALLER_AS), environment);
            let peer = bird_as_peer(&room, theirs, ours, path);
            speaker.configure_peer("bird", peer).await.unwrap();
            break_and_mend(&room, &bird, &speaker).await;
            speaker.shutdown(Shutdown::Cease(None)).await;
            // BIRD takes AdminDown for a failure, and so may end the session before our Cease comes.
            let reasons = ["Administrative shutdown", "BFD session down"];
            let ended = |answer: &str| reasons.iter().any(|reason| answer.contains(reason));
            bird.answers("show protocols all ours", ended).await;
        }
    });
}

fn start_bird(theirs: &str, ours: &str, path: BfdPath) -> Bird {
    let interface = if theirs.starts_with("fe80") {
        "%cable"
    } else {
        ""
    };
    let multihop = if path == BfdPath::SingleHop {
        ""
    } else {
        "multihop;"
    };
    Bird::start(&format!(
        "{BIRD_HEAD}
protocol bgp ours {{
    local {theirs} as 65001;
    neighbor {ours}{interface} as 65002;
    {multihop}
    passive;
    bfd;
    error wait time 1, 1;
    ipv4 {{ import all; export none; }};
}}"
    ))
}

fn bird_as_peer(room: &room::Room, theirs: &str, ours: &str, path: BfdPath) -> PeerSpec {
    let mut remote = SocketAddr::new(theirs.parse().unwrap(), 179);
    if let SocketAddr::V6(remote) = &mut remote
        && remote.ip().is_unicast_link_local()
    {
        let link = room.ip("-o link show cable");
        remote.set_scope_id(link.split(':').next().unwrap().trim().parse().unwrap());
    }
    let mut peer = pair::active(remote, ours);
    peer.families = vec![Family::Ipv4Unicast];
    let mut bfd = BfdSpec::new(Duration::from_millis(30), 4);
    bfd.path = path;
    peer.bfd = Some(bfd);
    peer
}

async fn break_and_mend(room: &room::Room, bird: &Bird, speaker: &Speaker) {
    let status = async || speaker.status("bird").await.unwrap().bfd.unwrap();
    bird.says("show protocols ours", "Established").await;
    bird.says("show bfd sessions", "Up").await;
    // BIRD sends every 100 ms, though we could take more; three may be lost.
    until("BFD is up", async || {
        let session = status().await.session.unwrap();
        let detection = session.detection_time == Some(Duration::from_millis(300));
        session.state == State::Up && !session.polling && detection
    })
    .await;
    assert_eq!(status().await.ups, 1);
    room.ip("link set cable down");
    until("the failure", async || status().await.failures == 1).await;
    let is_gone = |answer: &str| answer.contains("Down") || !answer.contains("Up");
    bird.answers("show bfd sessions", is_gone).await;
    room.ip("link set cable up");
    // Addresses of IPv6 go with the link.
    for address in ["fe80::2", "2001:db8::2"] {
        room.ip(&format!("addr replace {address}/64 dev cable nodad"));
    }
    until("BFD is up again", async || {
        status().await.state() == State::Up
    })
    .await;
    bird.says("show protocols ours", "Established").await;
}
