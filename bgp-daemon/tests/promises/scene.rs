//! A node and a router next to it, joined by real TCP in a network namespace: the agent gets its resources from the test, and the
//! router has what the node announced.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bgp_core::policy::Policy;
use bgp_core::rib::Route;
use bgp_core::session::config::GracefulRestart;
use bgp_core::types::{Asn, Family, RouterId};
use bgp_daemon::agent::{self, AgentConfig, AgentError, Views};
use bgp_daemon::control::command::Query;
use bgp_daemon::control::request::{Answer, Request};
use bgp_daemon::datastore::Snapshot;
use bgp_daemon::log::LogLevel;
use bgp_daemon::occupant::Occupants;
use bgp_daemon::plan::{Environment, OnStop};
use bgp_daemon::resources::{ResourceSet, parse};
use bgp_speaker::sockopt::Ttl;
use bgp_speaker::tasks::Tasks;
use bgp_speaker::{NeighbourStatus, PeerSpec, Speaker, SpeakerConfig};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::netns;

/// Only there so that a broken test ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what is waited for.
pub(crate) const LOOK: Duration = Duration::from_millis(10);

pub(crate) const NODE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const NODE_AS: Asn = Asn(64512);
const NAME: &str = "node";

/// Runs a test where the addresses of both are at hand. Next hops on 127.0.0.0/8 would be refused.
pub(crate) fn run(name: &str, body: impl Future<Output = ()>) {
    netns::run(name, async {
        netns::ip(&format!("addr add {NODE}/24 dev lo"));
        body.await;
    });
}

/// A router that waits for the node. It is named by the port on which it waits.
pub(crate) struct Router {
    pub(crate) speaker: Speaker,
    pub(crate) port: u16,
}

impl Router {
    pub(crate) async fn start(asn: Asn) -> Self {
        let speaker = Speaker::start(SpeakerConfig::new(asn, RouterId(ROUTER)), None);
        let bound = speaker.listen(vec![SocketAddr::from((ROUTER, 0))]).await;
        let port = bound.expect("a port")[0].port();
        speaker
            .configure_peer(NAME, peer(asn))
            .await
            .expect("it runs");
        Self { speaker, port }
    }

    /// A BGPPeer of that name, which leads here.
    pub(crate) fn peer(&self, name: &str, asn: Asn, more: &str) -> String {
        let spec = format!("peerIP: '{ROUTER}:{}', asNumber: {asn}{more}", self.port);
        object("BGPPeer", name, &spec)
    }

    pub(crate) async fn status(&self) -> NeighbourStatus {
        let sessions = self.speaker.inquirer().sessions().await;
        sessions.get(NAME).cloned().expect("the peer is configured")
    }

    /// Waits until the session is as it is wanted.
    pub(crate) async fn wait(
        &self,
        what: &str,
        wanted: impl Fn(&NeighbourStatus) -> bool,
    ) -> NeighbourStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.status().await;
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < end, "never {what}: {status:?}");
            sleep(LOOK).await;
        }
    }

    /// Waits until the node announces exactly these prefixes.
    pub(crate) async fn wait_routes(&self, wanted: &[&str]) -> Vec<Route> {
        let end = Instant::now() + PATIENCE;
        loop {
            let look = |rib: &bgp_core::rib::Rib| rib.routes(Family::Ipv4Unicast, 0, 1000).0;
            let routes = self.speaker.routes().look(look).await.expect("it runs");
            let prefixes: Vec<String> = routes
                .iter()
                .map(|route| route.prefix.to_string())
                .collect();
            if prefixes == wanted {
                return routes;
            }
            assert!(
                Instant::now() < end,
                "{wanted:?} are not announced, but {prefixes:?}"
            );
            sleep(LOOK).await;
        }
    }
}

/// The node.
pub(crate) struct Node {
    snapshots: watch::Sender<Snapshot>,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) stop: CancellationToken,
    task: JoinHandle<Result<(), AgentError>>,
}

