//! A cluster without Calico and one beside Calico, installed by Kustomize and by Helm, with a real API server and a real router.

use std::rc::Rc;

use serde_json::json;

use crate::installed::{
    PASSWORD, POD_CIDRS, SERVICE, Scene, announced, deploy, documents, helm, kustomize, problems,
};
use crate::lab::apiserver::{CRDS, User};
use crate::lab::peer::prefix;
use crate::lab::wait::{LONG, SHORT, wait_until};
use crate::scenario::{KERNEL_PROTOCOL, NODE_AS, wait_kernel, wait_learned};
use crate::stage::TOR_PREFIXES;

/// A cluster without Calico, by `kubectl apply -k` and its documents, as objects and in a ConfigMap.
/// Promises 20.1, 20.2, 20.3.
#[test]
fn a_cluster_without_calico_reaches_its_router() {
    let Some(mut scene) = Scene::open() else {
        return;
    };
    let standalone = kustomize("overlays/standalone", &[]);
    scene.install(&standalone);
    scene.apply(&documents(&scene.tor_host));
    scene.raise();
    wait_learned("the router", &*scene.tor, &announced());
    scene.wait_ready(&standalone);
    assert_eq!(problems(&scene.node), Vec::<String>::new());
    assert!(scene.node_host.kernel_routes(KERNEL_PROTOCOL).is_empty());
    assert!(scene.node_host.blackholes(KERNEL_PROTOCOL).is_empty());
    wait_until("the state of the speaker", LONG, || {
        match scene.speaker_status() {
            status if status["established"] == 2 => Ok(()),
            status => Err(status.to_string()),
        }
    });
    let shown = scene.kubectl(&["get", "bgppeers.bgp-daemon.io"], "");
    assert!(shown.contains(&scene.tor_host.ipv4.to_string()), "{shown}");

    // The same name in the ConfigMap does not count, and is a problem; another one counts.
    let again = documents(&scene.tor_host)
        .replace("kind: BGPConfiguration", "kind: BGPFilter")
        .replace("name: default", "name: map")
        .replace(
            &format!("asNumber: {NODE_AS}, serviceExternalIPs: [{{cidr: {SERVICE}}}]"),
            "exportV4: [{action: Reject}]",
        );
    scene.mount(&json!({"data": {"again.yaml": again}}));
    wait_until("the problems", LONG, || match &problems(&scene.node)[..] {
        [one, two] if [one, two].iter().all(|it| it.contains("exists twice")) => Ok(()),
        others => Err(format!("{others:?}")),
    });
    let filter = json!({"spec": {"filters": ["map"]}});
    scene
        .server
        .patch("/apis/bgp-daemon.io/v1alpha1/bgppeers/tor", &filter);
    wait_learned("the router", &*scene.tor, &[prefix(POD_CIDRS[1])]);
    let log = scene.node.log();
    assert!(!log.contains(PASSWORD), "{log}");
}

/// The schemas of the definitions refuse what the documents may not say, and the daemon what no schema can.
/// Promise 20.2.
#[test]
fn the_api_server_checks_the_documents() {
    let Some(scene) = Scene::open() else {
        return;
    };
    scene.apply(&kustomize("crds/standalone", &[]));
    let peers = "/apis/bgp-daemon.io/v1alpha1/bgppeers";
    for (spec, expected) in [
        (json!({"peerIP": "10.0.0.1", "asNumber": 65001}), 201),
        (json!({"peerIP": "10.0.0.1", "asNumber": "1.10"}), 201),
        (
            json!({"peerIP": "[fd00::1]:1790", "keepaliveTime": "1m30s", "reachableBy": "fd00::2"}),
            201,
        ),
        (json!({"peerIP": "nowhere"}), 422),
        (json!({"asNumber": 4_294_967_296_u64}), 422),
        (json!({"asNumber": "many"}), 422),
        (json!({"nextHopMode": "self"}), 422),
        (json!({"password": {"secretKeyRef": {"name": "x"}}}), 422),
    ] {
        let object = json!({"apiVersion": "bgp-daemon.io/v1alpha1", "kind": "BGPPeer", "metadata": {"generateName": "p-"}, "spec": spec});
        let answer = scene.server.ask(
            User::Admin,
            "POST",
            peers,
            Some(("application/json", &object)),
        );
        let answer = answer.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(answer.code, expected, "{object}: {}", answer.object);
    }
    let filters = "/apis/bgp-daemon.io/v1alpha1/bgpfilters";
    for (operations, expected) in [
        (
            json!([{"addCommunity": {"value": "65000:1"}}, {"setPriority": {"value": 5}}]),
            201,
        ),
        (
            json!([{"addCommunity": {"value": "65000:1"}, "setPriority": {"value": 5}}]),
            422,
        ),
        (json!([{}]), 422),
    ] {
        let spec = json!({"importV4": [{"action": "Accept", "operations": operations}]});
        let object = json!({"apiVersion": "bgp-daemon.io/v1alpha1", "kind": "BGPFilter", "metadata": {"generateName": "f-"}, "spec": spec});
        let answer = scene.server.ask(
            User::Admin,
            "POST",
            filters,
            Some(("application/json", &object)),
        );
        let answer = answer.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(answer.code, expected, "{object}: {}", answer.object);
    }
}

