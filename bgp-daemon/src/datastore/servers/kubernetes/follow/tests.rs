use std::collections::VecDeque;

use http::{Request as HttpRequest, Response};
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tokio::sync::mpsc;
use tower_test::mock::{self, Handle};

use super::*;
use crate::datastore::servers::kubernetes::client::Group;
use crate::resources::ObjectKey;

type Server = Handle<HttpRequest<Body>, Response<Body>>;

/// A follower of a part, and the server that it asks.
struct Scene {
    server: Server,
    updates: mpsc::Receiver<(Part, Update)>,
    asked: VecDeque<String>,
}

impl Scene {
    fn of(kind: Kind) -> Self {
        Self::of_part(Part::Kind(kind), false)
    }

    fn of_part(part: Part, standalone: bool) -> Self {
        let (service, server) = mock::pair::<HttpRequest<Body>, Response<Body>>();
        let client = Client::new(service, "default");
        let server_of = Kubernetes::with_client(client, "https://api".into(), Some(Group::Crd));
        let view = Arc::new(NodeView {
            server: server_of,
            node: "a".into(),
            standalone,
        });
        let (sender, updates) = mpsc::channel(16);
        tokio::spawn(view.follow(part.clone(), Reporter::new(part, sender)));
        Self {
            server,
            updates,
            asked: VecDeque::new(),
        }
    }

    /// Answers the next request.
    async fn answer(&mut self, status: u16, body: String) {
        let (request, respond) = self.server.next_request().await.expect("a request");
        self.asked.push_back(request.uri().to_string());
        let response = Response::builder().status(status);
        respond.send_response(response.body(Body::from(body.into_bytes())).expect("one"));
    }

    async fn answer_list(&mut self, version: &str, next: &str, items: &[Value]) {
        let list = json!({
            "metadata": {"resourceVersion": version, "continue": next}, "items": items,
        });
        self.answer(200, list.to_string()).await;
    }

    /// Answers a watch with these events, and ends it.
    async fn answer_watch(&mut self, events: &[(&str, Value)]) {
        let lines = events.iter();
        let lines =
            lines.map(|(what, object)| json!({"type": what, "object": object}).to_string() + "\n");
        self.answer(200, lines.collect()).await;
    }

    async fn answer_error(&mut self, code: u16, message: &str) {
        self.answer(code, failure(code, message).to_string()).await;
    }

    async fn next(&mut self) -> Update {
        self.updates.recv().await.expect("the follower goes on").1
    }

    fn last_asked(&mut self) -> String {
        self.asked.drain(..).next_back().expect("a request")
    }
}

/// Promise 20.2.
#[tokio::test(start_paused = true)]
async fn a_kind_of_our_own_is_asked_for_once_it_is_served_beside_calico() {
    let mut scene = Scene::of_part(Part::Own(Kind::BgpPeer), false);
    scene.answer_error(404, "page not found").await;
    assert_eq!(scene.last_asked(), "/apis/bgp-daemon.io/v1alpha1");
    assert_eq!(scene.next().await, Update::Listed(Vec::new()));
    let served = |names: &[&str]| {
        let resource = |name: &&str| json!({"name": name, "singularName": "", "namespaced": false, "kind": "x", "verbs": []});
        let resources: Vec<_> = names.iter().map(resource).collect();
        json!({"groupVersion": "bgp-daemon.io/v1alpha1", "resources": resources}).to_string()
    };
    scene.answer(200, served(&["speakerstatuses"])).await;
    assert_eq!(scene.next().await, Update::Listed(Vec::new()));
    scene
        .answer(200, served(&["speakerstatuses", "bgppeers"]))
        .await;
    scene.answer_list("7", "", &[peer("a", "1")]).await;
    assert_eq!(
        scene.last_asked(),
        "/apis/bgp-daemon.io/v1alpha1/bgppeers?&limit=500"
    );
    assert_eq!(scene.next().await, Update::Listed(vec![peer("a", "1")]));
}

