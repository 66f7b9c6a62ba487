//! Clusters around one node, and changes of them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use crate::resources::{ResourceSet, parse};

/// The node that is played.
pub(crate) const NODE: &str = "a";

/// Documents by what they describe; `None` where there is nothing.
pub(crate) type Documents = BTreeMap<&'static str, Option<Value>>;

/// A cluster, and what changes in it, one after the other.
pub(crate) type Story = (Documents, Vec<Documents>);

const SLOTS: [&str; 22] = [
    "node a",
    "node b",
    "node c",
    "peer p",
    "peer q",
    "peer r",
    "peer s",
    "default",
    "node.a",
    "filter f",
    "filter g",
    "pool x",
    "pool y",
    "block 1",
    "block 2",
    "block 3",
    "block 4",
    "service s",
    "slice s",
    "service t",
    "slice t",
    "secret",
];

pub(crate) fn story() -> impl Strategy<Value = Story> {
    let edits = prop::collection::vec(edit(), 1..4);
    let all: Vec<_> = SLOTS.iter().map(|slot| document(slot)).collect();
    let cluster = all.prop_map(|documents| SLOTS.into_iter().zip(documents).collect());
    (cluster, edits)
}

fn edit() -> impl Strategy<Value = Documents> {
    let one = select(&SLOTS[..]).prop_flat_map(|slot| (Just(slot), document(slot)));
    prop::collection::vec(one, 1..6).prop_map(|changes| changes.into_iter().collect())
}

pub(crate) fn set(documents: &Documents) -> ResourceSet {
    let texts: Vec<String> = documents.values().flatten().map(Value::to_string).collect();
    ResourceSet::from_documents(parse("cluster.yaml", &texts.join("\n---\n")).documents).set
}

fn document(slot: &'static str) -> BoxedStrategy<Option<Value>> {
    let (kind, name) = slot.split_once(' ').unwrap_or(("settings", slot));
    let document = match kind {
        "node" => return node(name),
        "peer" => bgp_peer(name),
        "settings" => settings(name),
        "filter" => filter(name),
        "pool" => pool(name),
        "block" => block(name),
        "service" => service(name),
        "slice" => slice(name),
        _ => secret(),
    };
    prop::option::weighted(0.8, document).boxed()
}

