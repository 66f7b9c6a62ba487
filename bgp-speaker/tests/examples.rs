//! The examples work.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

#[allow(dead_code, reason = "not every helper is needed")]
mod pair;

#[path = "../examples/collector.rs"]
#[allow(dead_code, unreachable_pub, reason = "the program around the example")]
mod collector;

#[path = "../examples/route_server.rs"]
#[allow(dead_code, unreachable_pub, reason = "the program around the example")]
mod route_server;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bgp_core::rib::LocalRoute;
use bgp_core::types::Asn;
use pair::{DIALLER_AS, net};

/// A file in memory.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Vec<u8>>>);

impl Write for Disk {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A record: type and subtype, and what follows.
type Record = (u16, u16, Vec<u8>);

fn records(mut octets: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some((header, rest)) = octets.split_first_chunk::<12>() {
        let [_, _, _, _, t1, t2, s1, s2, length @ ..] = *header;
        let (body, rest) = rest.split_at(u32::from_be_bytes(length) as usize);
        octets = rest;
        let kinds = [[t1, t2], [s1, s2]].map(u16::from_be_bytes);
        records.push((kinds[0], kinds[1], body.to_vec()));
    }
    records
}

#[tokio::test]
async fn a_collector_writes_what_its_peers_say() {
    let disk = Disk::default();
    let listen = "127.0.0.1:0".parse().unwrap();
    let (collector, local) =
        collector::collect(listen, net("127.0.4.0/24"), Box::new(disk.clone()))
            .await
            .unwrap();
    let peer = pair::start(DIALLER_AS);
    let mut settings = pair::active(local, "127.0.4.2");
    settings.peer_as = collector::LOCAL_AS;
    peer.configure_peer("collector", settings).await.unwrap();
    peer.routes()
        .announce(net("198.51.100.0/24"), LocalRoute::default())
        .await
        .unwrap();
    let written = async {
        while records(&disk.0.lock().unwrap()).len() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), written)
        .await
        .expect("three records");

    let records = records(&disk.0.lock().unwrap());
    let head = [
        0, 0, 0xfd, 0xea, 0, 0, 0xfc, 0, 0, 0, 0, 1, 127, 0, 4, 2, 127, 0, 0, 1,
    ];
    for ((kind, subtype, body), message) in records.iter().zip([1, 4, 2]) {
        // BGP4MP, BGP4MP_MESSAGE_AS4.
        assert_eq!((*kind, *subtype), (16, 4));
        assert_eq!(body[..20], head);
        assert_eq!(body[20..36], [0xff; 16]);
        assert_eq!(
            usize::from(u16::from_be_bytes([body[36], body[37]])),
            body.len() - 20
        );
        assert_eq!(body[38], message);
    }
    assert!(records[2].2.ends_with(&[24, 198, 51, 100]));
    drop(collector);
}

#[tokio::test]
async fn a_route_server_lets_through_what_is_registered_and_asks_again() {
    let registry = Arc::new(route_server::Registry::default());
    let register = |net: &str| {
        let mut nets = registry.0.write().unwrap();
        nets.entry(DIALLER_AS).or_default().push(pair::net(net));
    };
    register("198.51.100.0/24");
    let listen = "127.0.0.1:0".parse().unwrap();
    let serving = route_server::serve(listen, net("127.0.5.0/24"), Arc::clone(&registry));
    let (server, local) = serving.await.unwrap();
    let mut clients = Vec::new();
    for (asn, source) in [(DIALLER_AS, "127.0.5.2"), (Asn(65003), "127.0.5.3")] {
        let client = pair::start(asn);
        let mut settings = pair::active(local, source);
        settings.peer_as = route_server::LOCAL_AS;
        client.configure_peer("server", settings).await.unwrap();
        clients.push(client);
    }
    for announced in ["198.51.100.0/25", "203.0.113.0/24"] {
        let routes = clients[0].routes();
        let announced = routes.announce(net(announced), LocalRoute::default());
        announced.await.unwrap();
    }
    // Both are received, the registered one is sent.
    pair::prefixes(&server.routes(), 2).await;
    pair::prefixes(&clients[1].routes(), 1).await;
    register("203.0.113.0/24");
    for name in server.peer_names() {
        server.reevaluate(&name).await.unwrap();
    }
    pair::prefixes(&clients[1].routes(), 2).await;
}

/// At most 60 lines beside `use` and empty ones.
#[test]
fn each_is_short() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    for example in std::fs::read_dir(folder).unwrap() {
        let path = example.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let counts = |line: &&str| !line.is_empty() && !line.starts_with("use ");
        let lines = text.lines().filter(counts).count();
        assert!(lines <= 60, "{} has {lines} lines", path.display());
    }
}
