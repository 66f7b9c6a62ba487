//! Two of the examples work: one speaker announces to another on the same address of the same host.

#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "../examples/announcer.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has a `main`")]
mod announcer;
#[path = "../examples/best_routes.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has a `main`")]
mod best_routes;

use std::time::Duration;

use bgp_core::rib::{LocalRoute, RibConfig, Standing, Unusable, View};
use bgp_core::types::{Asn, RouterId};
use bgp_speaker::{Filter, Shutdown, Speaker, SpeakerConfig, Watched};
use tokio::sync::mpsc;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_announcer_announces_the_other_one_prints() {
    let listen = "127.0.0.1:0".parse().unwrap();
    let (follower, local) = best_routes::start(listen).await.unwrap();
    let own = "203.0.113.0/24".parse().unwrap();
    let routes = follower.routes();
    routes.announce(own, LocalRoute::default()).await.unwrap();
    let (sender, mut lines) = mpsc::unbounded_channel();
    let following = tokio::spawn(async move {
        let print = move |line| sender.send(line).unwrap();
        best_routes::follow(&routes, print).await.unwrap();
    });
    let mut line = async || timeout(LIMIT, lines.recv()).await.unwrap().unwrap();
    assert_eq!(line().await, "there is 203.0.113.0/24 via here path []");
    assert_eq!(line().await, "that is all for now");

    let announcer = announcer::start(local).await.unwrap();
    let wanted = announcer.routes();
    announcer::announce(&wanted, "198.51.100.1").await.unwrap();
    let first = "198.51.100.1/32 via 127.0.0.1 path [65001]";
    assert_eq!(line().await, format!("new is {first}"));

    let synced = announcer::announce(&wanted, "198.51.100.1 198.51.100.2");
    let synced = synced.await.unwrap();
    assert_eq!(
        (synced.announced, synced.withdrawn, synced.unchanged),
        (1, 0, 1)
    );
    let second = "198.51.100.2/32 via 127.0.0.1 path [65001]";
    assert_eq!(line().await, format!("new is {second}"));

    announcer::announce(&wanted, "198.51.100.2").await.unwrap();
    assert_eq!(line().await, format!("gone is {first}"));
    assert!(announcer::announce(&wanted, "no address").await.is_err());

    announcer.shutdown(Shutdown::Cease(None)).await;
    assert_eq!(line().await, format!("gone is {second}"));
    follower.shutdown(Shutdown::Cease(None)).await;
    following.abort();
}

/// A node that forwards cannot use a next hop on its own loopback, and reports that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_speaker_that_forwards_says_why_it_does_not_use_a_loopback_next_hop() {
    let (name, router_id) = ("announcer", RouterId([192, 0, 2, 2].into()));
    let mut rib = RibConfig::new(router_id);
    rib.forwarding = true;
    let config = SpeakerConfig::new(Asn(65002), router_id).with_rib(rib);
    let node = Speaker::start(config, Some(Box::new(|_| ())));
    let template = best_routes::start("127.0.0.1:0".parse().unwrap()).await;
    let (template, _) = template.unwrap();
    let peer = template.desired().await.peers[name].clone();
    node.configure_peer(name, peer).await.unwrap();
    let local = node.listen(vec!["127.0.0.1:0".parse().unwrap()]).await;
    let announcer = announcer::start(local.unwrap()[0]).await.unwrap();
    announcer::announce(&announcer.routes(), "198.51.100.1")
        .await
        .unwrap();

    let mut watch = node.routes().watch(Filter::of([View::Received])).await;
    let received = async {
        loop {
            match watch.as_mut().unwrap().next().await.unwrap() {
                Watched::Route { route, .. } => return route.standing,
                Watched::Change(change) => return change.new.unwrap().standing,
                _ => {}
            }
        }
    };
    let standing = timeout(LIMIT, received).await.unwrap();
    assert_eq!(standing, Standing::Unusable(Unusable::LoopbackNextHop));
    for speaker in [announcer, node, template] {
        speaker.shutdown(Shutdown::Cease(None)).await;
    }
}
