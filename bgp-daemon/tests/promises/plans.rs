//! Plans of small clusters, for cases that unit tests do not cover.

use bgp_core::types::{Asn, Family};
use bgp_daemon::plan::{Environment, Peer, Plan, PoolRouting, plan};
use bgp_daemon::resources::{ResourceSet, parse};

use crate::scene::object;

const V4: Family = Family::Ipv4Unicast;

/// The plan of node `a` (10.0.0.1), next to node `b` (10.0.0.2), in a cluster with the objects in `more`.
fn plan_of(more: &str) -> Plan {
    let text = object(
        "Node",
        "a",
        "bgp: {ipv4Address: 10.0.0.1/24, ipv6Address: 'fd00::1/64'}",
    ) + &object("Node", "b", "bgp: {ipv4Address: 10.0.0.2/24}")
        + more;
    let parsed = parse("cluster.yaml", &text);
    let mut loaded = ResourceSet::from_documents(parsed.documents);
    loaded.problems.extend(parsed.problems);
    let mut plan = plan(&loaded.set, "a", &Environment::default());
    plan.problems.extend(loaded.problems);
    plan
}

fn config(spec: &str) -> String {
    object("BGPConfiguration", "default", spec)
}

fn peer<'a>(plan: &'a Plan, name: &str) -> &'a Peer {
    let found = plan.peers.iter().find(|peer| peer.name == name);
    found.unwrap_or_else(|| panic!("{name} is not among {:?}", plan.peers))
}

fn originated(plan: &Plan) -> Vec<String> {
    plan.originate
        .iter()
        .map(|route| route.prefix.to_string())
        .collect()
}

/// Promise 1.3.
#[test]
fn as_numbers_in_every_spelling() {
    for (text, asn) in [
        ("65001", 65001),
        ("'65001'", 65001),
        ("'1.1'", 65537),
        ("4294967295", u32::MAX),
    ] {
        let plan = plan_of(&object(
            "BGPPeer",
            "tor",
            &format!("peerIP: 192.0.2.1, asNumber: {text}"),
        ));
        assert_eq!(peer(&plan, "Global_192_0_2_1").peer_as, Asn(asn), "{text}");
    }
    let refused = plan_of(&object("BGPPeer", "tor", "peerIP: 192.0.2.1, asNumber: 0"));
    assert!(
        refused
            .peers
            .iter()
            .all(|peer| peer.name.starts_with("Mesh_"))
    );
    assert_eq!(refused.problems.len(), 1, "{:?}", refused.problems);
}

/// Promise 1.9.
#[test]
fn a_bgp_configuration_of_any_other_name_is_ignored() {
    let plan = plan_of(&object(
        "BGPConfiguration",
        "other",
        "asNumber: 65000, nodeToNodeMeshEnabled: false",
    ));
    assert_eq!((plan.local_as, plan.peers.len()), (Asn(64512), 1));
    assert_eq!(plan.problems[0].object, "BGPConfiguration/other");
}

/// Promise 2.4.
#[test]
fn listens_on_its_own_addresses_if_it_is_told_to() {
    let all = plan_of("");
    assert_eq!(
        (all.listen_address.ipv4, all.listen_address.ipv6),
        (None, None)
    );
    let own = plan_of(&config("bindMode: NodeIP"));
    assert_eq!(own.listen_address.ipv4, "10.0.0.1".parse().ok());
    assert_eq!(own.listen_address.ipv6, "fd00::1".parse().ok());
}

/// Promise 2.10.
#[test]
fn interfaces_of_workloads_are_always_ignored() {
    let plan = plan_of(&config("ignoredInterfaces: ['docker*', br-1]"));
    assert_eq!(
        plan.ignored_interfaces,
        ["docker*", "br-1", "cali*", "kube-ipvs*"]
    );
}

/// Promises 3.5, 3.6.
#[test]
fn settings_of_the_mesh_are_those_of_the_cluster() {
    let secret = "---\n{apiVersion: v1, kind: Secret, metadata: {name: bgp, namespace: kube-system}, stringData: {mesh: secret}}\n";
    let mesh = config(
        "nodeMeshMaxRestartTime: 90s, nodeMeshPassword: {secretKeyRef: {name: bgp, key: mesh}}",
    );
    let filters = object(
        "BGPFilter",
        "f",
        "importV4: [{action: Reject}], exportV4: [{action: Reject}]",
    ) + &object(
        "BGPPeer",
        "tor",
        "peerIP: 192.0.2.1, asNumber: 65001, filters: [f]",
    );
    let plan = plan_of(&(mesh + secret + &filters));
    let mesh = peer(&plan, "Mesh_10_0_0_2");
    assert!(mesh.password.is_some());
    assert_eq!(mesh.graceful_restart_time, Some(90));
    assert_eq!(mesh.source_address, "10.0.0.1".parse().ok());
    assert!(mesh.import_filters.is_empty() && mesh.export_filters.is_empty());
    let tor = peer(&plan, "Global_192_0_2_1");
    assert!(tor.password.is_none());
    assert_eq!(tor.export_filters, ["f"]);
}

