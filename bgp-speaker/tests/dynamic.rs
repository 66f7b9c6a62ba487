//! Peers that are accepted without being configured, and connections opened by the owner.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

mod netns;
#[allow(dead_code, reason = "not every helper is needed")]
mod pair;

use std::net::SocketAddr;
use std::time::Duration;

use bgp_core::rib::LocalRoute;
use bgp_core::session::State;
use bgp_core::session::config::GracefulRestart;
use bgp_core::types::Asn;
use bgp_core::wire::ErrorCode;
use bgp_speaker::connect::Dial;
use bgp_speaker::dynamic::{Admission, Candidate, DynamicPeers, PeerRange};
use bgp_speaker::listener::PeerSecurity;
use bgp_speaker::sockopt::{Md5Key, Ttl};
use bgp_speaker::{Event, Shutdown, Speaker};
use pair::{DIALLER_AS, LISTENER_AS, net};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Whoever is in the right AS is a peer, under the name that is made of its address.
fn admit(candidate: &Candidate) -> Admission {
    match candidate.peer_as() {
        DIALLER_AS => Admission::accept(pair::passive(candidate.remote)),
        Asn(666) => Admission::Ignore,
        _ => Admission::BAD_PEER_AS,
    }
}

fn peers() -> DynamicPeers {
    DynamicPeers::new(admit).with_range(net("127.0.1.0/24"), PeerRange::default())
}

async fn listener(peers: DynamicPeers) -> (Speaker, SocketAddr) {
    let speaker = pair::start(LISTENER_AS);
    speaker.accept_dynamic_peers(peers).await.unwrap();
    let local = vec!["127.0.0.1:0".parse().unwrap()];
    let local = speaker.listen(local).await.unwrap()[0];
    (speaker, local)
}

/// A speaker that dials the listener from an address.
async fn dialler(local: SocketAddr, source: &str) -> Speaker {
    let speaker = pair::start(DIALLER_AS);
    let peer = pair::active(local, source);
    speaker.configure_peer("listener", peer).await.unwrap();
    speaker
}

async fn connect(local: SocketAddr, source: &str) -> TcpStream {
    let source = Some(source.parse().unwrap());
    let dial = Dial::new(local);
    Dial { source, ..dial }.connect().await.unwrap()
}

/// Sends this and reads until the end: code and subcode of the NOTIFICATION, if there is any.
async fn told(stream: &mut TcpStream, octets: &[u8]) -> Option<(u8, u8)> {
    stream.write_all(octets).await.unwrap();
    let mut answer = Vec::new();
    // A reset connection delivers nothing more.
    stream.read_to_end(&mut answer).await.ok();
    // A valid OPEN is answered with one.
    if answer.get(18) == Some(&1) {
        answer.drain(..usize::from(answer[17]));
    }
    if let Some(kind) = answer.get(18) {
        assert_eq!(*kind, 3, "a NOTIFICATION, and nothing before");
    }
    answer.get(19).copied().zip(answer.get(20).copied())
}

fn open(asn: u16) -> Vec<u8> {
    let [high, low] = asn.to_be_bytes();
    [
        &[0xff; 16][..],
        &[0, 29, 1, 4, high, low, 0, 90, 10, 0, 0, 9, 0],
    ]
    .concat()
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waited)
        .await
        .expect("in time");
}

/// In every view from its OPEN to the end of its session.
#[tokio::test]
async fn a_dynamic_peer_comes_and_goes() {
    let (speaker, local) = listener(peers()).await;
    let mut events = speaker.events();
    let dialler = dialler(local, "127.0.1.7").await;
    dialler
        .routes()
        .announce(net("192.0.2.0/24"), LocalRoute::default())
        .await
        .unwrap();
    let Event::Up { peer, .. } = events.recv().await.unwrap() else {
        panic!("it comes up");
    };
    assert_eq!(&*peer, "127.0.1.7");
    pair::prefixes(&speaker.routes(), 1).await;
    assert_eq!(speaker.peer_names(), std::slice::from_ref(&peer));
    assert_eq!(
        speaker.status(&peer).await.unwrap().session.state,
        State::Established
    );
    assert!(speaker.inquirer().sessions().await.contains_key(&peer));
    assert!(speaker.established().borrow().contains(&peer));
    assert_eq!(speaker.peer_id(&peer).unwrap().0, 0);

    dialler.shutdown(Shutdown::Cease(None)).await;
    assert!(matches!(events.recv().await.unwrap(), Event::Down { .. }));
    until(async || speaker.peer_names().is_empty()).await;
    pair::prefixes(&speaker.routes(), 0).await;
    // Its number is free for the next one.
    let again = self::dialler(local, "127.0.1.8").await;
    until(async || !speaker.established().borrow().is_empty()).await;
    assert_eq!(speaker.peer_id("127.0.1.8").unwrap().0, 0);
    drop(again);
    speaker.shutdown(Shutdown::Cease(None)).await;
}