/// How a node starts.
#[derive(Clone, Copy, Default)]
pub(crate) struct Start {
    /// Listen where the resources say, and not on any free port.
    pub(crate) listen: bool,
    /// As after a restart.
    pub(crate) recover: bool,
    /// With the routes of the kernel.
    pub(crate) kernel: bool,
    /// How sessions end at a stop, if it differs from the resources.
    pub(crate) on_stop: Option<OnStop>,
}

impl Node {
    /// Starts with these resources, beside a Node and a mesh that is off.
    pub(crate) fn start(resources: &str, how: Start) -> Self {
        let (snapshots, receiver) = watch::channel(snapshot(resources));
        let (requests, inbox) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let config = AgentConfig {
            node: NAME.into(),
            environment: Environment {
                endpoint_status_prefix: "/nonexistent".into(),
                ..Environment::default()
            },
            listen_port: (!how.listen).then_some(0),
            kernel: how.kernel,
            recover: how.recover,
            peers_file: None,
            take_over: None,
            on_stop: how.on_stop,
            drain_after: Duration::from_secs(60),
            discovery: None,
            memory_limit: None,
            occupants: Occupants::default(),
            log: LogLevel::default(),
            views: Views::new(NAME),
        };
        let task = tokio::spawn(agent::run(
            config,
            receiver,
            inbox,
            stop.clone(),
            Tasks::default(),
        ));
        Self {
            snapshots,
            requests,
            stop,
            task,
        }
    }

    /// Other resources take the place of those that were there.
    pub(crate) fn change(&self, resources: &str) {
        self.snapshots.send_replace(snapshot(resources));
    }

    /// Waits until an object is left out.
    pub(crate) async fn wait_problem(&self, object: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let (reply, answer) = oneshot::channel();
            let request = Request {
                family: Family::Ipv4Unicast,
                query: Query::Snapshot,
                reply,
            };
            self.requests.send(request).await.expect("it runs");
            let Ok(Answer::Snapshot(snapshot)) = answer.await else {
                panic!("no snapshot");
            };
            if snapshot
                .problems
                .iter()
                .any(|problem| problem.object == object)
            {
                return;
            }
            assert!(
                Instant::now() < end,
                "{object} is no problem: {:?}",
                snapshot.problems
            );
            sleep(LOOK).await;
        }
    }

    pub(crate) fn snapshots(&self) -> watch::Receiver<Snapshot> {
        self.snapshots.subscribe()
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("no panic").expect("no failure");
    }
}

/// A document.
pub(crate) fn object(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: projectcalico.org/v3, kind: {kind}, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n"
    )
}

/// What every scene begins with; `more` goes into the BGPConfiguration.
pub(crate) fn cluster(more: &str) -> String {
    object("Node", NAME, &format!("bgp: {{ipv4Address: {NODE}/24}}"))
        + &object(
            "BGPConfiguration",
            "default",
            &format!("nodeToNodeMeshEnabled: false, bindMode: NodeIP{more}"),
        )
        + &object("IPPool", "pool", "cidr: 10.1.0.0/16")
        + &object(
            "BlockAffinity",
            "block",
            "cidr: 10.1.5.0/26, node: node, state: confirmed",
        )
}

fn snapshot(resources: &str) -> Snapshot {
    let parsed = parse("scene.yaml", resources);
    let mut loaded = ResourceSet::from_documents(parsed.documents);
    loaded.problems.extend(parsed.problems);
    Arc::new(loaded)
}

/// The node, as a router sees it.
fn peer(asn: Asn) -> PeerSpec {
    let accept = Arc::new(Policy::ACCEPT);
    let second = Duration::from_secs(1);
    let mut peer = PeerSpec::new(SocketAddr::from((NODE, 179)), NODE_AS);
    peer.local_as = Some(asn);
    peer.source = Some(ROUTER.into());
    peer.ttl = Ttl::Hops(64);
    peer.passive = true;
    peer.hold_time = 240 * second;
    peer.connect_retry_time = second;
    peer.idle_hold = (second, second);
    peer.graceful_restart = Some(GracefulRestart::new(120));
    peer.with_policies(Arc::clone(&accept), accept)
}
