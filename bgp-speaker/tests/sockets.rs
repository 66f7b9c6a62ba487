//! TCP MD5 signatures and TTL security between real sockets, in a network namespace.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

mod netns;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bgp_core::policy::Policy;
use bgp_core::rib::RibConfig;
use bgp_core::types::{Asn, Family, PathId, RouterId};
use bgp_core::wire::attribute::AsPath;
use bgp_core::wire::update::encode_reachable;
use bgp_core::wire::{AttributeView, Attributes, Capability, Context, Message, NextHop, Open};
use bgp_speaker::connect::{Dial, DialError};
use bgp_speaker::listener::{Incoming, Listeners, PeerSecurity, Refusal};
use bgp_speaker::sockopt::{Md5Key, Ttl, set_ttl};
use bgp_speaker::{PeerSpec, Speaker, SpeakerConfig};
use bytes::BytesMut;
use ipnet::Ipv4Net;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn key(text: &str) -> Option<Md5Key> {
    Some(Md5Key::new(text.as_bytes()).unwrap())
}

/// Dials `remote` from `source`.
fn dial(source: &str, remote: SocketAddr) -> Dial {
    let timeout = Duration::from_secs(20);
    Dial {
        remote,
        source: Some(source.parse().unwrap()),
        md5: None,
        ttl: Ttl::System,
        timeout,
    }
}

/// The same with so little patience that a dropped SYN shows soon.
fn impatient(dial: Dial) -> Dial {
    Dial {
        timeout: Duration::from_millis(400),
        ..dial
    }
}

/// Both ends of a connection that is admitted.
async fn connect(listeners: &mut Listeners, dial: &Dial) -> (TcpStream, Incoming) {
    let (dialled, incoming) = accept(listeners, dial).await;
    listeners.admit(&incoming).expect("admitted");
    (dialled, incoming)
}

/// Both ends of a connection that has not been checked yet.
async fn accept(listeners: &mut Listeners, dial: &Dial) -> (TcpStream, Incoming) {
    let (dialled, incoming) = tokio::join!(dial.connect(), listeners.accept());
    (dialled.expect("connected"), incoming.expect("accepted"))
}

fn set(listeners: &mut Listeners, peer: &str, md5: Option<Md5Key>, ttl: Ttl) {
    listeners.set_peer(peer.parse().unwrap(), PeerSecurity { md5, ttl });
    listeners.protect();
}

/// Octets pass in both directions.
async fn talk(dialled: &mut TcpStream, accepted: &mut TcpStream) {
    let mut buffer = [0; 4];
    dialled.write_all(b"ping").await.unwrap();
    accepted.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"ping");
    accepted.write_all(b"pong").await.unwrap();
    dialled.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"pong");
}

/// Promise 5.15.
#[test]
fn md5_right_key_connects_wrong_or_missing_key_does_not() {
    netns::run(
        "md5_right_key_connects_wrong_or_missing_key_does_not",
        async {
            let mut listeners = Listeners::default();
            for (local, peer) in [("127.0.0.1:179", "127.0.0.2"), ("[::1]:179", "::1")] {
                let local = listeners.bind(address(local)).unwrap();
                set(&mut listeners, peer, key("correct horse"), Ttl::System);

                let right = Dial {
                    md5: key("correct horse"),
                    ..dial(peer, local)
                };
                let (mut dialled, mut incoming) = connect(&mut listeners, &right).await;
                assert_eq!(incoming.peer.ip().to_string(), peer);
                talk(&mut dialled, &mut incoming.stream).await;

                for md5 in [key("battery staple"), None] {
                    let wrong = impatient(Dial {
                        md5,
                        ..dial(peer, local)
                    });
                    let error = wrong.connect().await.expect_err("dropped in silence");
                    assert!(matches!(error, DialError::TimedOut), "{error}");
                    assert_eq!(error.to_string(), "Connection timed out");
                }
            }
        },
    );
}

/// Promise 5.15.
#[test]
fn md5_keys_change_and_go_while_listening() {
    netns::run("md5_keys_change_and_go_while_listening", async {
        let mut listeners = Listeners::default();
        let peer = "127.0.0.2";
        let set = |listeners: &mut Listeners, md5| set(listeners, peer, md5, Ttl::System);
        set(&mut listeners, key("first")); // before there is a socket
        let local = listeners.bind(address("127.0.0.1:179")).unwrap();
        let with = |md5| Dial {
            md5,
            ..dial(peer, local)
        };
        connect(&mut listeners, &with(key("first"))).await;
        set(&mut listeners, key("second"));
        assert!(impatient(with(key("first"))).connect().await.is_err());
        connect(&mut listeners, &with(key("second"))).await;
        listeners.remove_peer(peer.parse().unwrap());
        listeners.protect();
        connect(&mut listeners, &with(None)).await;
    });
}