/// RFC 4724: a restarting peer is the same one if it comes back in time, and gone if it does not.
#[tokio::test]
async fn a_restarting_peer_stays_for_the_restart_time() {
    let restart = GracefulRestart::new(2);
    let peers = DynamicPeers::new(move |candidate| {
        let mut settings = pair::passive(candidate.remote);
        settings.graceful_restart = Some(restart);
        Admission::accept(settings)
    });
    let (speaker, local) =
        listener(peers.with_range(net("127.0.1.0/24"), PeerRange::default())).await;
    let mut events = speaker.events();
    let start = async || {
        let dialler = pair::start(DIALLER_AS);
        let mut peer = pair::active(local, "127.0.1.7");
        peer.graceful_restart = Some(restart);
        dialler.configure_peer("listener", peer).await.unwrap();
        dialler
            .routes()
            .announce(net("192.0.2.0/24"), LocalRoute::default())
            .await
            .unwrap();
        dialler
    };
    let first = start().await;
    assert!(matches!(events.recv().await.unwrap(), Event::Up { .. }));
    pair::prefixes(&speaker.routes(), 1).await;
    first.shutdown(Shutdown::KeepRoutes).await;
    assert!(matches!(events.recv().await.unwrap(), Event::Down { .. }));
    assert_eq!(speaker.peer_names().len(), 1);
    pair::prefixes(&speaker.routes(), 1).await;
    let second = start().await;
    assert!(matches!(events.recv().await.unwrap(), Event::Up { .. }));
    assert_eq!(
        speaker
            .status("127.0.1.7")
            .await
            .unwrap()
            .session
            .counters
            .established,
        2
    );
    second.shutdown(Shutdown::KeepRoutes).await;
    until(async || speaker.peer_names().is_empty()).await;
    pair::prefixes(&speaker.routes(), 0).await;
}

#[tokio::test]
async fn the_owner_refuses_and_ignores_and_strangers_hear_nothing() {
    let (speaker, local) = listener(peers()).await;
    let ask =
        async |source, octets: Vec<u8>| told(&mut connect(local, source).await, &octets).await;
    assert_eq!(ask("127.0.1.1", open(65009)).await, Some((2, 2)));
    assert_eq!(ask("127.0.1.1", open(666)).await, None);
    // An address outside the range.
    assert_eq!(ask("127.0.2.1", open(65002)).await, None);
    // What is no OPEN, or no good one.
    let keepalive = [&[0xff; 16][..], &[0, 19, 4]].concat();
    assert_eq!(
        ask("127.0.1.1", keepalive).await,
        Some((ErrorCode::FSM.0, 1))
    );
    let mut old = open(65002);
    old[19] = 3;
    assert_eq!(ask("127.0.1.1", old).await, Some((2, 1)));
    assert_eq!(ask("127.0.1.1", vec![0; 19]).await, Some((1, 1)));
    assert!(speaker.peer_names().is_empty());
}