/// Promises 20.1, 20.2.
#[tokio::test(start_paused = true)]
async fn without_calico_nodes_keep_their_addresses_and_kinds_of_our_own_are_awaited() {
    let mut scene = Scene::of_part(Part::Own(Kind::BgpPeer), true);
    scene.answer_error(404, "page not found").await;
    assert_eq!(
        scene.last_asked(),
        "/apis/bgp-daemon.io/v1alpha1/bgppeers?&limit=500"
    );
    assert_eq!(scene.next().await, Update::Unserved { settled: false });
    for (standalone, status) in [(false, Value::Null), (true, json!({"addresses": [1]}))] {
        let mut scene = Scene::of_part(Part::Kind(Kind::KubernetesNode), standalone);
        let node = json!({"metadata": {"name": "a"}, "status": {"addresses": [1], "images": [2]}});
        scene.answer_list("7", "", &[node]).await;
        let Update::Listed(nodes) = scene.next().await else {
            panic!("not listed")
        };
        assert_eq!(nodes[0]["status"], status);
    }
}

fn failure(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
           "message": message, "reason": "Test", "code": code})
}

fn peer(name: &str, version: &str) -> Value {
    json!({"metadata": {"name": name, "resourceVersion": version}, "spec": {}})
}

fn gone(name: &str) -> Update {
    Update::Gone(ObjectKey::cluster(Kind::BgpPeer, name))
}

/// Promise 18.2.
#[tokio::test(start_paused = true)]
async fn pages_make_one_list_and_a_watch_goes_on_from_it() {
    let mut scene = Scene::of(Kind::BgpPeer);
    scene.answer_list("7", "more", &[peer("a", "1")]).await;
    assert_eq!(
        scene.last_asked(),
        "/apis/crd.projectcalico.org/v1/bgppeers?&limit=500"
    );
    scene.answer_list("7", "", &[peer("b", "2")]).await;
    assert!(scene.last_asked().ends_with("&continue=more"));
    assert_eq!(
        scene.next().await,
        Update::Listed(vec![peer("a", "1"), peer("b", "2")])
    );
    let bookmark =
        json!({"kind": "BGPPeer", "apiVersion": "v1", "metadata": {"resourceVersion": "11"}});
    scene
        .answer_watch(&[
            ("ADDED", peer("c", "8")),
            ("MODIFIED", peer("a", "9")),
            ("DELETED", peer("b", "10")),
            ("BOOKMARK", bookmark),
        ])
        .await;
    assert!(scene.last_asked().contains("resourceVersion=7"));
    assert_eq!(scene.next().await, Update::Well);
    assert_eq!(scene.next().await, Update::Put(peer("c", "8")));
    assert_eq!(scene.next().await, Update::Put(peer("a", "9")));
    assert_eq!(scene.next().await, gone("b"));
    scene.answer_watch(&[]).await;
    assert!(scene.last_asked().contains("resourceVersion=11"));
}

/// Promise 18.2.
#[tokio::test(start_paused = true)]
async fn a_version_that_is_too_old_leads_to_a_new_list() {
    let mut scene = Scene::of(Kind::BgpPeer);
    scene.answer_list("7", "", &[peer("a", "1")]).await;
    scene.next().await;
    scene
        .answer_watch(&[("ERROR", failure(410, "too old resource version"))])
        .await;
    assert_eq!(scene.next().await, Update::Well);
    scene.answer_list("20", "", &[]).await;
    assert_eq!(scene.next().await, Update::Listed(Vec::new()));
    scene.answer_error(410, "too old resource version").await;
    scene.answer_list("30", "", &[]).await;
    assert_eq!(scene.next().await, Update::Listed(Vec::new()));
}