/// Promise 5.16.
#[test]
fn ttl_security_takes_only_answers_from_nearby() {
    netns::run("ttl_security_takes_only_answers_from_nearby", async {
        for (local, peer) in [("127.0.0.1:179", "127.0.0.2"), ("[::1]:179", "::1")] {
            let mut listeners = Listeners::default();
            let local = listeners.bind(address(local)).unwrap();
            let secured = Dial {
                ttl: Ttl::Security { hops: 1 },
                ..dial(peer, local)
            };
            // The listener answers with the system's 64: looks like 192 hops away.
            let error = impatient(secured.clone())
                .connect()
                .await
                .expect_err("the answer is dropped");
            assert_eq!(error.to_string(), "Connection timed out");

            set(&mut listeners, peer, None, Ttl::Security { hops: 1 });
            let (mut dialled, mut incoming) = connect(&mut listeners, &secured).await;
            talk(&mut dialled, &mut incoming.stream).await;
        }
    });
}

const FAMILIES: [(&str, &str); 2] = [("127.0.0.1:179", "127.0.0.2"), ("[::1]:179", "::1")];

/// Promise 5.16.
#[test]
fn a_connection_from_afar_is_not_admitted() {
    netns::run("a_connection_from_afar_is_not_admitted", async {
        for (local, peer) in FAMILIES {
            let mut listeners = Listeners::default();
            let local = listeners.bind(address(local)).unwrap();
            let afar = Dial {
                ttl: Ttl::Hops(254),
                ..dial(peer, local)
            };
            set(&mut listeners, peer, None, Ttl::Security { hops: 2 });
            let (mut dialled, mut incoming) = connect(&mut listeners, &afar).await;
            talk(&mut dialled, &mut incoming.stream).await;
            // What comes from further away later on does not arrive.
            set_ttl(&dialled, Ttl::Hops(253)).unwrap();
            dialled.write_all(b"ping").await.unwrap();
            let mut buffer = [0; 4];
            let read = incoming.stream.read_exact(&mut buffer);
            let read = tokio::time::timeout(Duration::from_millis(400), read).await;
            assert!(read.is_err(), "it was sent with 253");

            set(&mut listeners, peer, None, Ttl::Security { hops: 1 });
            let (_dialled, incoming) = accept(&mut listeners, &afar).await;
            let refused = listeners.admit(&incoming).expect_err("too far");
            assert!(matches!(refused, Refusal::TooFar(254)), "{refused}");
        }
    });
}

/// A connection may be older than the key: it is not spoken to without a signature either.
#[test]
fn a_connection_that_is_older_than_the_key_hears_nothing() {
    netns::run(
        "a_connection_that_is_older_than_the_key_hears_nothing",
        async {
            for (local, peer) in FAMILIES {
                let mut listeners = Listeners::default();
                let local = listeners.bind(address(local)).unwrap();
                let (mut dialled, mut incoming) = accept(&mut listeners, &dial(peer, local)).await;
                set(&mut listeners, peer, key("secret"), Ttl::System);
                listeners.admit(&incoming).unwrap();
                incoming.stream.write_all(b"pong").await.unwrap();
                let mut buffer = [0; 4];
                let read = dialled.read_exact(&mut buffer);
                let read = tokio::time::timeout(Duration::from_millis(400), read).await;
                assert!(read.is_err(), "an unsigned connection was answered");
            }
        },
    );
}

#[test]
fn the_families_listen_side_by_side() {
    netns::run("the_families_listen_side_by_side", async {
        let mut listeners = Listeners::default();
        for any in bgp_speaker::listener::any_address(179) {
            listeners.bind(any).unwrap();
        }
        for (remote, source) in [("127.0.0.1:179", "127.0.0.2"), ("[::1]:179", "::1")] {
            let (_, incoming) = connect(&mut listeners, &dial(source, address(remote))).await;
            assert_eq!(incoming.local, address(remote));
        }
    });
}