/// Promise 5.17.
#[test]
fn the_source_address_is_the_nodes_unless_the_system_is_to_choose() {
    let source = |more: &str| {
        let spec = format!("peerIP: 192.0.2.1, asNumber: 65001{more}");
        peer(
            &plan_of(&object("BGPPeer", "tor", &spec)),
            "Global_192_0_2_1",
        )
        .source_address
    };
    assert_eq!(source(""), "10.0.0.1".parse().ok());
    assert_eq!(
        source(", sourceAddress: UseNodeIP"),
        "10.0.0.1".parse().ok()
    );
    assert_eq!(source(", sourceAddress: None"), None);
}

/// Promise 8.11.
#[test]
fn a_pool_that_gives_no_more_addresses_is_still_announced() {
    let plan = plan_of(&object(
        "IPPool",
        "old",
        "cidr: 10.1.0.0/16, disabled: true",
    ));
    let accepted = &plan.export[V4].accept_prefixes;
    assert_eq!(
        accepted
            .iter()
            .map(|rule| rule.prefix.to_string())
            .collect::<Vec<_>>(),
        ["10.1.0.0/16"]
    );
}

/// Promise 8.12.
#[test]
fn a_route_reflector_passes_on_service_ranges() {
    let ranges = config(
        "serviceClusterIPs: [{cidr: 10.96.0.0/12}], serviceExternalIPs: [{cidr: 198.51.100.1/32}], serviceLoadBalancerIPs: [{cidr: 198.51.100.2/32}]",
    );
    let accepted = |plan: &Plan| -> Vec<String> {
        let rules = &plan.export[V4].accept_prefixes;
        rules.iter().map(|rule| rule.prefix.to_string()).collect()
    };
    assert_eq!(accepted(&plan_of(&ranges)), ["10.96.0.0/12"]);
    let text = object(
        "Node",
        "a",
        "bgp: {ipv4Address: 10.0.0.1/24, routeReflectorClusterID: 1.1.1.1}",
    ) + &ranges;
    let set = ResourceSet::from_documents(parse("rr.yaml", &text).documents).set;
    let reflector = plan(&set, "a", &Environment::default());
    assert_eq!(
        accepted(&reflector),
        ["10.96.0.0/12", "198.51.100.1/32", "198.51.100.2/32"]
    );
}

/// A Service with one EndpointSlice, which may be absent.
fn service(slice: Option<&str>) -> Vec<String> {
    let service = "---\n{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {type: LoadBalancer, externalTrafficPolicy: Local, clusterIP: 10.96.0.7, ipFamilies: [IPv4]}}\n";
    let slice = slice.map(|slice| {
        format!("---\n{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: web-1, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}, {slice}}}\n")
    });
    let ranges = config("serviceClusterIPs: [{cidr: 10.96.0.0/12}]");
    let plan = plan_of(&(ranges + service + &slice.unwrap_or_default()));
    assert_eq!(plan.problems, []);
    originated(&plan)
}

/// Promises 10.8, 10.9.
#[test]
fn a_service_address_goes_with_its_last_ready_endpoint() {
    let with = ["10.96.0.0/12", "10.96.0.7/32"];
    let without = ["10.96.0.0/12"];
    assert_eq!(
        service(Some("addressType: IPv4, endpoints: [{nodeName: a}]")),
        with
    );
    assert_eq!(
        service(Some(
            "addressType: IPv4, endpoints: [{nodeName: a, conditions: {ready: false}}]"
        )),
        without
    );
    assert_eq!(
        service(Some("addressType: IPv6, endpoints: [{nodeName: a}]")),
        without,
        "of another family"
    );
    assert_eq!(service(None), without, "the slice is deleted");
}

