//! CalicoNodeStatus of a running agent, written to memory.

use std::time::Duration;

use bgp_core::types::Asn;
use bgp_daemon::agent::node_status::{NodeStatus, StatusSink, report};
use bgp_daemon::datastore::folder;
use bgp_daemon::resources::ResourceSet;
use bgp_speaker::tasks::Tasks;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::scene::{self, Node, PATIENCE, Router, Start, cluster, object};

/// Hands on what it is given; refuses the first `failures` times.
struct Memory {
    failures: usize,
    written: mpsc::Sender<(String, Value)>,
}

impl StatusSink for Memory {
    async fn write(&mut self, name: &str, status: &NodeStatus) -> anyhow::Result<()> {
        if self.failures > 0 {
            self.failures -= 1;
            anyhow::bail!("not now");
        }
        let status = serde_json::to_value(status)?;
        self.written.send((name.to_owned(), status)).await?;
        Ok(())
    }
}

fn wish(name: &str, node: &str, classes: &str) -> String {
    object(
        "CalicoNodeStatus",
        name,
        &format!("node: {node}, classes: [{classes}], updatePeriodSeconds: 1"),
    )
}

fn start(node: &Node, failures: usize) -> mpsc::Receiver<(String, Value)> {
    let (written, receiver) = mpsc::channel(16);
    let sink = Memory { failures, written };
    let task = report(
        "node".into(),
        node.snapshots(),
        node.requests.clone(),
        sink,
        node.stop.clone(),
    );
    tokio::spawn(task);
    receiver
}

async fn next(written: &mut mpsc::Receiver<(String, Value)>) -> (String, Value) {
    let next = timeout(PATIENCE, written.recv()).await;
    next.expect("in time").expect("the task lives")
}

/// Promise 15.1.
#[test]
fn the_objects_of_this_node_follow_the_speaker() {
    scene::run(
        "status::the_objects_of_this_node_follow_the_speaker",
        async {
            let router = Router::start(Asn(65001)).await;
            let resources = cluster("")
                + &router.peer("tor", Asn(65001), "")
                + &wish("mine", "node", "Agent, BGP, Routes")
                + &wish("anothers", "node2", "BGP");
            let node = Node::start(&resources, Start::default());
            router.wait_routes(&["10.1.5.0/26"]).await;
            let mut written = start(&node, 0);
            let (name, status) = next(&mut written).await;
            assert_eq!(name, "mine");
            assert_eq!(status["agent"]["birdV4"]["state"], "Ready");
            assert_eq!(status["agent"]["birdV6"]["routerID"], "192.0.2.1");
            assert_eq!(status["bgp"]["numberEstablishedV4"], 1);
            let peer = &status["bgp"]["peersV4"][0];
            assert_eq!(peer["peerIP"], "192.0.2.2", "without the port");
            assert_eq!(
                (&peer["type"], &peer["state"]),
                (&json!("GlobalPeer"), &json!("Established"))
            );
            let route = json!({
                "type": "FIB", "destination": "10.1.5.0/26", "gateway": "N/A", "interface": "blackhole",
                "learnedFrom": {"sourceType": "Static"},
            });
            assert_eq!(status["routes"]["routesV4"], json!([route]));

            node.change(&(cluster("") + &wish("mine", "node", "BGP")));
            let (_, status) = next(&mut written).await;
            assert_eq!(status["agent"], Value::Null, "no longer asked for");
            assert_eq!(status["bgp"]["peersV4"], json!([]));
            node.end().await;
        },
    );
}

/// Promises 15.1, 15.5.
#[test]
fn a_datastore_that_refuses_is_asked_again_and_unchanged_is_not_written_again() {
    scene::run(
        "status::a_datastore_that_refuses_is_asked_again_and_unchanged_is_not_written_again",
        async {
            let node = Node::start(
                &(cluster("") + &wish("mine", "node", "Agent")),
                Start::default(),
            );
            let mut written = start(&node, 1);
            next(&mut written).await;
            // Two periods: what is waited for is that nothing comes.
            assert!(
                timeout(Duration::from_millis(2500), written.recv())
                    .await
                    .is_err()
            );
            node.end().await;
        },
    );
}

/// Promise 15.4.
#[tokio::test]
async fn without_a_speaker_nothing_is_ready() {
    let (requests, inbox) = mpsc::channel(1);
    drop(inbox);
    let node = Node::start(
        &(cluster("") + &wish("mine", "node", "Agent, BGP")),
        Start::default(),
    );
    let (sender, mut written) = mpsc::channel(1);
    let sink = Memory {
        failures: 0,
        written: sender,
    };
    tokio::spawn(report(
        "node".into(),
        node.snapshots(),
        requests,
        sink,
        CancellationToken::new(),
    ));
    let (_, status) = next(&mut written).await;
    assert_eq!(status["agent"]["birdV4"]["state"], "NotReady");
    assert_eq!(status["bgp"]["numberEstablishedV4"], 0);
    node.end().await;
}

fn document(peer: &str, status: &str) -> String {
    wish("mine", "node", "Agent").replace("}}\n", &format!("}}{status}}}\n"))
        + &object("BGPPeer", peer, "peerIP: 192.0.2.9, asNumber: 65001")
}

/// Promise 15.6.
#[tokio::test]
async fn a_status_in_the_datastore_is_no_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cluster.yaml");
    std::fs::write(&file, document("a", "")).expect("a file");
    let mut receiver = folder::watch(folder.path(), &Tasks::default())
        .await
        .expect("a folder");
    let before = receiver.borrow_and_update().clone();
    assert_eq!(before.problems, []);
    let status = ", status: {lastUpdated: '2024-05-01T00:00:00Z', agent: {birdV4: {state: Ready}}}";
    std::fs::write(&file, document("a", status)).expect("a file");
    let read = ResourceSet::load(&[folder.path().to_owned()]);
    assert_eq!(*before, read, "it means the same");
    std::fs::write(&file, document("b", status)).expect("a file");
    timeout(PATIENCE, receiver.changed())
        .await
        .expect("in time")
        .expect("alive");
    let first = receiver.borrow().clone();
    assert!(
        first.set.bgp_peer("b").is_some(),
        "the first thing that is sent"
    );
}
