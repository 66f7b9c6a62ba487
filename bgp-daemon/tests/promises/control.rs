//! An operator's view and commands on the control sockets of a running agent.

use std::path::Path;

use bgp_core::rib::LocalRoute;
use bgp_core::session::State;
use bgp_core::types::{Asn, Family};
use bgp_core::wire::NextHop;
use bgp_daemon::control::server::Server;
use bgp_speaker::NeighbourStatus;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::netns::ip;
use crate::scene::{
    self, LOOK, NODE, NODE_AS, Node, PATIENCE, ROUTER, Router, Start, cluster, object,
};

const EXTERNAL: Asn = Asn(65001);
const BLOCK: &str = "10.1.5.0/26";

/// The sockets of a node.
struct Sockets {
    directory: TempDir,
}

impl Sockets {
    fn of(node: &Node) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for family in Family::ALL {
            let path = socket(directory.path(), family);
            let server =
                Server::bind(&path, None, family, node.requests.clone()).expect("a socket");
            tokio::spawn(server.run(CancellationToken::new()));
        }
        Self { directory }
    }

    /// The reply to a command, without the greeting.
    async fn ask(&self, family: Family, command: &str) -> String {
        let path = socket(self.directory.path(), family);
        let mut stream = UnixStream::connect(path).await.expect("it is served");
        let line = format!("{command}\n");
        stream.write_all(line.as_bytes()).await.expect("it listens");
        stream.shutdown().await.expect("it listens");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("text");
        let (_, reply) = text.split_once('\n').expect("a greeting");
        reply.to_owned()
    }

    async fn ask_ipv4(&self, command: &str) -> String {
        self.ask(Family::Ipv4Unicast, command).await
    }

    /// Asks until the reply is as it is wanted.
    async fn wait(&self, command: &str, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let reply = self.ask_ipv4(command).await;
            if wanted(&reply) {
                return reply;
            }
            assert!(Instant::now() < end, "{command}: {reply}");
            sleep(LOOK).await;
        }
    }

    /// Waits until the reply contains this.
    async fn wait_for(&self, command: &str, part: &str) -> String {
        self.wait(command, |reply| reply.contains(part)).await
    }

    /// The rows of a reply, without codes, and without the times in them.
    async fn rows(&self, command: &str) -> Vec<String> {
        rows(&self.ask_ipv4(command).await)
    }
}

fn socket(directory: &Path, family: Family) -> std::path::PathBuf {
    directory.join(format!("{family:?}.ctl"))
}

fn rows(reply: &str) -> Vec<String> {
    let is_time = |word: &str| word.trim_end_matches(']').split(':').count() == 3;
    let row = |line: &str| {
        let text = line.strip_prefix(' ').unwrap_or_else(|| &line[5..]);
        let words = text.split_whitespace().map(|word| match is_time(word) {
            true if word.ends_with(']') => "T]",
            true => "T",
            false => word,
        });
        words.collect::<Vec<_>>().join(" ")
    };
    reply
        .lines()
        .filter(|line| !line.starts_with("0000"))
        .map(row)
        .collect()
}

fn is_up(status: &NeighbourStatus) -> bool {
    status.session.state == State::Established
}

/// A node beside a network 198.51.100.0/24 on an interface `d0`, behind which 203.0.113.0/24 lies.
fn surroundings() {
    for command in [
        "link add d0 type veth peer name d1",
        "addr add 198.51.100.1/24 dev d0",
        "link set d0 up",
        "link set d1 up",
        "route add 203.0.113.0/24 via 198.51.100.254",
    ] {
        ip(command);
    }
}

/// With the kernel.
const KERNEL: Start = Start {
    listen: false,
    recover: false,
    kernel: true,
    on_stop: None,
};

impl Router {
    fn session(&self) -> String {
        format!("Global_192_0_2_2_port_{}", self.port)
    }

    async fn announce(&self, prefix: &str, next_hop: &str) {
        let next_hop = NextHop::V4(next_hop.parse().expect("an address"));
        let mut route = LocalRoute::default();
        route.next_hop = Some(next_hop);
        let prefix = prefix.parse().expect("a prefix");
        let routes = self.speaker.routes();
        routes.announce(prefix, route).await.expect("it runs");
    }
}

