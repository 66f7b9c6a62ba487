//! Speakers of one process in separate network namespaces, and on sockets opened by the owner.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

mod netns;
#[allow(dead_code, reason = "not every helper is needed")]
mod pair;
#[allow(dead_code, reason = "not every helper is needed")]
mod room;

#[path = "../examples/install_routes.rs"]
#[allow(dead_code, unreachable_pub, reason = "the program around the example")]
mod install_routes;

use std::time::Duration;

use bgp_core::rib::LocalRoute;
use bgp_core::types::Asn;
use bgp_speaker::{Environment, Shutdown, Speaker};
use pair::{DIALLER_AS, LISTENER_AS, net};
use room::{Room, rooms};

/// A speaker of an AS in a room.
fn inside(asn: Asn, room: &Room) -> Speaker {
    let environment = Environment::default().with_namespace(room.namespace());
    Speaker::start_in(pair::config(asn), environment)
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

/// All listen on one port; those that share a cable speak to each other.
#[test]
fn three_speakers_are_in_three_namespaces() {
    netns::run("three_speakers_are_in_three_namespaces", async {
        let rooms = rooms();
        let here = pair::start(LISTENER_AS);
        let one = inside(LISTENER_AS, &rooms[0]);
        let other = inside(DIALLER_AS, &rooms[1]);
        let any = "0.0.0.0:179".parse().unwrap();
        for speaker in [&here, &one, &other] {
            assert_eq!(speaker.listen(vec![any]).await.unwrap(), [any]);
        }
        let peer = pair::passive("192.0.2.2:179".parse().unwrap());
        one.configure_peer("other", peer).await.unwrap();
        let peer = pair::active("192.0.2.1:179".parse().unwrap(), "192.0.2.2");
        other.configure_peer("one", peer).await.unwrap();
        until("a session over the cable", async || {
            !one.established().borrow().is_empty() && !other.established().borrow().is_empty()
        })
        .await;
        for speaker in [here, one, other] {
            speaker.shutdown(Shutdown::Cease(None)).await;
        }
    });
}

/// The example: a route of the router is in the kernel's table of the room, and in no other.
#[test]
fn a_route_goes_into_the_table_of_the_namespace() {
    netns::run("a_route_goes_into_the_table_of_the_namespace", async {
        let rooms = rooms();
        let router = inside(LISTENER_AS, &rooms[0]);
        let local = "192.0.2.1:179".parse().unwrap();
        router.listen(vec![local]).await.unwrap();
        let mut peer = pair::passive("192.0.2.2:179".parse().unwrap());
        peer.own_next_hop.ipv4 = None;
        router.configure_peer("node", peer).await.unwrap();
        let prefix = net("198.51.100.0/24");
        router
            .routes()
            .announce(prefix, LocalRoute::default())
            .await
            .unwrap();

        let inside = Some(rooms[1].namespace());
        let (node, forwarding) = install_routes::install(local, 100, inside).await.unwrap();
        let installed = || rooms[1].ip("route show table all proto 12");
        until("the route", async || !installed().is_empty()).await;
        let line = installed();
        let line: Vec<&str> = line.split_whitespace().collect();
        let expected = [
            "198.51.100.0/24",
            "via",
            "192.0.2.1",
            "dev",
            "cable",
            "table",
            "100",
        ];
        assert_eq!(line[..expected.len()], expected);
        assert_eq!(netns::ip("route show table all proto 12"), "");
        router.routes().withdraw(prefix, 0).await.unwrap();
        until("the end of the route", async || installed().is_empty()).await;
        drop((node, forwarding));
    });
}

/// A socket that the owner made, and one that takes both families.
#[tokio::test]
async fn a_speaker_listens_on_a_socket_of_the_owner_s() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let local = socket.local_addr().unwrap();
    let one = pair::start(LISTENER_AS);
    assert_eq!(one.listen_on(socket).await.unwrap(), local);
    // Other addresses have nothing to do with it.
    one.listen(Vec::new()).await.unwrap();
    let peer = pair::passive("127.0.0.2:179".parse().unwrap());
    one.configure_peer("other", peer).await.unwrap();
    let other = pair::start(DIALLER_AS);
    let peer = pair::active(local, "127.0.0.2");
    other.configure_peer("one", peer).await.unwrap();
    until("a session", async || !one.established().borrow().is_empty()).await;

    let both = std::net::TcpListener::bind("[::]:0").unwrap();
    let error = one.listen_on(both).await.unwrap_err().to_string();
    assert!(
        error.ends_with("the socket takes IPv4 too, which needs a socket of its own"),
        "{error}"
    );
}
