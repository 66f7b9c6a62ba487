use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::*;

/// Lists what it was given; what it was not given fails.
#[derive(Default)]
struct Fake {
    parts: Mutex<BTreeMap<String, Vec<Value>>>,
    reporters: Mutex<BTreeMap<String, Reporter>>,
}

impl Fake {
    fn with(parts: &[(&str, Vec<Value>)]) -> Arc<Self> {
        let parts = parts.iter().cloned();
        Arc::new(Self {
            parts: Mutex::new(parts.map(|(part, all)| (part.to_owned(), all)).collect()),
            reporters: Mutex::default(),
        })
    }

    fn reporter(&self, part: &str) -> Option<Reporter> {
        self.reporters.lock().expect("no panic").get(part).cloned()
    }
}

impl Origin for Fake {
    fn follow(self: Arc<Self>, part: Part, reporter: Reporter) -> Following {
        Box::pin(async move {
            let name = part.to_string();
            let listed = self.parts.lock().expect("no panic").get(&name).cloned();
            let update = match listed {
                Some(objects) => Update::Listed(objects),
                None => Update::Failed("no route to host".into()),
            };
            let told = reporter.clone();
            self.reporters.lock().expect("no panic").insert(name, told);
            reporter.tell(update).await;
            std::future::pending().await
        })
    }
}

const USUAL: [&str; 10] = [
    "bgpconfigurations",
    "bgppeers",
    "bgpfilters",
    "ippools",
    "caliconodestatuses",
    "nodes",
    "blockaffinities",
    "bgpconfigurations.bgp-daemon.io",
    "bgppeers.bgp-daemon.io",
    "bgpfilters.bgp-daemon.io",
];

/// A server that has all that it must have, and what is given beside.
fn server(given: &[(&str, Vec<Value>)]) -> Arc<Fake> {
    let mut parts: Vec<_> = USUAL.iter().map(|part| (*part, Vec::new())).collect();
    parts.extend_from_slice(given);
    Fake::with(&parts)
}

fn origins(server: &Arc<Fake>) -> Origins {
    Origins {
        calico: server.clone(),
        nodes: Kind::KubernetesNode,
        own_kinds: true,
        kubernetes: Ok(server.clone()),
    }
}

fn interest() -> Interest {
    Interest {
        node: "a".into(),
        namespace: "kube-system".into(),
        standalone: false,
        use_pod_cidr: false,
        services: false,
    }
}

fn peer(name: &str, secret: Option<&str>) -> Value {
    let mut peer =
        json!({"metadata": {"name": name}, "spec": {"peerIP": "192.0.2.1", "asNumber": 65001}});
    if let Some(secret) = secret {
        peer["spec"]["password"] = json!({"secretKeyRef": {"name": secret, "key": "password"}});
    }
    peer
}

fn secret(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "kube-system"}, "data": {"password": "eA=="}})
}

/// Promise 18.4.
#[tokio::test(start_paused = true)]
async fn a_peer_with_a_password_is_not_seen_without_it() {
    let server = server(&[
        ("bgppeers", vec![peer("tor", Some("bgp"))]),
        ("Secret/kube-system/bgp", vec![secret("bgp")]),
        ("Secret/kube-system/late", vec![secret("late")]),
    ]);
    let mut snapshots = watch(origins(&server), None, interest(), &Tasks::default()).await;
    let first = snapshots.borrow_and_update().clone();
    assert!(first.set.bgp_peer("tor").is_some());
    assert!(first.set.secret("kube-system", "bgp").is_some());

    let peers = server.reporter("bgppeers").expect("followed");
    peers.tell(Update::Put(peer("late", Some("late")))).await;
    snapshots.changed().await.expect("it goes on");
    let second = snapshots.borrow_and_update().clone();
    assert!(second.set.bgp_peer("late").is_some());
    assert!(second.set.secret("kube-system", "late").is_some());

    let gone = ObjectKey::cluster(Kind::BgpPeer, "late");
    peers.tell(Update::Gone(gone)).await;
    snapshots.changed().await.expect("it goes on");
    let third = snapshots.borrow_and_update().clone();
    assert!(
        third.set.secret("kube-system", "late").is_none(),
        "asked for no more"
    );
}

/// Promise 18.4.
#[tokio::test(start_paused = true)]
async fn a_secret_that_may_not_be_read_holds_nothing_back() {
    let server = server(&[("bgppeers", vec![peer("tor", Some("bgp"))])]);
    let snapshots = watch(origins(&server), None, interest(), &Tasks::default()).await;
    let first = snapshots.borrow().clone();
    assert!(first.set.bgp_peer("tor").is_some());
    let problems: Vec<String> = first.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        ["Secret/kube-system/bgp: cannot be read: no route to host"]
    );
}