#[test]
fn an_address_that_is_not_there_yet_can_be_listened_on() {
    netns::run(
        "an_address_that_is_not_there_yet_can_be_listened_on",
        async {
            let mut listeners = Listeners::default();
            let local = listeners.bind(address("192.0.2.1:179")).unwrap();
            netns::ip("addr add 192.0.2.1/32 dev lo");
            connect(&mut listeners, &dial("127.0.0.1", local)).await;
        },
    );
}

/// R4271-8-08
#[test]
fn who_is_not_configured_is_turned_away_without_a_word() {
    netns::run(
        "who_is_not_configured_is_turned_away_without_a_word",
        async {
            let router_id = RouterId("192.0.2.1".parse().unwrap());
            let speaker = Speaker::start(SpeakerConfig::new(Asn(65001), router_id), None);
            let local = speaker
                .listen(vec![address("127.0.0.1:179")])
                .await
                .unwrap()[0];
            let known = address("127.0.0.2:179");
            let peer = PeerSpec::new(known, Asn(65002));
            speaker.configure_peer("known", peer).await.unwrap();
            let mut stranger = dial("127.0.0.3", local).connect().await.unwrap();
            let mut octets = Vec::new();
            stranger.read_to_end(&mut octets).await.unwrap();
            assert!(octets.is_empty(), "{octets:?}");
            // The neighbour beside it is spoken to: an OPEN comes.
            let mut neighbour = dial("127.0.0.2", local).connect().await.unwrap();
            let mut header = [0; 19];
            neighbour.read_exact(&mut header).await.unwrap();
            assert_eq!((&header[..16], header[18]), (&[0xff; 16][..], 1));
        },
    );
}

/// Many neighbours come up at once, and announce more than there is room for at the table: all of it arrives.
#[test]
fn a_thousand_neighbours_come_up_at_once() {
    const NEIGHBOURS: u32 = 1000;
    const ROUTES: u32 = 20;
    netns::run("a_thousand_neighbours_come_up_at_once", async {
        let router_id = RouterId("192.0.2.1".parse().unwrap());
        let speaker = Speaker::start(SpeakerConfig::new(Asn(65001), router_id), None);
        let local = speaker
            .listen(vec![address("127.0.0.1:179")])
            .await
            .unwrap()[0];
        let accept = Arc::new(Policy::ACCEPT);
        let mut connections = Vec::new();
        for peer in 0..NEIGHBOURS {
            let remote = SocketAddr::new(Ipv4Addr::from(0x7f01_0000 + peer).into(), 179);
            let settings = PeerSpec::new(remote, Asn(65002))
                .with_policies(Arc::clone(&accept), Arc::clone(&accept));
            let name = remote.to_string();
            speaker.configure_peer(&name, settings).await.unwrap();
            connections.push(
                dial(&remote.ip().to_string(), local)
                    .connect()
                    .await
                    .unwrap(),
            );
        }
        for (peer, connection) in (0..).zip(&mut connections) {
            connection
                .write_all(&first_words(peer, ROUTES))
                .await
                .unwrap();
        }
        let routes = speaker.routes();
        let count = || routes.look(|rib| rib.prefix_count(Family::Ipv4Unicast));
        while count().await.unwrap() < (NEIGHBOURS * ROUTES) as usize {
            tokio::task::yield_now().await;
        }
    });
}

/// The order to stop reaches the neighbour, however many questions wait for it.
#[test]
fn too_many_prefixes_end_a_session_that_is_asked_a_lot() {
    netns::run(
        "too_many_prefixes_end_a_session_that_is_asked_a_lot",
        async {
            let router_id = RouterId("192.0.2.1".parse().unwrap());
            let speaker = Speaker::start(SpeakerConfig::new(Asn(65001), router_id), None);
            let listening = vec![address("127.0.0.1:179")];
            let local = speaker.listen(listening).await.unwrap()[0];
            let peer = address("127.0.0.2:179");
            let mut settings = PeerSpec::new(peer, Asn(65002));
            settings.max_prefixes.ipv4 = Some(10);
            speaker.configure_peer("many", settings).await.unwrap();
            let mut client = dial("127.0.0.2", local).connect().await.unwrap();
            let mut asking = tokio::task::JoinSet::new();
            for _ in 0..100 {
                let inquirer = speaker.inquirer();
                asking.spawn(async move {
                    loop {
                        inquirer.sessions().await;
                    }
                });
            }
            client.write_all(&first_words(1, 20)).await.unwrap();
            let notification = loop {
                let mut header = [0; 19];
                client.read_exact(&mut header).await.unwrap();
                let length = u16::from_be_bytes([header[16], header[17]]);
                let mut body = vec![0; usize::from(length) - 19];
                client.read_exact(&mut body).await.unwrap();
                if header[18] == 3 {
                    break body;
                }
            };
            assert_eq!(notification[..2], [6, 1]);
        },
    );
}