/// The chart, with its documents in its values, and with routes in the kernel beside those of a network plugin.
/// Promises 20.1, 20.2.
#[test]
fn the_chart_reaches_the_router() {
    let Some(mut scene) = Scene::open() else {
        return;
    };
    scene.apply(MONITORING);
    let values = json!({
        "documents": {"bgp.yaml": documents(&scene.tor_host)},
        "kernelRoutes": true,
        "podMonitor": {"enabled": true},
        "prometheusRule": {"enabled": true},
        "dashboard": {"enabled": true},
    });
    let chart = helm(&values);
    scene.install(&chart);
    let map = "/api/v1/namespaces/kube-system/configmaps/bgp-daemon-documents";
    scene.mount(&scene.server.get(User::Admin, map).object);
    // The bridge of a network plugin, with its route to the pods of the node.
    for line in [
        "ip link add cni0 type bridge",
        "ip addr add 10.244.1.1/24 dev cni0",
        "ip link set cni0 up",
    ] {
        scene.node_host.ns.run(line);
    }
    let host = Rc::clone(&scene.node_host);
    let plugins = || host.ns.run("ip route show 10.244.1.0/24");
    let before = plugins();
    scene.raise();
    wait_learned("the router", &*scene.tor, &announced());
    wait_kernel(&scene.node_host, &TOR_PREFIXES.map(prefix), &scene.tor_host);
    assert_eq!(plugins(), before);
    assert!(scene.node_host.blackholes(KERNEL_PROTOCOL).is_empty());
    scene.wait_ready(&chart);
    assert_eq!(problems(&scene.node), Vec::<String>::new());
    scene.assert_scraped();
}

/// In a cluster with Calico, whose objects the speaker reads.
#[test]
fn beside_calico_the_speaker_reads_its_objects() {
    let Some(mut scene) = Scene::open() else {
        return;
    };
    scene.server.apply(CRDS);
    scene.apply(MONITORING);
    let beside = kustomize("overlays/beside-calico", &["monitoring"]);
    scene.install(&beside);
    let annotations = json!({
        "projectcalico.org/IPv4Address": format!("{}/24", scene.node_host.ipv4),
        "projectcalico.org/IPv6Address": format!("{}/64", scene.node_host.ipv6),
    });
    scene.server.patch(
        "/api/v1/nodes/node1",
        &json!({"metadata": {"annotations": annotations}}),
    );
    let calicos =
        documents(&scene.tor_host).replace("bgp-daemon.io/v1alpha1", "crd.projectcalico.org/v1");
    scene.apply(&calicos);
    let block = |block: &str| {
        let spec =
            json!({"node": "node1", "cidr": block, "state": "confirmed", "deleted": "false"});
        let name = format!("node1-{}", block.replace(['.', ':', '/'], "-"));
        json!({"apiVersion": "crd.projectcalico.org/v1", "kind": "BlockAffinity", "metadata": {"name": name}, "spec": spec})
    };
    for text in ["10.245.1.0/26", "fd10:245::/122"] {
        scene.server.create(&block(text));
    }
    let path = "/apis/crd.projectcalico.org/v1/bgpconfigurations/default";
    scene
        .server
        .patch(path, &json!({"spec": {"nodeToNodeMeshEnabled": false}}));
    let status = json!({"apiVersion": "crd.projectcalico.org/v1", "kind": "CalicoNodeStatus", "metadata": {"name": "mine"},
        "spec": {"node": "node1", "classes": ["BGP"], "updatePeriodSeconds": 1}});
    scene.server.create(&status);
    scene.raise();
    let expected = ["10.245.1.0/26", "fd10:245::/122", SERVICE].map(prefix);
    wait_learned("the router", &*scene.tor, &expected);
    wait_kernel(&scene.node_host, &TOR_PREFIXES.map(prefix), &scene.tor_host);
    wait_until("the CalicoNodeStatus", LONG, || {
        let path = "/apis/crd.projectcalico.org/v1/caliconodestatuses/mine";
        match &scene.server.get(User::Admin, path).object["status"]["bgp"]["numberEstablishedV4"] {
            count if *count == json!(1) => Ok(()),
            other => Err(other.to_string()),
        }
    });
    scene.wait_ready(&beside);
    scene.assert_scraped();
    assert_eq!(problems(&scene.node), Vec::<String>::new());
}