/// Promises 12.13, 14.2.
#[test]
fn without_a_plan_the_node_is_not_ready() {
    scene::run("control::without_a_plan_the_node_is_not_ready", async {
        let nobody = cluster("").replace("kind: Node,", "kind: Profile,");
        let node = Node::start(&nobody, Start::default());
        let sockets = Sockets::of(&node);
        for command in ["show protocols", "show protocols all", "show route"] {
            let reply = sockets.ask_ipv4(command).await;
            assert!(reply.starts_with("8004 "), "{command}: {reply}");
        }
        let status = sockets.ask_ipv4("show status").await;
        assert!(status.starts_with("1000-BIRD v"), "{status}");
        assert!(
            status.ends_with("0013 Reconfiguration in progress\n"),
            "{status}"
        );
        node.change(&cluster(""));
        sockets.wait_for("show protocols", "static1").await;
        let status = sockets.ask_ipv4("show status").await;
        assert!(
            status.ends_with("0013 Daemon is up and running\n"),
            "{status}"
        );
        node.end().await;
    });
}

/// Promise 12.8.
#[test]
fn sessions_obey_an_operator() {
    scene::run("control::sessions_obey_an_operator", async {
        let router = Router::start(EXTERNAL).await;
        let tor = router.session();
        let away = object("BGPPeer", "away", "peerIP: 192.0.2.3, asNumber: 65002");
        let resources = cluster("") + &away + &router.peer("tor", EXTERNAL, "");
        let node = Node::start(&resources, Start::default());
        let sockets = Sockets::of(&node);
        let told = async |command: &str, name: &str| {
            let reply = sockets.ask_ipv4(&format!("{command} {name}")).await;
            reply.replace("0000 \n", "").replace(name, "it")
        };
        let established = |times| {
            move |status: &NeighbourStatus| {
                is_up(status) && status.session.counters.established == times
            }
        };
        let before = router.wait("established", established(1)).await;
        let sent = before.session.counters.received;

        assert_eq!(
            told("reload", "Global_192_0_2_3").await,
            "8006-it: reload failed\n"
        );
        assert_eq!(told("reload", &tor).await, "0015-it: reloading\n");
        let both = |status: &NeighbourStatus| {
            let now = status.session.counters.received;
            now.route_refresh > sent.route_refresh && now.update > sent.update
        };
        router
            .wait("asked for its routes, and told ours", both)
            .await;

        assert_eq!(told("restart", &tor).await, "0012-it: restarted\n");
        let again = router.wait("established again", established(2)).await;
        let record = again.session.last_received.expect("a NOTIFICATION");
        assert_eq!(
            (record.notification.code.0, record.notification.subcode),
            (6, 4)
        );

        assert_eq!(told("enable", &tor).await, "0010-it: already enabled\n");
        assert_eq!(told("disable", &tor).await, "0009-it: disabled\n");
        let down = router.wait("down", |status| !is_up(status)).await;
        let record = down.session.last_received.expect("a NOTIFICATION");
        assert_eq!(
            (record.notification.code.0, record.notification.subcode),
            (6, 2)
        );
        assert_eq!(told("disable", &tor).await, "0008-it: already disabled\n");
        assert_eq!(told("reload", &tor).await, "0008-it: already disabled\n");

        ip("addr add 192.0.2.7/24 dev lo");
        node.change(&resources.replace("192.0.2.1/24", "192.0.2.7/24"));
        sockets
            .wait_for("show status", "Router ID is 192.0.2.7")
            .await;
        let row = sockets.ask_ipv4(&format!("show protocols {tor}")).await;
        assert!(row.contains("master   down "), "it stays so: {row}");
        node.change(&resources);
        sockets
            .wait_for("show status", "Router ID is 192.0.2.1")
            .await;
        assert_eq!(told("enable", &tor).await, "0011-it: enabled\n");
        router.wait("established once more", established(3)).await;
        node.end().await;
    });
}