/// A panic in an embedder's code ends the sessions, and the speaker reports the reason.
#[test]
fn a_panic_of_the_embedder_ends_the_speaker_aloud() {
    netns::run("a_panic_of_the_embedder_ends_the_speaker_aloud", async {
        let router_id = RouterId("192.0.2.1".parse().unwrap());
        let mut forwarding = RibConfig::new(router_id);
        forwarding.forwarding = true;
        let sink = Box::new(|_| panic!("a sink that fails"));
        let forwarding = SpeakerConfig::new(Asn(65001), router_id).with_rib(forwarding);
        let in_sink = Speaker::start(forwarding, Some(sink));
        let in_look = Speaker::start(SpeakerConfig::new(Asn(65001), router_id), None);
        for (speaker, message) in [
            (in_sink, "a sink that fails"),
            (in_look, "a look that fails"),
        ] {
            let listening = vec![address("127.0.0.1:179")];
            let local = speaker.listen(listening).await.unwrap()[0];
            let accept = Arc::new(Policy::ACCEPT);
            let peer = address("127.0.0.2:179");
            let settings =
                PeerSpec::new(peer, Asn(65002)).with_policies(Arc::clone(&accept), accept);
            speaker.configure_peer("peer", settings).await.unwrap();
            let mut client = dial("127.0.0.2", local).connect().await.unwrap();
            client.write_all(&first_words(1, 1)).await.unwrap();
            if message.contains("look") {
                let looked = speaker.routes().look(|_| panic!("a look that fails")).await;
                looked.expect_err("nobody looks any more");
            }
            let failure = speaker.closed().await;
            assert_eq!(
                failure.to_string(),
                format!("the task `table` panicked: {message}")
            );
            // Until the end, or the reset of a connection with unread octets.
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).await.ok();
            assert!(
                !heard.ends_with(&[6, 2]),
                "a farewell would cost the routes"
            );
            assert_eq!(speaker.tasks().names(), []);
        }
    });
}

/// OPEN, KEEPALIVE and an UPDATE for each route, as a neighbour would send them without waiting for an answer.
fn first_words(peer: u32, routes: u32) -> BytesMut {
    let context = Context {
        four_octet_as: true,
        ..Context::default()
    };
    let open = Open {
        asn: Asn(65002),
        hold_time: 0,
        router_id: RouterId(Ipv4Addr::from(0x0b00_0000 + peer)),
        capabilities: vec![Capability::FourOctetAs(Asn(65002))],
    };
    let mut words = BytesMut::new();
    Message::Open(open).encode(&context, &mut words);
    Message::Keepalive.encode(&context, &mut words);
    let mut attributes = Vec::new();
    let path = AsPath::sequence([Asn(65002)]);
    let attributes_of_route = Attributes {
        as_path: path,
        ..Attributes::default()
    };
    attributes_of_route.encode_canonical(&mut attributes);
    let view = AttributeView::new(&attributes);
    let next_hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 2));
    for number in 0..routes {
        let id = Ipv4Addr::from(0x0a00_0000 + peer * routes + number);
        let route = [(PathId(0), Ipv4Net::new(id, 32).unwrap())];
        encode_reachable(&context, view, next_hop, &route, &mut words).unwrap();
    }
    words
}

#[test]
fn connection_errors_use_the_words_of_the_system() {
    netns::run("connection_errors_use_the_words_of_the_system", async {
        let plain = |remote: &str| Dial {
            source: None,
            ..dial("127.0.0.1", address(remote))
        };
        let error = plain("192.0.2.1:179")
            .connect()
            .await
            .expect_err("no route");
        assert_eq!(error.to_string(), "Network is unreachable");
        netns::ip("route add unreachable 192.0.2.0/24");
        let error = plain("192.0.2.1:179")
            .connect()
            .await
            .expect_err("unreachable");
        assert_eq!(error.to_string(), "No route to host");
        let error = plain("127.0.0.1:179")
            .connect()
            .await
            .expect_err("nobody listens");
        assert_eq!(error.to_string(), "Connection refused");
    });
}