/// Each line of `docs/kubernetes.md` that calls kubectl, with the document of the page as `bgp.yaml`.
#[test]
fn the_commands_of_the_page_work() {
    let Some(scene) = Scene::open() else {
        return;
    };
    let secret = "/api/v1/namespaces/kube-system/secrets/bgp-passwords";
    scene.server.delete(secret);
    scene.apply(CALICO_NODE);
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(deploy(""), folder.path().join("deploy")).expect("a link");
    let (_, yaml) = PAGE.split_once("```yaml\n").expect("a document");
    let (yaml, _) = yaml.split_once("```").expect("it ends");
    std::fs::write(folder.path().join("bgp.yaml"), yaml).expect("a file");
    let lines = PAGE.lines().filter_map(|line| line.strip_prefix("    "));
    let lines: Vec<&str> = lines
        .map(str::trim)
        .filter(|line| line.starts_with("kubectl "))
        .collect();
    for line in &lines {
        // The server is too old to check objects for a client of this age.
        let line = line.replace(" --server-side", " --server-side --validate=false");
        wait_until(&line, SHORT, || scene.shell(folder.path(), &line));
    }
    assert_eq!(lines.len(), 12);
    let object = scene
        .server
        .get(
            User::Admin,
            "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node",
        )
        .object;
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["env"],
        json!([{"name": "CALICO_NETWORKING_BACKEND", "value": "vxlan"}])
    );
    for probe in ["livenessProbe", "readinessProbe"] {
        assert!(
            !container[probe].to_string().contains("bird"),
            "{container}"
        );
    }
    let peers = scene
        .server
        .get(User::Admin, "/apis/bgp-daemon.io/v1alpha1/bgppeers");
    assert_eq!(peers.object["items"][0]["spec"]["peerIP"], "192.0.2.1");
}

const PAGE: &str = include_str!("../../../docs/kubernetes.md");

/// The part of Calico's manifest that is patched.
const CALICO_NODE: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: calico-node, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: calico-node}}
  template:
    metadata: {labels: {k8s-app: calico-node}}
    spec:
      containers:
        - name: calico-node
          image: calico/node:v3.32.1
          env:
            - {name: CALICO_NETWORKING_BACKEND, valueFrom: {configMapKeyRef: {name: calico-config, key: calico_backend}}}
          livenessProbe: {exec: {command: [/bin/calico-node, -felix-live, -bird-live]}}
          readinessProbe: {exec: {command: [/bin/calico-node, -felix-ready, -bird-ready]}}
";

/// Stand-ins for the kinds of the Prometheus operator.
const MONITORING: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: podmonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {plural: podmonitors, singular: podmonitor, kind: PodMonitor, listKind: PodMonitorList}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: prometheusrules.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {plural: prometheusrules, singular: prometheusrule, kind: PrometheusRule, listKind: PrometheusRuleList}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
";