pub(crate) fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// One of these, or nothing.
fn maybe(values: &[&'static str]) -> impl Strategy<Value = Value> + Clone + use<> {
    let mut values: Vec<Value> = values.iter().map(|value| json!(value)).collect();
    values.insert(0, Value::Null);
    select(values)
}

/// One of these now and then, mostly nothing.
fn seldom(values: &[&'static str]) -> impl Strategy<Value = Value> + Clone + use<> {
    let values: Vec<Value> = values.iter().map(|value| json!(value)).collect();
    prop_oneof![4 => Just(Value::Null), 1 => select(values)]
}

/// The first of these, now and then another one.
fn mostly(values: &[&'static str]) -> impl Strategy<Value = &'static str> + use<> {
    prop_oneof![4 => Just(values[0]), 1 => select(values.to_vec())]
}

/// The node that is played is always there.
fn node(name: &'static str) -> BoxedStrategy<Option<Value>> {
    let (ipv4, ipv6, always): (&[&str], &str, _) = match name {
        NODE => (&["10.0.0.9/24", "10.0.0.99/24"], "fd00::9/64", true),
        "b" => (&["10.0.0.10/24", "10.0.1.10/24"], "fd00::10/64", false),
        _ => (&["10.0.0.100/24"], "fd00::100/64", false),
    };
    let ipv4 = mostly(ipv4);
    let ipv6 = select(vec![json!(ipv6), Value::Null]);
    let asn = seldom(&["65001"]);
    let cluster = maybe(&["1.1.1.1", "2.2.2.2"]);
    let labels = (mostly(&["x", "y"]), seldom(&["true"]));
    let spec = (ipv4, ipv6, asn, cluster, labels).prop_map(move |(v4, v6, asn, cluster, (rack, excluded))| {
        let bgp = json!({"ipv4Address": v4, "ipv6Address": v6, "asNumber": asn, "routeReflectorClusterID": cluster});
        let mut node = object("Node", name, json!({"bgp": bgp}));
        node["metadata"]["labels"] = json!({"rack": rack, "name": name});
        if !excluded.is_null() {
            node["metadata"]["labels"]["node.kubernetes.io/exclude-from-external-load-balancers"] = excluded;
        }
        node
    });
    if always {
        return spec.prop_map(Some).boxed();
    }
    prop::option::weighted(0.8, spec).boxed()
}

fn bgp_peer(name: &'static str) -> BoxedStrategy<Value> {
    let addresses = maybe(&[
        "192.0.2.1",
        "192.0.2.2",
        "10.0.0.10",
        "fd00::10",
        "2001:db8::1",
    ]);
    let whom = (addresses, maybe(&["all()", "rack == 'x'", "name == 'b'"]));
    let on = (seldom(&["a", "b"]), seldom(&["rack == 'x'"]));
    let who = (
        maybe(&["64512", "65001", "65002"]),
        seldom(&["65500"]),
        select(vec![0, 0, 1, 3]),
    );
    let how = (
        maybe(&["Auto", "Self", "Keep"]),
        seldom(&["Manual"]),
        seldom(&["None"]),
        seldom(&["1", "9"]),
        subsequence(vec!["f", "g", "missing"], 0..3),
    );
    let times = (
        seldom(&["60s", "3m0s"]),
        seldom(&["5s", "20s"]),
        seldom(&["30s"]),
    );
    let beyond = (
        seldom(&["off", "send"]),
        seldom(&["true"]),
        seldom(&["ipv4-unicast,ipv6-unicast"]),
        prop::bool::weighted(0.2),
    );
    let all = (whom, on, who, how, times, beyond);
    let peer = all.prop_map(move |((ip, peers), (node, nodes), (asn, local_as, loops), how, times, beyond)| {
        let (next_hop, reverse, source, hops, filters) = how;
        let mut peer = object(
            "BGPPeer",
            name,
            json!({
                "peerIP": ip, "peerSelector": if ip.is_null() { peers } else { Value::Null },
                "node": node, "nodeSelector": if node.is_null() { nodes } else { Value::Null },
                "asNumber": if ip.is_null() { Value::Null } else { asn }, "localASNumber": local_as,
                "numAllowedLocalASNumbers": loops, "nextHopMode": next_hop, "reversePeering": reverse,
                "sourceAddress": source, "ttlSecurity": hops.as_str().and_then(|hops| hops.parse::<u8>().ok()), "filters": filters,
                "maxRestartTime": times.0, "keepaliveTime": times.1,
            }),
        );
        if beyond.3 {
            let secret = json!({"secretKeyRef": {"name": "bgp", "key": "peer"}});
            peer["spec"]["password"] = secret;
        }
        annotate(&mut peer, "hold-time", times.2);
        annotate(&mut peer, "add-path", beyond.0);
        annotate(&mut peer, "passive", beyond.1);
        annotate(&mut peer, "families", beyond.2);
        peer
    });
    peer.boxed()
}

fn annotate(object: &mut Value, name: &str, value: Value) {
    if !value.is_null() {
        object["metadata"]["annotations"][format!("bgp-daemon.io/{name}")] = value;
    }
}

fn settings(name: &'static str) -> BoxedStrategy<Value> {
    let of_cluster = (
        seldom(&["64512", "65001"]),
        select(vec![Value::Null, json!(true), json!(false)]),
        maybe(&["Enabled", "EnabledIPIPOnly", "Disabled"]),
        select(vec![Value::Null, json!(2000)]),
        maybe(&["Disabled"]),
        prop::bool::weighted(0.2),
    );
    let services = (
        maybe(&["10.96.0.0/16", "fd96::/112"]),
        maybe(&["203.0.113.0/24", "203.0.113.7/32"]),
        maybe(&["198.51.100.0/24", "198.51.100.9/32"]),
    );
    let of_both = (
        prop_oneof![4 => Just(Value::Null), 1 => select(vec![json!(179), json!(1790)])],
        seldom(&["NodeIP"]),
        maybe(&["10.1.0.0/16", "10.96.0.0/12", "fd01::/48"]),
        maybe(&["65000:7", "65000:1:2"]),
        seldom(&["10s"]),
    );
    let spec = (of_cluster, services, of_both).prop_map(move |(of_cluster, services, of_both)| {
        let (asn, mesh, program, priority, aggregation, password) = of_cluster;
        let (port, bind, cidr, community, hold_time) = of_both;
        let mut spec = json!({"listenPort": port});
        if !cidr.is_null() && !community.is_null() {
            spec["prefixAdvertisements"] = json!([{"cidr": cidr, "communities": [community]}]);
        }
        if name == "default" {
            let (cluster, external, balancer) = services;
            let all = json!({
                "asNumber": asn, "nodeToNodeMeshEnabled": mesh, "programClusterRoutes": program,
                "ipv4NormalRoutePriority": priority, "serviceLoadBalancerAggregation": aggregation, "bindMode": bind,
                "serviceClusterIPs": [{"cidr": cluster}], "serviceExternalIPs": [{"cidr": external}],
                "serviceLoadBalancerIPs": [{"cidr": balancer}],
            });
            spec.as_object_mut().expect("an object").extend(all.as_object().expect("an object").clone());
            if password {
                spec["nodeMeshPassword"] = json!({"secretKeyRef": {"name": "bgp", "key": "mesh"}});
            }
        }
        let mut settings = object("BGPConfiguration", name, spec);
        annotate(&mut settings, "hold-time", hold_time);
        settings
    });
    spec.boxed()
}

fn filter(name: &'static str) -> BoxedStrategy<Value> {
    let operation = select(vec![
        json!({"addCommunity": {"value": "65000:9"}}),
        json!({"prependASPath": {"prefix": [65009]}}),
        json!({"setPriority": {"value": 512}}),
    ]);
    let prefix = maybe(&["10.1.0.0/16", "10.1.5.0/26", "10.96.0.0/16", "0.0.0.0/0"]);
    let conditions = (
        prefix,
        select(vec!["In", "Equal", "NotIn"]),
        maybe(&["iBGP", "eBGP"]),
        maybe(&["RemotePeers"]),
    );
    let accept = prop::option::of(operation);
    let rule = (conditions, any::<bool>(), accept).prop_map(|((cidr, operator, kind, source), accept, operation)| {
        let operator = if cidr.is_null() { Value::Null } else { json!(operator) };
        let action = if accept { "Accept" } else { "Reject" };
        let mut rule = json!({"action": action, "matchOperator": operator, "cidr": cidr, "peerType": kind, "source": source});
        if let Some(operation) = operation.filter(|_| accept) {
            rule["operations"] = json!([operation]);
        }
        rule
    });
    let rules = || prop::collection::vec(rule.clone(), 0..3);
    let spec = (rules(), rules()).prop_map(move |(import, export)| {
        object(
            "BGPFilter",
            name,
            json!({"importV4": import, "exportV4": export}),
        )
    });
    spec.boxed()
}

fn pool(name: &'static str) -> BoxedStrategy<Value> {
    let cidr = if name == "x" {
        vec!["10.1.0.0/16"]
    } else {
        vec!["10.2.0.0/16", "fd01::/48"]
    };
    let encapsulation = select(vec![
        ("Always", "Never"),
        ("CrossSubnet", "Never"),
        ("Never", "Always"),
        ("Never", "Never"),
    ]);
    let spec = (select(cidr), encapsulation, any::<[bool; 2]>()).prop_map(move |(cidr, (ipip, vxlan), [hidden, disabled])| {
        let ipip = if cidr.contains(':') { "Never" } else { ipip };
        object(
            "IPPool",
            name,
            json!({"cidr": cidr, "ipipMode": ipip, "vxlanMode": vxlan, "disableBGPExport": hidden, "disabled": disabled}),
        )
    });
    spec.boxed()
}

fn block(name: &'static str) -> BoxedStrategy<Value> {
    let cidr = match name {
        "1" => "10.1.5.0/26",
        "2" => "10.1.7.0/26",
        "3" => "10.2.0.4/32",
        _ => "fd01::/122",
    };
    let state = select(vec![
        "confirmed",
        "confirmed",
        "pending",
        "pendingDeletion",
        "",
    ]);
    let spec = (state, select(vec!["a", "a", "b"])).prop_map(move |(state, node)| {
        object(
            "BlockAffinity",
            &format!("block-{name}"),
            json!({"cidr": cidr, "state": state, "node": node, "deleted": "false"}),
        )
    });
    spec.boxed()
}

fn service(name: &'static str) -> BoxedStrategy<Value> {
    let (cluster, external, balancer) = match name {
        "s" => ("10.96.0.7", "203.0.113.7", "198.51.100.9"),
        _ => ("10.96.0.8", "203.0.113.8", "198.51.100.10"),
    };
    let policy = select(vec!["Cluster", "Local"]);
    let spec = (policy, select(vec!["LoadBalancer", "ClusterIP"])).prop_map(move |(policy, kind)| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "clusterIP": cluster, "clusterIPs": [cluster], "externalIPs": [external], "type": kind,
                "externalTrafficPolicy": policy, "ipFamilies": ["IPv4"],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": balancer}]}},
        })
    });
    spec.boxed()
}

fn slice(name: &'static str) -> BoxedStrategy<Value> {
    let endpoint = (select(vec!["a", "b"]), any::<bool>());
    let slice = prop::collection::vec(endpoint, 0..3).prop_map(move |endpoints| {
        let endpoints: Vec<Value> = endpoints
            .into_iter()
            .map(|(node, ready)| json!({"addresses": ["10.1.5.9"], "nodeName": node, "conditions": {"ready": ready}}))
            .collect();
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": endpoints,
            "metadata": {"name": format!("{name}-1"), "namespace": "default", "labels": {"kubernetes.io/service-name": name}},
        })
    });
    slice.boxed()
}

fn secret() -> BoxedStrategy<Value> {
    let password = select(vec!["one", "two"]);
    let secret = (password.clone(), password).prop_map(|(peer, mesh)| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bgp", "namespace": "kube-system"},
            "stringData": {"peer": peer, "mesh": mesh},
        })
    });
    secret.boxed()
}