/// Promise 18.2.
#[tokio::test(start_paused = true)]
async fn five_failures_lead_to_a_new_list() {
    let mut scene = Scene::of(Kind::BgpPeer);
    scene.answer_list("7", "", &[]).await;
    scene.next().await;
    for _ in 0..FAILURES {
        scene.answer_error(500, "etcd is away").await;
        assert_eq!(scene.next().await, Update::Failed("etcd is away".into()));
        assert!(scene.last_asked().contains("watch=true"));
    }
    scene.answer_list("8", "", &[]).await;
    assert_eq!(scene.next().await, Update::Listed(Vec::new()));
}

/// Promise 18.3.
#[tokio::test(start_paused = true)]
async fn a_watch_that_goes_on_after_a_failure_says_so() {
    let mut scene = Scene::of(Kind::BgpPeer);
    scene.answer_error(503, "starting").await;
    assert_eq!(scene.next().await, Update::Failed("starting".into()));
    scene.answer_list("7", "", &[]).await;
    scene.next().await;
    scene.answer_error(500, "etcd is away").await;
    assert!(matches!(scene.next().await, Update::Failed(_)));
    scene.answer_watch(&[]).await;
    assert!(scene.last_asked().contains("resourceVersion=7"));
    assert_eq!(scene.next().await, Update::Well);
}

/// Promise 18.2.
#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_served_is_waited_for_and_then_has_no_objects() {
    let mut scene = Scene::of(Kind::BgpFilter);
    let began = Instant::now();
    loop {
        scene.answer(404, "404 page not found\n".into()).await;
        let settled = began.elapsed() >= UNSERVED;
        assert_eq!(scene.next().await, Update::Unserved { settled });
        if settled {
            break;
        }
    }
    assert!(began.elapsed() < UNSERVED + RETRY * 2);
    let object = json!({"metadata": {"name": "f"}, "spec": {}});
    scene
        .answer_list("7", "", std::slice::from_ref(&object))
        .await;
    assert_eq!(scene.next().await, Update::Listed(vec![object]));
}

/// Promise 18.3.
#[tokio::test(start_paused = true)]
async fn a_kind_that_is_no_longer_served_keeps_its_objects() {
    let mut scene = Scene::of(Kind::BgpPeer);
    scene.answer_list("7", "", &[peer("a", "1")]).await;
    scene.next().await;
    scene.answer_error(410, "too old resource version").await;
    scene.answer_error(404, "not found").await;
    assert_eq!(scene.next().await, Update::Failed("not found".into()));
    scene.answer_list("8", "", &[]).await;
    assert_eq!(scene.next().await, Update::Listed(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn only_blocks_of_this_node_are_kept() {
    let block = |name: &str, node: &str| json!({"metadata": {"name": name, "resourceVersion": "8"}, "spec": {"node": node}});
    let mut scene = Scene::of(Kind::BlockAffinity);
    let mine = block("1", "a");
    scene
        .answer_list("7", "", &[mine.clone(), block("2", "b")])
        .await;
    assert_eq!(scene.next().await, Update::Listed(vec![mine]));
    scene.answer_watch(&[("MODIFIED", block("1", "b"))]).await;
    assert_eq!(scene.next().await, Update::Well);
    let key = ObjectKey::cluster(Kind::BlockAffinity, "1");
    assert_eq!(scene.next().await, Update::Gone(key));
}

#[tokio::test(start_paused = true)]
async fn most_of_a_node_is_not_kept() {
    let mut scene = Scene::of(Kind::KubernetesNode);
    let node = json!({
        "metadata": {"name": "a", "labels": {"rack": "1"}, "managedFields": [{}]},
        "spec": {"podCIDRs": ["10.0.0.0/24"]}, "status": {"images": [{}]},
    });
    scene.answer_list("7", "", &[node]).await;
    let lean = json!({
        "metadata": {"name": "a", "labels": {"rack": "1"}}, "spec": {"podCIDRs": ["10.0.0.0/24"]},
    });
    assert_eq!(scene.next().await, Update::Listed(vec![lean]));
}
