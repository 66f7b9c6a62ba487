//! A real Kubernetes API server with Calico's resources.

use std::fs;

use serde_json::{Value, json};

use crate::lab::Lab;
use crate::lab::apiserver::{ApiServer, CRDS, CRDS_V3, RBAC, REQUIREMENTS, User, secret_role};
use crate::lab::wait::{SHORT, wait_for};

const PEERS: &str = "/apis/crd.projectcalico.org/v1/bgppeers";

/// The laboratory checks itself, here and in the other tests of the server alone.
#[test]
fn server_keeps_objects() {
    let Some(lab) = Lab::open(&REQUIREMENTS) else {
        return;
    };
    let server = ApiServer::start(&lab.host("control", 2));
    server.apply(CRDS);
    server.apply(CRDS_V3);
    server.apply(RBAC);
    let one = format!("{PEERS}/tor");
    let created = server.create(&peer("tor"));
    wait_for("the agent's role to work", SHORT, || {
        server.get(User::Agent, &one).code == 200
    });
    assert_eq!(server.get(User::Agent, &one).object, created);
    assert_eq!(server.get(User::Agent, PEERS).object["kind"], "BGPPeerList");
    let twin = "/apis/projectcalico.org/v3/bgppeers";
    assert_eq!(server.get(User::Agent, twin).object["items"], json!([]));

    let mut changed = created;
    changed["spec"] = json!({"peerIP": "10.0.0.2"});
    server.replace(&changed);
    server.patch(&one, &json!({"spec": {"asNumber": 65002}}));
    let spec = &server.get(User::Agent, &one).object["spec"];
    assert_eq!(spec, &json!({"peerIP": "10.0.0.2", "asNumber": 65002}));
    server.delete(&one);
    assert_eq!(server.get(User::Agent, &one).code, 404);

    let kubeconfig = fs::read_to_string(server.kubeconfig(User::Agent)).expect("it was written");
    let kubeconfig: Value = serde_saphyr::from_str(&kubeconfig).expect("it is YAML");
    let cluster = &kubeconfig["clusters"][0]["cluster"];
    assert_eq!(cluster["server"], server.url());
}

#[test]
fn server_allows_the_agent_what_its_roles_say() {
    let Some(lab) = Lab::open(&REQUIREMENTS) else {
        return;
    };
    let server = ApiServer::start(&lab.host("control", 2));
    server.apply(CRDS);
    server.create(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}}));
    for name in ["tor", "other"] {
        let metadata = json!({"name": name, "namespace": "kube-system"});
        server.create(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}));
    }
    let status = json!({"apiVersion": "crd.projectcalico.org/v1", "kind": "CalicoNodeStatus",
        "metadata": {"name": "node1"}, "spec": {"node": "node1"}});
    server.create(&status);
    let code = |path: &str| server.get(User::Agent, path).code;
    let merge = |path: &str, patch: Value| {
        let body = Some(("application/merge-patch+json", &patch));
        let answer = server.ask(User::Agent, "PATCH", path, body);
        answer.unwrap_or_else(|error| panic!("{error}")).code
    };

    assert_eq!(code("/api/v1/nodes/node1"), 403, "before there are roles");
    server.apply(RBAC);
    server.apply(&secret_role("tor"));
    let secrets = "/api/v1/namespaces/kube-system/secrets";
    wait_for("the agent's roles to work", SHORT, || {
        code("/api/v1/nodes/node1") == 200 && code(&format!("{secrets}/tor")) == 200
    });
    assert_eq!(code(&format!("{secrets}/other")), 403);
    assert_eq!(code(secrets), 403);
    let one_by_field = format!("{secrets}?fieldSelector=metadata.name%3Dtor");
    assert_eq!(code(&one_by_field), 200);
    assert_eq!(code("/apis/discovery.k8s.io/v1beta1/endpointslices"), 200);
    assert_eq!(code("/api/v1/endpoints"), 403, "only get is allowed");

    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(merge("/api/v1/nodes/node1", labels.clone()), 403);
    let condition = json!({"status": {"phase": "Running"}});
    assert_eq!(merge("/api/v1/nodes/node1/status", condition), 200);
    let statuses = "/apis/crd.projectcalico.org/v1/caliconodestatuses/node1";
    let read = server.get(User::Agent, statuses).object;
    let update = |path: &str| {
        let body = Some(("application/json", &read));
        let answer = server.ask(User::Agent, "PUT", path, body);
        answer.unwrap_or_else(|error| panic!("{error}")).code
    };
    assert_eq!(update(statuses), 200);
    assert_eq!(update(&format!("{statuses}/status")), 403);
    assert_eq!(merge(statuses, labels), 403, "only update is allowed");
}

#[test]
fn server_forgets_when_told_so() {
    let Some(lab) = Lab::open(&REQUIREMENTS) else {
        return;
    };
    let mut server = ApiServer::start(&lab.host("control", 2));
    server.apply(CRDS);
    let old = server.create(&peer("tor"))["metadata"]["resourceVersion"].clone();
    let old = old.as_str().expect("each object has a version").to_owned();
    server.create(&peer("other"));
    let watch = format!("{PEERS}?watch=true&timeoutSeconds=1&resourceVersion={old}");
    assert_eq!(server.get(User::Admin, &watch).object["type"], "ADDED");

    let page = server.get(User::Admin, &format!("{PEERS}?limit=1")).object;
    let next = &page["metadata"]["continue"];
    let next = next.as_str().expect("there is a second page");
    let next = format!("{PEERS}?limit=1&continue={next}");
    assert_eq!(server.get(User::Admin, &next).code, 200);

    server.patch(
        &format!("{PEERS}/tor"),
        &json!({"spec": {"asNumber": 65002}}),
    );
    server.compact();
    assert_eq!(server.get(User::Admin, &next).code, 410);
    server.kill();
    assert!(server.ask(User::Admin, "GET", PEERS, None).is_err());
    server.restart();
    let answer = server.get(User::Admin, &watch);
    assert_eq!(answer.object["object"]["code"], 410, "{answer:?}");
    let kept = server.get(User::Admin, PEERS).object;
    assert_eq!(kept["items"].as_array().map(Vec::len), Some(2));
}

fn peer(name: &str) -> Value {
    json!({
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "BGPPeer",
        "metadata": {"name": name},
        "spec": {"peerIP": "10.0.0.1", "asNumber": 65001},
    })
}
