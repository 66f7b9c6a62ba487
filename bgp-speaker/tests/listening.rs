//! Which peers a speaker accepts: only those with the right password and within the hop limit.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

mod netns;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bgp_core::types::{Asn, RouterId};
use bgp_speaker::connect::Dial;
use bgp_speaker::sockopt::{Md5Key, Ttl};
use bgp_speaker::{PeerSpec, Shutdown, Speaker, SpeakerConfig};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// RFC 5082 §3: a peer that is too far away receives nothing, not even our OPEN.
#[test]
fn a_peer_that_is_too_far_away_hears_nothing() {
    netns::run("a_peer_that_is_too_far_away_hears_nothing", async {
        for (local, peer) in FAMILIES {
            let speaker = speaker();
            let local = speaker.listen(vec![address(local)]).await.unwrap()[0];
            let mut settings = passive(peer.parse().unwrap());
            settings.ttl = Ttl::Security { hops: 1 };
            speaker.configure_peer("near", settings).await.unwrap();
            for (ttl, heard) in [(Ttl::System, 0), (Ttl::Hops(254), 0), (Ttl::Hops(255), 19)] {
                let dial = Dial {
                    ttl,
                    ..dial(peer, local)
                };
                let mut client = dial.connect().await.unwrap();
                assert_eq!(header(&mut client).await.len(), heard, "{ttl:?}");
            }
            speaker.shutdown(Shutdown::Hard).await;
        }
    });
}

/// More keys than the kernel has room for: a peer without key can neither connect nor be connected to, is reported, and can
/// connect once there is room.
#[test]
fn no_key_no_connection() {
    netns::run("no_key_no_connection", async {
        set_optmem_max(20_480); // 150 keys
        let speaker = speaker();
        let listening = vec![address("127.0.0.1:179")];
        let local = speaker.listen(listening).await.unwrap()[0];
        // Where an unsigned connection of the speaker would arrive.
        let peers = TcpListener::bind("0.0.0.0:1790").await.unwrap();
        let dialled = tokio::spawn(async move { peers.accept().await.map(|(_, from)| from) });
        for peer in MANY {
            let mut settings = active(source(peer), 1790);
            settings.md5 = key(&format!("secret {peer}"));
            speaker.configure_peer(&name(peer), settings).await.unwrap();
        }
        wait(|| speaker.alarms().list().len() == MANY.len() - 150).await;
        let alarms = speaker.alarms().list();
        let reason = "the kernel takes no more TCP MD5 passwords: the sysctl net.core.optmem_max is 20480 and should be 524288; \
                      without its password this peer is neither accepted nor dialled";
        for alarm in &alarms {
            assert_eq!((alarm.kind, &*alarm.reason), ("md5", reason));
        }
        let shut = |peer: &u32| {
            alarms
                .iter()
                .any(|alarm| alarm.object == format!("peer {}", name(*peer)))
        };
        let inside = MANY.clone().find(|peer| !shut(peer)).unwrap();
        let outside = MANY.clone().find(shut).unwrap();
        nothing_is_said_without_a_signature(local).await;
        assert_eq!(signed(inside, local).await.len(), 19);
        let why = dialling_failed(&speaker, outside).await;
        assert_eq!(why, "Socket: the kernel does not take the TCP MD5 password");

        // This affects no other peer, and no other address is closed.
        let open = active("127.0.0.9".parse().unwrap(), 1791);
        speaker.configure_peer("open", open).await.unwrap();
        let both = vec![local, address("127.0.0.5:179")];
        assert_eq!(speaker.listen(both.clone()).await.unwrap(), both);
        for local in both {
            let mut client = dial("127.0.0.9", local).connect().await.unwrap();
            assert_eq!(header(&mut client).await.len(), 19);
        }

        set_optmem_max(524_288);
        wait(|| speaker.alarms().list().is_empty()).await;
        nothing_is_said_without_a_signature(local).await;
        for peer in [inside, outside] {
            assert_eq!(signed(peer, local).await.len(), 19);
        }
        assert!(
            !dialled.is_finished(),
            "a peer was dialled without a signature"
        );
    });
}

/// Peers with addresses that fill a prefix need one key.
#[test]
fn a_password_of_many_peers_takes_few_keys() {
    netns::run("a_password_of_many_peers_takes_few_keys", async {
        set_optmem_max(20_480);
        let speaker = speaker();
        let local = speaker
            .listen(vec![address("127.0.0.1:179")])
            .await
            .unwrap()[0];
        for peer in MANY {
            let mut settings = passive(source(peer));
            settings.md5 = key(&format!("secret {}", MANY.start));
            speaker.configure_peer(&name(peer), settings).await.unwrap();
        }
        nothing_is_said_without_a_signature(local).await;
        assert_eq!(signed(MANY.start, local).await.len(), 19);
        // Neighbours of theirs need no signature, also those that leave a hole.
        let hole = MANY.start + 1000;
        speaker.remove_peer(&name(hole)).await;
        let open = active(source(hole), 179);
        speaker.configure_peer("open", open).await.unwrap();
        let mut client = dial(&source(hole).to_string(), local)
            .connect()
            .await
            .unwrap();
        assert_eq!(header(&mut client).await.len(), 19);
        assert_eq!(speaker.alarms().list(), []);
    });
}