#[tokio::test]
async fn each_limit_holds() {
    let mut limited = peers();
    limited.max_waiting = 2;
    let range = PeerRange {
        max_sessions: 1,
        ..PeerRange::default()
    };
    limited = limited.with_range(net("127.0.1.0/24"), range);
    limited.max_sessions = 2;
    let limited = limited.with_range(net("127.0.3.0/24"), PeerRange::default());
    let (speaker, local) = listener(limited).await;

    // Of three that wait the oldest goes, of two of one address too.
    let mut silent = Vec::new();
    for source in ["127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.3"] {
        silent.push(connect(local, source).await);
    }
    for gone in [0, 2] {
        assert_eq!(silent[gone].read(&mut [0]).await.unwrap_or(0), 0);
    }
    // The others are still there: they are answered.
    for (stream, answer) in [(1, Some((2, 2))), (3, Some((2, 2)))] {
        assert_eq!(told(&mut silent[stream], &open(65009)).await, answer);
    }

    let _first = dialler(local, "127.0.1.7").await;
    until(async || speaker.peer_names().len() == 1).await;
    let ask = async |source| told(&mut connect(local, source).await, &open(65002)).await;
    assert_eq!(ask("127.0.1.8").await, Some((6, 5)), "the range is full");
    let _second = dialler(local, "127.0.3.1").await;
    until(async || speaker.peer_names().len() == 2).await;
    assert_eq!(ask("127.0.3.2").await, Some((6, 5)), "all places are taken");
}

/// Nobody waits for longer than is allowed.
#[tokio::test]
async fn who_sends_no_open_is_closed() {
    let mut limited = peers();
    limited.open_timeout = Duration::from_millis(50);
    let (_speaker, local) = listener(limited).await;
    let mut stream = connect(local, "127.0.1.1").await;
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_configured_peer_takes_the_place_of_a_dynamic_one() {
    let (speaker, local) = listener(peers()).await;
    let _dialler = dialler(local, "127.0.1.7").await;
    until(async || speaker.established().borrow().len() == 1).await;
    let peer = pair::passive("127.0.1.7:179".parse().unwrap());
    speaker.configure_peer("own", peer).await.unwrap();
    until(async || speaker.established().borrow().contains("own")).await;
    assert_eq!(speaker.peer_names(), ["own".into()]);
}

/// Both ends use connections that were opened elsewhere.
#[tokio::test]
async fn a_connection_of_the_owner_s_carries_a_session() {
    let speaker = pair::start(LISTENER_AS);
    speaker
        .accept_dynamic_peers(DynamicPeers::new(admit))
        .await
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = listener.local_addr().unwrap();
    let other = pair::start(DIALLER_AS);
    let mut peer = pair::active(local, "127.0.1.7");
    peer.passive = true;
    other.configure_peer("listener", peer).await.unwrap();

    let dialled = connect(local, "127.0.1.7").await;
    other.handle_stream(dialled).await.unwrap();
    speaker
        .handle_stream(listener.accept().await.unwrap().0)
        .await
        .unwrap();
    until(async || speaker.established().borrow().contains("127.0.1.7")).await;
    until(async || other.established().borrow().contains("listener")).await;
}

/// RFC 2385 and RFC 5082 for a whole range: a peer without signature, or too far away, cannot connect.
#[test]
fn a_range_has_a_password_and_a_distance() {
    netns::run("a_range_has_a_password_and_a_distance", async {
        let key = |text: &str| Some(Md5Key::new(text.as_bytes()).unwrap());
        let secured = |md5, ttl| PeerRange {
            security: PeerSecurity { md5, ttl },
            ..PeerRange::default()
        };
        let peers = DynamicPeers::new(admit)
            .with_range(net("127.0.1.0/24"), secured(key("secret"), Ttl::System))
            .with_range(
                net("127.0.3.0/24"),
                secured(None, Ttl::Security { hops: 1 }),
            );
        let (speaker, local) = listener(peers).await;
        let dialler = pair::start(DIALLER_AS);
        let mut peer = pair::active(local, "127.0.1.7");
        peer.md5 = key("secret");
        dialler.configure_peer("listener", peer).await.unwrap();
        until(async || speaker.established().borrow().contains("127.0.1.7")).await;
        let mut unsigned = Dial::new(local);
        unsigned.source = Some("127.0.1.8".parse().unwrap());
        unsigned.timeout = Duration::from_millis(400);
        assert!(unsigned.connect().await.is_err());

        let dial = |ttl| Dial {
            source: Some("127.0.3.1".parse().unwrap()),
            ttl,
            ..Dial::new(local)
        };
        for (ttl, answer) in [(254, None), (255, Some((2, 2)))] {
            let mut stream = dial(Ttl::Hops(ttl)).connect().await.unwrap();
            assert_eq!(told(&mut stream, &open(65009)).await, answer, "TTL {ttl}");
        }
    });
}