/// Promises 12.5, 14.3.
#[test]
fn the_status_says_whom_a_restarted_node_waits_for() {
    scene::run(
        "control::the_status_says_whom_a_restarted_node_waits_for",
        async {
            surroundings();
            ip("route add blackhole 10.9.0.0/24 proto 12");
            let router = Router::start(EXTERNAL).await;
            let away = object("BGPPeer", "away", "peerIP: 192.0.2.3, asNumber: 65002");
            let resources = cluster("") + &away + &router.peer("tor", EXTERNAL, "");
            let node = Node::start(
                &resources,
                Start {
                    recover: true,
                    ..KERNEL
                },
            );
            let sockets = Sockets::of(&node);
            router.wait("established", is_up).await;
            let status = sockets
                .wait_for("show status", "Waiting for 1 protocols")
                .await;
            assert!(
                status.contains("\n0024-Graceful restart recovery in progress\n"),
                "{status}"
            );
            let other = sockets.ask(Family::Ipv6Unicast, "show status").await;
            assert!(!other.contains("0024"), "it waits for nobody: {other}");
            node.change(&(cluster("") + &router.peer("tor", EXTERNAL, "")));
            sockets
                .wait("show status", |status| !status.contains("0024"))
                .await;
            node.end().await;
        },
    );
}

/// Promise 12.5.
#[test]
fn a_node_that_ends_says_so() {
    scene::run("control::a_node_that_ends_says_so", async {
        // A peer that does not close its end: the goodbye takes a while.
        let silent = TcpListener::bind((ROUTER, 0)).await.expect("a port");
        let port = silent.local_addr().expect("its address").port();
        let spec = format!("peerIP: '{ROUTER}:{port}', asNumber: {EXTERNAL}");
        let resources = cluster("") + &object("BGPPeer", "tor", &spec);
        let node = Node::start(&resources, Start::default());
        let sockets = Sockets::of(&node);
        let (mut held, _) = silent.accept().await.expect("the node dials");
        held.read_u8().await.expect("it opens the session");
        node.stop.cancel();
        tokio::task::yield_now().await;
        let status = sockets.ask_ipv4("show status").await;
        assert!(status.contains("1011-Router ID is 192.0.2.1\n"), "{status}");
        assert!(status.ends_with("0013 Shutdown in progress\n"), "{status}");
        drop(held);
        node.end().await;
    });
}

/// Promises 12.6, 15.3.
#[test]
fn routes_lead_by_the_gateways_that_the_kernel_uses() {
    let name = "control::routes_lead_by_the_gateways_that_the_kernel_uses";
    scene::run(name, async {
        surroundings();
        // In the way of what BGP brings with LOCAL_PREF 100.
        ip("route add blackhole 10.7.2.0/24 metric 2147483547");
        let router = Router::start(NODE_AS).await;
        let resources = cluster("") + &router.peer("tor", NODE_AS, "");
        let node = Node::start(&resources, KERNEL);
        let sockets = Sockets::of(&node);
        let rows = [
            ("10.7.0.0/24", "203.0.113.9", "198.51.100.254", "* (100/?)"),
            ("10.7.1.0/24", "198.51.100.9", "198.51.100.9", "* (100/0)"),
            ("10.7.2.0/24", "198.51.100.9", "198.51.100.9", "! (100/0)"),
        ]
        .map(|(prefix, next_hop, gateway, end)| {
            let source = format!("[{} T from 192.0.2.2]", router.session());
            let row = format!("{prefix} via {gateway} on d0 {source} {end} [i]");
            (prefix, next_hop, row)
        });
        for (prefix, next_hop, _) in &rows {
            router.announce(prefix, next_hop).await;
        }
        sockets.wait_for("show route 10.7.2.0/24", "] ! (").await;
        for (prefix, _, row) in &rows {
            let found = sockets.rows(&format!("show route {prefix}")).await;
            assert_eq!(found[0], *row);
        }
        let block = format!("{BLOCK} blackhole [static1 T] * (200)");
        let mut in_kernel = sockets.rows("show route export kernel1").await;
        in_kernel.sort();
        assert_eq!(in_kernel, [block, rows[0].2.clone(), rows[1].2.clone()]);
        for (name, counts) in [
            ("kernel1", "2 imported, 3 exported, 1 preferred"),
            ("static1", "1 imported, 0 exported, 1 preferred"),
            ("direct1", "2 imported, 0 exported, 2 preferred"),
        ] {
            let command = format!("show protocols all {name}");
            let reply = sockets.ask_ipv4(&command).await;
            assert!(reply.contains(counts), "{reply}");
        }
        node.end().await;
    });
}