/// Promise 11.3.
#[test]
fn who_writes_the_routes_of_which_pool() {
    let pools = object("IPPool", "plain", "cidr: 10.1.0.0/16")
        + &object("IPPool", "tunnel", "cidr: 10.2.0.0/16, ipipMode: Always")
        + &object(
            "IPPool",
            "vxlan",
            "cidr: 10.3.0.0/16, vxlanMode: CrossSubnet",
        );
    let routing = |spec: &str| -> Vec<PoolRouting> {
        let plan = plan_of(&(config(spec) + &pools));
        plan.kernel[V4]
            .pools
            .iter()
            .map(|pool| pool.routing)
            .collect()
    };
    use PoolRouting::{Direct, Felix, Tunnel};
    for (setting, expected) in [
        ("", [Direct, Felix, Felix]),
        (
            "programClusterRoutes: EnabledNoEncapOnly",
            [Direct, Felix, Felix],
        ),
        (
            "programClusterRoutes: EnabledIPIPOnly",
            [Felix, Tunnel, Felix],
        ),
        ("programClusterRoutes: Enabled", [Direct, Tunnel, Felix]),
        ("programClusterRoutes: Disabled", [Felix, Felix, Felix]),
    ] {
        assert_eq!(routing(setting), expected, "{setting}");
    }
}

/// Promise 1.14.
#[test]
fn what_only_the_cluster_can_say_means_nothing_in_the_configuration_of_a_node() {
    let own =
        "asNumber: 65009, nodeToNodeMeshEnabled: false, serviceClusterIPs: [{cidr: 10.96.0.0/12}]";
    let plan = plan_of(&object(
        "BGPConfiguration",
        "node.a",
        &format!("listenPort: 1790, {own}, bindMode: NodeIP"),
    ));
    assert_eq!((plan.listen_port, plan.local_as), (1790, Asn(64512)));
    assert_eq!(peer(&plan, "Mesh_10_0_0_2").peer_as, Asn(64512));
    assert_eq!(originated(&plan), [] as [&str; 0]);
    assert_eq!(plan.listen_address[V4], None);
}

/// Promise 5.20.
#[test]
fn every_peer_may_be_several_routers_away() {
    let plan = plan_of(
        &(object("BGPPeer", "tor", "peerIP: 192.0.2.1, asNumber: 65001")
            + &object(
                "BGPPeer",
                "own",
                "node: a, peerIP: 192.0.2.2, asNumber: 65001",
            )),
    );
    assert_eq!(plan.peers.len(), 3);
    assert!(plan.peers.iter().all(|peer| peer.multihop));
}

fn balanced(name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: x}}, spec: {{{spec}}}, \
         status: {{loadBalancer: {{ingress: [{{ip: 198.51.100.9}}, {{ip: 192.0.2.9}}]}}}}}}\n"
    )
}

/// Promise 10.10.
#[test]
fn of_a_service_its_addresses_in_the_configured_ranges_are_announced() {
    let spec = "type: LoadBalancer, clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], externalIPs: [203.0.113.7, 192.0.2.7], \
                externalTrafficPolicy: Cluster";
    let of = |ranges: &str| {
        let ranges = format!("serviceExternalIPs: [{{cidr: 203.0.113.7/32}}], {ranges}");
        originated(&plan_of(&(config(&ranges) + &balanced("s", spec))))
    };
    assert_eq!(of(""), ["203.0.113.7/32"]);
    assert_eq!(
        of("serviceLoadBalancerIPs: [{cidr: 198.51.100.9/32}]"),
        ["198.51.100.9/32", "203.0.113.7/32"]
    );
    // The range of cluster IPs need not hold the address.
    assert_eq!(
        of("serviceClusterIPs: [{cidr: 10.100.0.0/16}]"),
        ["10.96.0.7/32", "10.100.0.0/16", "203.0.113.7/32"]
    );
}

/// Promise 10.11.
#[test]
fn an_address_of_two_services_stays_with_either() {
    let spec = |ip: &str| {
        format!(
            "type: ClusterIP, clusterIP: {ip}, externalIPs: [203.0.113.7], externalTrafficPolicy: Cluster"
        )
    };
    let (s, t) = (
        balanced("s", &spec("10.96.0.7")),
        balanced("t", &spec("10.96.0.8")),
    );
    let range = config("serviceExternalIPs: [{cidr: 203.0.113.7/32}]");
    for services in [format!("{s}{t}"), s, t] {
        assert_eq!(
            originated(&plan_of(&(range.clone() + &services))),
            ["203.0.113.7/32"]
        );
    }
    assert_eq!(originated(&plan_of(&range)), [] as [&str; 0]);
}

/// Promise 10.12.
#[test]
fn an_entry_without_a_range_means_nothing() {
    let plan = plan_of(&config(
        "serviceClusterIPs: [{}, {cidr: ''}, {cidr: 10.96.0.0/12}]",
    ));
    assert_eq!(originated(&plan), ["10.96.0.0/12"]);
    assert_eq!(plan.problems, []);
}