/// Promise 18.5.
#[tokio::test(start_paused = true)]
async fn services_are_followed_while_they_are_advertised() {
    let configuration = |spec: Value| json!({"metadata": {"name": "default"}, "spec": spec});
    let service = json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {}});
    let server = server(&[("services", vec![service]), ("endpointslices", Vec::new())]);
    let mut snapshots = watch(origins(&server), None, interest(), &Tasks::default()).await;
    assert!(server.reporter("services").is_none());
    let configurations = server.reporter("bgpconfigurations").expect("followed");
    let advertised = json!({"serviceClusterIPs": [{"cidr": "10.96.0.0/16"}]});
    configurations
        .tell(Update::Put(configuration(advertised)))
        .await;
    snapshots.changed().await.expect("it goes on");
    let with = snapshots.borrow_and_update().clone();
    assert_eq!(with.set.services().count(), 1);
    configurations
        .tell(Update::Put(configuration(json!({}))))
        .await;
    snapshots.changed().await.expect("it goes on");
    let without = snapshots.borrow_and_update().clone();
    assert_eq!(without.set.services().count(), 0);
}

/// Promises 18.4, 20.2.
#[tokio::test(start_paused = true)]
async fn documents_beside_a_server_are_followed_with_their_secrets() {
    let server = Fake::with(&[
        ("nodes", Vec::new()),
        ("bgpconfigurations.bgp-daemon.io", Vec::new()),
        ("bgppeers.bgp-daemon.io", vec![peer("own", None)]),
        ("bgpfilters.bgp-daemon.io", Vec::new()),
        ("Secret/kube-system/bgp", vec![secret("bgp")]),
    ]);
    let interest = Interest {
        standalone: true,
        ..interest()
    };
    let (sender, beside) = watch::channel(Snapshot::default());
    let mut snapshots = watch(origins(&server), Some(beside), interest, &Tasks::default()).await;
    assert!(snapshots.borrow_and_update().set.bgp_peer("own").is_some());
    assert!(
        server.reporter("ippools").is_none(),
        "Calico's is not asked for"
    );
    let text = "{apiVersion: bgp-daemon.io/v1alpha1, kind: BGPPeer, metadata: {name: tor}, \
        spec: {peerIP: 192.0.2.9, asNumber: 1, password: {secretKeyRef: {name: bgp, key: password}}}}";
    let loaded = ResourceSet::from_documents(crate::resources::parse("map.yaml", text).documents);
    sender.send_replace(Arc::new(loaded));
    snapshots.changed().await.expect("it goes on");
    let both = snapshots.borrow_and_update().clone();
    assert_eq!(both.set.bgp_peers().count(), 2);
    assert!(both.set.secret("kube-system", "bgp").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_waited_for() {
    let server = Fake::with(&[]);
    let tasks = Tasks::default();
    let mut waiting = Box::pin(watch(origins(&server), None, interest(), &tasks));
    let hour = Duration::from_secs(3600);
    assert!(timeout(hour, &mut waiting).await.is_err());
    for part in USUAL {
        let reporter = server.reporter(part).expect("followed");
        reporter.tell(Update::Listed(Vec::new())).await;
    }
    assert!(waiting.await.borrow().set.is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_once_is_told_why_it_cannot() {
    let error = load(origins(&Fake::with(&[])), None, interest()).await;
    let text = error.expect_err("nothing is there").to_string();
    assert!(text.ends_with("cannot be read: no route to host"), "{text}");
    let loaded = load(origins(&server(&[])), None, interest()).await;
    assert!(loaded.expect("all is there").set.is_empty());
}

/// Promise 19.9.
#[tokio::test(start_paused = true)]
async fn without_kubernetes_passwords_are_a_problem_and_the_rest_works() {
    let server = server(&[("bgppeers", vec![peer("tor", Some("bgp"))])]);
    let origins = Origins {
        kubernetes: Err("no Kubernetes API is configured".into()),
        ..origins(&server)
    };
    let loaded = load(origins, None, interest())
        .await
        .expect("the rest is there");
    assert!(loaded.set.bgp_peer("tor").is_some());
    assert_eq!(loaded.problems.len(), 1, "{:?}", loaded.problems);
}

#[tokio::test(start_paused = true)]
async fn followers_end_with_the_last_reader() {
    let server = server(&[]);
    let snapshots = watch(origins(&server), None, interest(), &Tasks::default()).await;
    drop(snapshots);
    while Arc::strong_count(&server) > 1 {
        tokio::task::yield_now().await;
    }
}