/// The first by name takes the connections of an address, and its password counts there; the other is dialled.
#[test]
fn two_peers_of_one_address_have_passwords_of_their_own() {
    netns::run(
        "two_peers_of_one_address_have_passwords_of_their_own",
        async {
            let speaker = speaker();
            let listening = vec![address("127.0.0.1:179")];
            let local = speaker.listen(listening).await.unwrap()[0];
            let other = TcpListener::bind("127.0.0.2:1790").await.unwrap();
            let ip = "127.0.0.2".parse().unwrap();
            let mut first = passive(ip);
            first.md5 = key("secret");
            speaker.configure_peer("a", first).await.unwrap();
            let second = active(ip, 1790);
            speaker.configure_peer("b", second).await.unwrap();
            let mut accepted = other.accept().await.unwrap().0;
            assert_eq!(header(&mut accepted).await.len(), 19);
            let unsigned = dial("127.0.0.2", local);
            assert!(impatient(unsigned.clone()).connect().await.is_err());
            let signed = Dial {
                md5: key("secret"),
                ..unsigned
            };
            let mut client = signed.connect().await.unwrap();
            assert_eq!(header(&mut client).await.len(), 19);
        },
    );
}

const FAMILIES: [(&str, &str); 2] = [("127.0.0.1:179", "127.0.0.2"), ("[::1]:179", "::1")];

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn key(text: &str) -> Option<Md5Key> {
    Some(Md5Key::new(text.as_bytes()).unwrap())
}

fn dial(source: &str, remote: SocketAddr) -> Dial {
    Dial {
        source: Some(source.parse().unwrap()),
        timeout: Duration::from_secs(20),
        ..Dial::new(remote)
    }
}

/// The same with so little patience that a dropped SYN shows soon.
fn impatient(dial: Dial) -> Dial {
    Dial {
        timeout: Duration::from_millis(400),
        ..dial
    }
}

const MANY: std::ops::Range<u32> = 0x7f01_0001..0x7f01_0001 + 2000;
const LOCAL_AS: Asn = Asn(65001);
const PEER_AS: Asn = Asn(65002);
const ROUTER_ID: RouterId = RouterId(Ipv4Addr::new(192, 0, 2, 1));

fn source(number: u32) -> IpAddr {
    Ipv4Addr::from(number).into()
}

fn name(number: u32) -> String {
    source(number).to_string()
}

fn speaker() -> Speaker {
    Speaker::start(SpeakerConfig::new(LOCAL_AS, ROUTER_ID), None)
}

fn active(peer: IpAddr, port: u16) -> PeerSpec {
    PeerSpec::new(SocketAddr::new(peer, port), PEER_AS)
}

/// Settings of a peer that is not dialled.
fn passive(peer: IpAddr) -> PeerSpec {
    let mut settings = active(peer, 179);
    settings.passive = true;
    settings
}

fn set_optmem_max(octets: u32) {
    std::fs::write("/proc/sys/net/core/optmem_max", octets.to_string()).unwrap();
}

/// The first message that is sent, as far as its header, or as much as comes before the end.
async fn header(client: &mut TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    // A reset connection delivers nothing more either.
    client.take(19).read_to_end(&mut octets).await.ok();
    octets
}

/// What a peer with the right password hears.
async fn signed(peer: u32, local: SocketAddr) -> Vec<u8> {
    let dial = Dial {
        md5: key(&format!("secret {peer}")),
        ..dial(&name(peer), local)
    };
    header(&mut dial.connect().await.unwrap()).await
}

/// Each of the many connects without a signature: the kernel drops it, or it is closed without a word.
async fn nothing_is_said_without_a_signature(local: SocketAddr) {
    let mut clients = tokio::task::JoinSet::new();
    for peer in MANY {
        clients.spawn(async move {
            let dial = impatient(dial(&name(peer), local));
            match dial.connect().await {
                Ok(mut client) => header(&mut client).await,
                Err(_) => Vec::new(),
            }
        });
    }
    while let Some(heard) = clients.join_next().await {
        assert_eq!(heard.unwrap(), Vec::<u8>::new());
    }
}

/// Why there was no connection to a peer.
async fn dialling_failed(speaker: &Speaker, peer: u32) -> String {
    loop {
        let status = speaker.status(&name(peer)).await.unwrap();
        match status.session.last_error {
            Some(error) => return error.to_string(),
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn wait(mut until: impl FnMut() -> bool) {
    while !until() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
