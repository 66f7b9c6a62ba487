//! Routes of a family that is not routed here: FlowSpec with BIRD, and between two speakers.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

#[allow(dead_code, reason = "not every helper is needed")]
mod bird;
mod netns;
#[allow(dead_code, reason = "not every helper is needed")]
mod pair;

use bgp_core::rib::OpaqueError;
use bgp_core::types::{AfiSafi, Asn, RouterId};
use bgp_core::wire::attribute::Community;
use bgp_core::wire::{Attributes, OpaqueRoutes};
use bgp_speaker::opaque::{self, OpaqueEvent, OpaqueEvents};
use bgp_speaker::{Environment, PeerSpec, Shutdown, Speaker, SpeakerConfig, SpeakerError};
use bird::Bird;
use pair::{DIALLER_AS, LISTENER_AS};

/// IPv4 FlowSpec (RFC 8955 §4).
const FLOW: AfiSafi = AfiSafi { afi: 1, safi: 133 };
/// Packets to 198.51.100.0/24.
const THEIRS: [u8; 6] = [5, 1, 24, 198, 51, 100];
/// Packets to 203.0.113.0/24.
const OURS: [u8; 6] = [5, 1, 24, 203, 0, 113];

const CONFIG: &str = "
router id 10.0.0.1;
flow4 table flows;
protocol device {}
protocol static { flow4 { table flows; }; route flow4 { dst 198.51.100.0/24; }; }
protocol bgp ours {
    local 10.0.0.1 port 1790 as 65001;
    neighbor 10.0.0.2 port 1791 as 65002;
    passive;
    multihop;
    flow4 { table flows; import all; export where source = RTS_STATIC; };
}
";

fn start(config: SpeakerConfig) -> (Speaker, OpaqueEvents) {
    let (sender, events) = opaque::channel();
    let environment = Environment::default().with_opaque(sender);
    (Speaker::start_in(config, environment), events)
}

fn reachable(nlri: &[u8]) -> OpaqueRoutes<'_> {
    OpaqueRoutes::Reachable {
        family: FLOW,
        next_hop: &[],
        nlri,
    }
}

fn unreachable(nlri: &[u8]) -> OpaqueRoutes<'_> {
    OpaqueRoutes::Unreachable { family: FLOW, nlri }
}

fn attributes() -> Attributes {
    Attributes {
        local_pref: Some(100),
        communities: vec![Community(65002 << 16 | 7)],
        ..Attributes::default()
    }
}

/// Waits for an UPDATE with just these routes.
async fn expect(events: &mut OpaqueEvents, wanted: OpaqueRoutes<'_>) {
    loop {
        match events.recv().await.unwrap() {
            OpaqueEvent::Update { update, .. } if update.opaque().eq([wanted]) => return,
            OpaqueEvent::Down { .. } => panic!("the session ended"),
            _ => {}
        }
    }
}

async fn expect_up(events: &mut OpaqueEvents) {
    match events.recv().await.unwrap() {
        OpaqueEvent::Up { negotiated, .. } => assert_eq!(negotiated.opaque_families, [FLOW]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn flow_specifications_are_exchanged_with_bird() {
    if !Bird::is_installed() {
        return netns::skip::skip("no bird");
    }
    netns::run("flow_specifications_are_exchanged_with_bird", async {
        for address in ["10.0.0.1/32", "10.0.0.2/32"] {
            netns::ip(&format!("address add {address} dev lo"));
        }
        let bird = Bird::start(CONFIG);
        let router_id = RouterId([10, 0, 0, 2].into());
        let (speaker, mut events) = start(SpeakerConfig::new(Asn(65002), router_id));
        let mut peer = PeerSpec::new("10.0.0.1:1790".parse().unwrap(), Asn(65001));
        peer.source = Some([10, 0, 0, 2].into());
        peer.connect_retry_time = std::time::Duration::from_secs(1);
        peer.families.clear();
        peer.opaque_families = vec![FLOW];
        speaker.configure_peer("bird", peer).await.unwrap();

        expect_up(&mut events).await;
        expect(&mut events, reachable(&THEIRS)).await;
        let send = async |routes| speaker.send_opaque("bird", &attributes(), routes).await;
        send(reachable(&OURS)).await.unwrap();
        let shown = bird.says("show route all table flows", "(65002,7)").await;
        assert!(shown.contains("dst 203.0.113.0/24"), "{shown}");
        // BIRD is asked for its routes, and asks for ours.
        speaker.request_refresh("bird").await;
        expect(&mut events, reachable(&THEIRS)).await;
        bird.ask("reload in ours");
        loop {
            match events.recv().await.unwrap() {
                OpaqueEvent::Refresh { refresh, .. } => break assert_eq!(refresh.family, FLOW),
                OpaqueEvent::Down { .. } => panic!("the session ended"),
                _ => {}
            }
        }
        send(unreachable(&OURS)).await.unwrap();
        bird.answers("show route table flows", |shown| {
            !shown.contains("203.0.113.0/24")
        })
        .await;
        bird.ask("disable ours");
        while !matches!(events.recv().await.unwrap(), OpaqueEvent::Down { .. }) {}
        let refused = send(reachable(&OURS)).await;
        assert!(
            matches!(
                refused,
                Err(SpeakerError::Opaque(OpaqueError::NotNegotiated))
            ),
            "{refused:?}"
        );
        speaker.shutdown(Shutdown::Cease(None)).await;
    });
}

/// Whoever sends more than the other takes waits, and nothing is lost.
#[tokio::test]
async fn a_slow_owner_holds_its_peers_up_and_loses_nothing() {
    const COUNT: u32 = 4_000;
    let (listener, mut received) = start(pair::config(LISTENER_AS));
    let (dialler, mut ups) = start(pair::config(DIALLER_AS));
    let local = vec!["127.0.0.1:0".parse().unwrap()];
    let local = listener.listen(local).await.unwrap()[0];
    let mut peer = pair::passive("127.0.0.2:179".parse().unwrap());
    peer.opaque_families = vec![FLOW];
    listener.configure_peer("dialler", peer).await.unwrap();
    let mut peer = pair::active(local, "127.0.0.2");
    peer.opaque_families = vec![FLOW];
    dialler.configure_peer("listener", peer).await.unwrap();
    expect_up(&mut ups).await;
    expect_up(&mut received).await;

    let rule = |number: u32| [&[5, 1, 32][..], &number.to_be_bytes()].concat();
    let filler = [0_u8; 3_000];
    let nlri = |number| [&filler[..], &rule(number)].concat();
    let attributes = attributes();
    let sent = async {
        for number in 0..COUNT {
            let nlri = nlri(number);
            let routes = reachable(&nlri);
            let sent = dialler.send_opaque("listener", &attributes, routes);
            sent.await.unwrap();
        }
    };
    let taken = async {
        for number in 0..COUNT {
            expect(&mut received, reachable(&nlri(number))).await;
        }
    };
    tokio::join!(sent, taken);

    // Messages in flight when the session ends are lost, and that is reported.
    dialler.remove_peer("listener").await;
    while !matches!(received.recv().await.unwrap(), OpaqueEvent::Down { .. }) {}
    drop(listener);
    assert!(received.recv().await.is_none());
}
