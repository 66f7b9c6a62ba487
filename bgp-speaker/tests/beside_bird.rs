//! Queries, watches and originated routes, with BIRD on the other end of the session.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

#[allow(dead_code, reason = "not every helper is needed")]
mod bird;
mod netns;

use std::sync::Arc;

use bgp_core::policy::{Action, Policy, Rule, Verdict};
use bgp_core::rib::{Cursor, LocalRoute, Query, Standing, Unusable, View};
use bgp_core::types::{Asn, Family, RouterId};
use bgp_core::wire::Attributes;
use bgp_core::wire::attribute::Community;
use bgp_speaker::{Filter, PeerSpec, Routes, Shutdown, Speaker, SpeakerConfig, Watch, Watched};
use bird::Bird;
use ipnet::IpNet;

const CONFIG: &str = "
router id 10.0.0.1;
protocol device {}
protocol static { ipv4; route 198.51.100.0/24 blackhole; }
protocol bgp ours {
    local 10.0.0.1 port 1790 as 65001;
    neighbor 10.0.0.2 port 1791 as 65002;
    multihop;
    ipv4 { import all; export where source = RTS_STATIC; };
}
";

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// Waits for a prefix to arrive, and returns its route.
async fn arrival(watch: &mut Watch, prefix: &str) -> (Vec<Community>, Standing) {
    loop {
        let route = match watch.next().await.unwrap() {
            Watched::Route { route, .. } => route,
            Watched::Change(change) => match change.new {
                Some(route) => route,
                None => continue,
            },
            _ => continue,
        };
        if route.prefix == net(prefix) {
            return (route.attributes.communities.clone(), route.standing);
        }
    }
}

#[test]
fn views_of_a_session_with_bird() {
    if !Bird::is_installed() {
        return netns::skip::skip("no bird");
    }
    netns::run("views_of_a_session_with_bird", async {
        for address in ["10.0.0.1/32", "10.0.0.2/32"] {
            netns::ip(&format!("address add {address} dev lo"));
        }
        let bird = Bird::start(CONFIG);
        let router_id = RouterId([10, 0, 0, 2].into());
        let speaker = Speaker::start(SpeakerConfig::new(Asn(65002), router_id), None);
        speaker
            .listen(vec!["10.0.0.2:1791".parse().unwrap()])
            .await
            .unwrap();
        let mark = Community(65002 << 16 | 7);
        let import = Policy::new(
            [Rule::new("mark").then(Action::AddCommunity(mark))],
            Verdict::Accept,
        );
        let mut peer = PeerSpec::new("10.0.0.1:1790".parse().unwrap(), Asn(65001))
            .with_policies(Arc::new(import), Arc::new(Policy::ACCEPT));
        peer.source = Some([10, 0, 0, 2].into());
        let routes = speaker.routes();
        let mut received = routes.watch(Filter::of([View::Received])).await.unwrap();
        let mut best = routes.watch(Filter::of([View::Best])).await.unwrap();
        speaker.configure_peer("bird", peer.clone()).await.unwrap();

        let theirs = "198.51.100.0/24";
        assert_eq!(arrival(&mut received, theirs).await.0, []);
        assert_eq!(
            arrival(&mut best, theirs).await,
            (vec![mark], Standing::Best)
        );
        peer.import = Some(Arc::new(Policy::REJECT));
        speaker.configure_peer("bird", peer).await.unwrap();
        while !matches!(best.next().await.unwrap(), Watched::Change(change) if change.new.is_none())
        {
        }
        let why = Query::about(View::Accepted, net(theirs)).with_left_out();
        let page = routes.ask(why, Cursor::START, 10).await.unwrap();
        assert_eq!(
            page.routes[0].standing,
            Standing::Unusable(Unusable::Policy)
        );

        originate(&bird, &routes).await;
        speaker.shutdown(Shutdown::Cease(None)).await;
    });
}

/// One route is for BIRD in its own way, and one not at all.
async fn originate(bird: &Bird, routes: &Routes) {
    let own = Attributes {
        communities: vec![Community(65002 << 16 | 9)],
        ..Attributes::default()
    };
    let for_bird = |attributes| {
        let mut route = LocalRoute::default();
        route.for_peers = [([10, 0, 0, 1].into(), attributes)].into();
        route
    };
    let wanted = [
        (net("203.0.113.1/32"), LocalRoute::default()),
        (net("203.0.113.2/32"), for_bird(Some(own))),
        (net("203.0.113.3/32"), for_bird(None)),
    ];
    routes.sync(1, wanted.clone()).await.unwrap();
    bird.says("show route", "203.0.113.1/32").await;
    bird.says("show route all 203.0.113.2/32", "(65002,9)")
        .await;
    let told = Query::new(View::Told, Family::Ipv4Unicast);
    let page = routes.ask(told, Cursor::START, 10).await.unwrap();
    let told: Vec<IpNet> = page.routes.iter().map(|route| route.prefix).collect();
    assert_eq!(told, ["203.0.113.1/32", "203.0.113.2/32"].map(net));
    assert!(!bird.ask("show route").contains("203.0.113.3/32"));
    let synced = routes.sync(1, wanted.into_iter().skip(1)).await.unwrap();
    assert_eq!(
        (synced.announced, synced.withdrawn, synced.unchanged),
        (0, 1, 2)
    );
    bird.says("show route count", "2 of 2 routes").await;
}