/// Promise 12.6.
#[test]
fn routes_of_the_kernel_lead_where_the_kernel_says() {
    let name = "control::routes_of_the_kernel_lead_where_the_kernel_says";
    scene::run(name, async {
        surroundings();
        for command in [
            "route add unreachable 10.8.0.0/16",
            "route add 10.8.1.0/24 nexthop via 198.51.100.2 nexthop via 198.51.100.3",
            "link add cali1 type veth peer name pod1",
            "link set cali1 up",
            "link set pod1 up",
            "route add 10.1.5.7/32 dev cali1",
        ] {
            ip(command);
        }
        let node = Node::start(&cluster(""), KERNEL);
        let sockets = Sockets::of(&node);
        let of = |end: &str, rows: &[&str]| -> Vec<String> {
            rows.iter().map(|row| format!("{row} {end}")).collect()
        };
        let two = [
            "10.8.1.0/24 via 198.51.100.2 on d0",
            "via 198.51.100.3 on d0",
        ];
        let (kernel, own) = ("[kernel1 T] * (10)", "[static1 T] * (200)");
        for (prefix, rows) in [
            ("10.8.0.0/16", of(kernel, &["10.8.0.0/16 unreachable"])),
            ("10.8.1.0/24", of(kernel, &two)),
            ("10.1.5.7/32", of(kernel, &["10.1.5.7/32 dev cali1"])),
            (BLOCK, of(own, &["10.1.5.0/26 blackhole"])),
        ] {
            let command = format!("show route {prefix}");
            sockets
                .wait(&command, |reply| reply.starts_with("1007"))
                .await;
            assert_eq!(sockets.rows(&command).await, rows);
        }
        node.end().await;
    });
}

/// Promise 12.6.
#[test]
fn what_is_exported_leads_where_the_route_leads() {
    scene::run(
        "control::what_is_exported_leads_where_the_route_leads",
        async {
            let router = Router::start(EXTERNAL).await;
            let tor = router.session();
            let services = ", serviceClusterIPs: [{cidr: 10.1.0.0/16}]";
            let resources = cluster(services) + &router.peer("tor", EXTERNAL, "");
            let node = Node::start(&resources, Start::default());
            let sockets = Sockets::of(&node);
            router.wait_routes(&["10.1.0.0/16", BLOCK]).await;
            let block = format!("{BLOCK} blackhole [static1 T] * (200)");
            let wide = "10.1.0.0/16 blackhole [static1 T] * (200)".to_owned();
            let mut all = sockets.rows(&format!("show route export {tor}")).await;
            all.sort();
            assert_eq!(all, [wide.clone(), block.clone()]);
            let longest = format!("show route for 10.1.5.7 export {tor}");
            assert_eq!(sockets.rows(&longest).await, std::slice::from_ref(&block));
            let shorter = format!("show route for 10.1.6.7 export {tor}");
            assert_eq!(sockets.rows(&shorter).await, [wide]);
            let details = sockets
                .rows(&format!("show route {BLOCK} all export {tor}"))
                .await;
            let expected = [
                &block,
                "Type: static unicast univ",
                "BGP.origin: IGP",
                "BGP.as_path: 64512",
                &format!("BGP.next_hop: {NODE}"),
            ];
            assert_eq!(details, expected);
            assert_eq!(
                sockets.ask_ipv4("show route export kernel1").await,
                "0000 \n"
            );
            node.end().await;
        },
    );
}

/// Promise 12.4.
#[test]
fn a_neighbour_that_restarts_is_shown_as_such() {
    scene::run(
        "control::a_neighbour_that_restarts_is_shown_as_such",
        async {
            // The runtime ends, so there is no goodbye.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime");
            let router = runtime
                .spawn(Router::start(EXTERNAL))
                .await
                .expect("a router");
            let resources = cluster("") + &router.peer("tor", EXTERNAL, "");
            let node = Node::start(&resources, Start::default());
            let sockets = Sockets::of(&node);
            let question = format!("show protocols all {}", router.session());
            router.wait("established", is_up).await;
            router.announce("10.7.0.0/24", "192.0.2.2").await;
            sockets.wait_for("show route", "10.7.0.0/24").await;
            let active = "Neighbor graceful restart active";
            assert!(!sockets.ask_ipv4(&question).await.contains(active));
            runtime.shutdown_background();
            sockets.wait_for(&question, active).await;
            node.end().await;
        },
    );
}
