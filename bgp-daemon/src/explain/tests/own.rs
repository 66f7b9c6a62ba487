//! Own blocks and services: who is told, and which object says no.

use super::scene::{HERE, ONE, Scene, TORS, TWO};
use super::{PeerVerdict, Stage, StepResult, peer, says, why};
use crate::explain::{KernelState, Verdict, text};

use PeerVerdict::{Advertised, Withheld};
use StepResult::{Change, Info, Pass, Stop};

const NO_FILTER: &str =
    "{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: f}, spec: {}}\n---\n";
const FILTER: &str = "
{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: f}, spec: {exportV4: [
  {action: Accept, cidr: 10.9.0.0/16, matchOperator: In},
  {action: Reject, cidr: 10.1.5.0/24, matchOperator: In}]}}
---
";

fn scene(documents: &str) -> Scene {
    Scene::new(&[HERE, TORS, documents].concat())
}

/// A service of type LoadBalancer, with these fields, and endpoints on these nodes.
fn service(name: &str, spec: &str, status: &str, endpoints: &[(&str, bool)]) -> String {
    let endpoints: Vec<String> = endpoints
        .iter()
        .map(|(node, ready)| {
            format!("{{addresses: [10.1.5.9], nodeName: {node}, conditions: {{ready: {ready}}}}}")
        })
        .collect();
    format!(
        "
{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: shop}}, spec: {{type: LoadBalancer, {spec}}}, status: {{loadBalancer: {{ingress: [{status}]}}}}}}
---
{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: {name}-x, namespace: shop, labels: {{kubernetes.io/service-name: {name}}}}}, addressType: IPv4, endpoints: [{}]}}
---
",
        endpoints.join(", ")
    )
}

#[test]
fn a_block_that_a_filter_rejects_is_told_to_the_others() {
    let answer = scene(FILTER).ask("10.1.5.0/26");
    assert_eq!(answer.verdict, Verdict::PartlyAdvertised);
    let rule = Some("BGPFilter/f exportV4[1]");
    let rejected = (Withheld, Stage::Export, Some("BGPFilter/f"), rule);
    assert_eq!(why(&answer, ONE), rejected);
    let because = &peer(&answer, ONE).because.text;
    assert!(
        because.contains("10.1.5.0/24") && because.contains("Accept"),
        "{because}"
    );
    let block = Some("BlockAffinity/a-5");
    let admitted = (Advertised, Stage::Export, block, Some("own block"));
    assert_eq!(why(&answer, TWO), admitted);
    let told = peer(&answer, TWO);
    let attributes = told.attributes.as_ref().expect("what it is told");
    assert_eq!(
        (attributes.as_path.as_str(), attributes.next_hop.as_deref()),
        ("64512", Some("192.0.2.2"))
    );
    assert_eq!(told.sent_at.as_deref(), Some("2026-01-02T00:00:00Z"));
    assert!(says(
        &answer,
        Stage::Resource,
        Pass,
        "BlockAffinity/a-5",
        "10.1.5.0/26"
    ));
    assert!(says(
        &answer,
        Stage::Resource,
        Info,
        "IPPool/pods",
        "10.1.0.0/16"
    ));
    assert!(says(
        &answer,
        Stage::Origin,
        Pass,
        "BlockAffinity/a-5",
        "originates"
    ));
    assert!(says(
        &answer,
        Stage::Export,
        Stop,
        "BGPFilter/f",
        "exportV4[1]"
    ));
    let stages: Vec<Stage> = answer.steps.iter().map(|step| step.stage).collect();
    assert!(stages.is_sorted(), "{stages:?}");
}

#[test]
fn an_address_is_looked_up_and_its_workload_named() {
    let ipam = "{apiVersion: projectcalico.org/v3, kind: IPAMBlock, metadata: {name: b}, spec: {cidr: 10.1.5.0/26, affinity: 'host:a', allocations: [null, 0], unallocated: [], attributes: [{handle_id: h, secondary: {pod: web-1, namespace: shop, node: a}}]}}\n---\n";
    let answer = scene(&[NO_FILTER, ipam].concat()).ask("10.1.5.1");
    assert_eq!(
        (answer.prefix.to_string().as_str(), answer.verdict),
        ("10.1.5.0/26", Verdict::Advertised)
    );
    assert!(
        answer
            .steps
            .iter()
            .any(|step| step.text.contains("pod shop/web-1 on node a"))
    );
    // As a prefix it is another thing.
    let answer = scene(NO_FILTER).ask("10.1.5.1/32");
    assert_eq!(answer.verdict, Verdict::NotAdvertised);
    let (verdict, stage, object, _) = why(&answer, ONE);
    assert_eq!(
        (verdict, stage, object),
        (Withheld, Stage::Origin, Some("BlockAffinity/a-5"))
    );
}

#[test]
fn a_pool_without_export_keeps_its_blocks() {
    let here = HERE.replace("ipipMode: Never", "ipipMode: Never, disableBGPExport: true");
    let scene = Scene::new(&[here.as_str(), TORS, NO_FILTER].concat());
    let answer = scene.ask("10.1.5.0/26");
    assert_eq!(answer.verdict, Verdict::NotAdvertised);
    let rule = Some("IPPool/pods disableBGPExport");
    for name in [ONE, TWO] {
        let (verdict, stage, object, said) = why(&answer, name);
        assert_eq!(
            (verdict, stage, object, said),
            (Withheld, Stage::Export, Some("IPPool/pods"), rule)
        );
    }
    // No block has it; the pool says no first.
    let answer = scene.ask("10.1.77.1");
    let said = why(&answer, ONE);
    assert_eq!(
        said,
        (
            Withheld,
            Stage::Resource,
            Some("IPPool/pods"),
            Some("disableBGPExport")
        )
    );
    assert_eq!(answer.prefix.to_string(), "10.1.77.1/32");
}

#[test]
fn blocks_that_are_not_this_nodes_are_named_with_the_reason() {
    let affinity = |name: &str, spec: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n---\n"
        )
    };
    let documents = [
        NO_FILTER.to_owned(),
        affinity("b-7", "node: b, state: confirmed, cidr: 10.1.7.0/26"),
        affinity("a-8", "node: a, state: pending, cidr: 10.1.8.0/26"),
        affinity("a-9", "node: a, state: confirmed, deleted: 'true', cidr: 10.1.9.0/26"),
        affinity("v-10", "node: lb, type: virtual, state: confirmed, cidr: 10.1.10.0/26"),
        affinity("a-11", "node: a, state: pendingDeletion, cidr: 10.1.11.0/26"),
        "{apiVersion: projectcalico.org/v3, kind: IPAMBlock, metadata: {name: i-12}, spec: {cidr: 10.1.12.0/26, affinity: 'host:a', allocations: [], unallocated: [], attributes: []}}".to_owned(),
    ];
    let scene = scene(&documents.concat());
    for (asked, object, rule, word) in [
        ("10.1.7.1", "BlockAffinity/b-7", "spec.node", "node b's"),
        ("10.1.8.0/26", "BlockAffinity/a-8", "spec.state", "pending"),
        ("10.1.9.0/26", "BlockAffinity/a-9", "spec.deleted", "void"),
        ("10.1.10.9", "BlockAffinity/v-10", "spec.type", "virtual"),
        (
            "10.1.12.9",
            "IPAMBlock/i-12",
            "spec.affinity",
            "no BlockAffinity",
        ),
    ] {
        let answer = scene.ask(asked);
        assert_eq!(answer.verdict, Verdict::NotAdvertised, "{asked}");
        assert_eq!(
            why(&answer, ONE),
            (Withheld, Stage::Resource, Some(object), Some(rule))
        );
        let because = answer.because.expect("a reason").text;
        assert!(because.contains(word), "{because}");
    }
    assert_eq!(scene.ask("10.1.11.1").verdict, Verdict::Advertised);
}

/// Services, each of which is not announced for a reason of its own, but for the first one.
fn services() -> Scene {
    let documents = [
        NO_FILTER.to_owned(),
        service("here", "clusterIP: 10.96.0.1, externalIPs: [203.0.113.1], externalTrafficPolicy: Local", "", &[("a", true)]),
        service("there", "clusterIP: 10.96.0.2, externalIPs: [203.0.113.2], externalTrafficPolicy: Local", "", &[("b", true), ("a", false)]),
        service("outside", "clusterIP: 10.96.0.3, externalIPs: [192.0.2.200], externalTrafficPolicy: Local", "", &[("b", true)]),
        service("nobody", "clusterIP: 10.96.0.4, externalTrafficPolicy: Cluster", "{ip: 198.51.100.4}", &[("b", false)]),
        service("waits", "clusterIP: 10.96.0.5, loadBalancerIP: 198.51.100.5", "", &[("a", true)]),
        service("headless", "clusterIP: None, externalIPs: [203.0.113.6]", "", &[("a", true)]),
        "{apiVersion: v1, kind: Service, metadata: {name: alias, namespace: shop}, spec: {type: ExternalName, externalName: x.example, externalIPs: [203.0.113.7]}}".to_owned(),
    ];
    scene(&documents.concat())
}

#[test]
fn a_service_with_an_endpoint_here_is_announced() {
    let scene = services();
    let answer = scene.ask("203.0.113.1");
    assert_eq!(
        (answer.verdict, answer.prefix.to_string().as_str()),
        (Verdict::Advertised, "203.0.113.1/32")
    );
    let service = Some("Service/shop/here");
    assert_eq!(
        why(&answer, ONE),
        (
            Advertised,
            Stage::Export,
            service,
            Some("advertised service")
        )
    );
    assert!(says(
        &answer,
        Stage::Resource,
        Pass,
        "Service/shop/here",
        "spec.externalIPs"
    ));
}

#[test]
fn a_service_says_which_of_its_conditions_fails_first() {
    let scene = services();
    for (asked, object, rule, words) in [
        (
            "203.0.113.2",
            "Service/shop/there",
            "spec.externalTrafficPolicy",
            "1 not ready, of which 1 here",
        ),
        (
            "203.0.113.2/32",
            "Service/shop/there",
            "spec.externalTrafficPolicy",
            "ready ones on b",
        ),
        (
            "192.0.2.200",
            "BGPConfiguration/default",
            "serviceExternalIPs",
            "203.0.113.0/24",
        ),
        (
            "198.51.100.4",
            "Service/shop/nobody",
            "endpoints",
            "none elsewhere",
        ),
        (
            "198.51.100.5",
            "Service/shop/waits",
            "status.loadBalancer.ingress",
            "not given",
        ),
        (
            "203.0.113.6",
            "Service/shop/headless",
            "spec.clusterIP",
            "headless",
        ),
        (
            "203.0.113.7",
            "Service/shop/alias",
            "spec.type",
            "ExternalName",
        ),
        (
            "10.96.0.1",
            "BGPConfiguration/default",
            "serviceClusterIPs",
            "has no serviceClusterIPs",
        ),
    ] {
        let answer = scene.ask(asked);
        assert_eq!(answer.verdict, Verdict::NotAdvertised, "{asked}");
        let said = (Withheld, Stage::Resource, Some(object), Some(rule));
        assert_eq!(why(&answer, TWO), said, "{asked}");
        let because = answer.because.expect("a reason").text;
        assert!(because.contains(words), "{because}");
    }
}

#[test]
fn all_that_would_have_to_change_are_steps() {
    let scene = services();
    let answer = scene.ask("192.0.2.200");
    let stops: Vec<_> = answer
        .steps
        .iter()
        .filter(|step| step.result == Stop && step.stage == Stage::Resource)
        .collect();
    let objects: Vec<_> = stops
        .iter()
        .filter_map(|step| step.object.as_deref())
        .collect();
    assert_eq!(
        objects,
        ["BGPConfiguration/default", "Service/shop/outside"]
    );
}

#[test]
fn an_excluded_node_announces_no_service() {
    let label =
        "name: a, labels: {node.kubernetes.io/exclude-from-external-load-balancers: 'true'}";
    let here = HERE.replacen("name: a", label, 1);
    let documents = service(
        "here",
        "clusterIP: 10.96.0.1, externalIPs: [203.0.113.1], externalTrafficPolicy: Local",
        "",
        &[("a", true)],
    );
    let scene = Scene::new(&[here.as_str(), TORS, NO_FILTER, documents.as_str()].concat());
    for asked in ["203.0.113.1", "203.0.113.0/24"] {
        let answer = scene.ask(asked);
        let (verdict, stage, object, rule) = why(&answer, ONE);
        assert_eq!(
            (verdict, stage, object),
            (Withheld, Stage::Resource, Some("Node/a")),
            "{asked}"
        );
        assert_eq!(
            rule,
            Some("node.kubernetes.io/exclude-from-external-load-balancers")
        );
    }
    assert_eq!(scene.ask("10.1.5.0/26").verdict, Verdict::Advertised);
}

/// Where ranges are announced whole, the address of a service is told by its range.
#[test]
fn a_range_stands_for_the_services_in_it() {
    let here = HERE.replace(", serviceLoadBalancerAggregation: Disabled", "");
    let documents = [
        service(
            "spread",
            "clusterIP: 10.96.0.1, externalTrafficPolicy: Cluster",
            "{ip: 198.51.100.4}",
            &[],
        ),
        service(
            "local",
            "clusterIP: 10.96.0.2, externalTrafficPolicy: Local",
            "{ip: 198.51.100.5}",
            &[("b", true)],
        ),
    ];
    let scene = Scene::new(&[here.as_str(), TORS, NO_FILTER, &documents.concat()].concat());
    let answer = scene.ask("198.51.100.4");
    assert_eq!(
        (answer.verdict, answer.prefix.to_string().as_str()),
        (Verdict::Advertised, "198.51.100.0/24")
    );
    let range = (
        Advertised,
        Stage::Export,
        Some("BGPConfiguration/default"),
        Some("advertised service"),
    );
    assert_eq!(why(&answer, ONE), range);
    assert!(says(
        &answer,
        Stage::Resource,
        Info,
        "Service/shop/spread",
        "198.51.100.0/24"
    ));
    let answer = scene.ask("198.51.100.5");
    assert_eq!(
        (answer.verdict, answer.prefix.to_string().as_str()),
        (Verdict::NotAdvertised, "198.51.100.5/32")
    );
    assert!(
        answer
            .steps
            .iter()
            .any(|step| step.text.contains("198.51.100.0/24 is a route here"))
    );
    // A range whose addresses are announced one by one is not announced itself.
    let scene = self::scene(NO_FILTER);
    let answer = scene.ask("198.51.100.0/24");
    let (verdict, stage, object, rule) = why(&answer, ONE);
    let configuration = Some("BGPConfiguration/default");
    assert_eq!(
        (verdict, stage, object),
        (Withheld, Stage::Resource, configuration)
    );
    assert_eq!(rule, Some("serviceLoadBalancerAggregation"));
}

#[test]
fn what_communities_add_is_a_change() {
    let here = HERE.replace(
        "asNumber: 64512",
        "asNumber: 64512, prefixAdvertisements: [{cidr: 10.1.0.0/16, communities: ['64512:7']}]",
    );
    let answer = Scene::new(&[here.as_str(), TORS, NO_FILTER].concat()).ask("10.1.5.0/26");
    assert!(says(
        &answer,
        Stage::Export,
        Change,
        "BGPConfiguration/default",
        "prefixAdvertisements"
    ));
    let attributes = peer(&answer, TWO)
        .attributes
        .as_ref()
        .expect("what it is told");
    assert_eq!(attributes.communities, ["64512:7"]);
}

#[test]
fn a_prefix_that_nobody_knows_has_neighbours() {
    let answer = scene(NO_FILTER).ask("10.3.0.0/24");
    assert_eq!(answer.verdict, Verdict::UnknownPrefix);
    let because = answer.because.as_ref().expect("a reason");
    assert!(!because.text.contains("services are not looked at"));
    let near: Vec<&str> = answer
        .nearest
        .iter()
        .map(|near| near.object.as_str())
        .collect();
    assert_eq!(near[..2], ["BlockAffinity/a-5", "IPPool/pods"]);
    assert_eq!(why(&answer, ONE).1, Stage::Origin);
    // What lies inside is nearest of all.
    let answer = scene(NO_FILTER).ask("10.0.0.0/8");
    assert_eq!(answer.verdict, Verdict::UnknownPrefix);
    assert_eq!(answer.nearest[0].object, "BlockAffinity/a-5");
    assert!(text(&answer).contains("near it: BlockAffinity/a-5 10.1.5.0/26"));
}

/// From a Kubernetes API server, services are not even read then.
#[test]
fn without_ranges_services_may_be_unknown() {
    let off = HERE.replace("serviceExternalIPs: [{cidr: 203.0.113.0/24}], serviceLoadBalancerIPs: [{cidr: 198.51.100.0/24}], serviceLoadBalancerAggregation: Disabled", "");
    let scene = Scene::new(&[off.as_str(), TORS, NO_FILTER].concat());
    let because = scene.ask("203.0.113.1").because.expect("a reason");
    assert!(
        because.text.contains("services are not looked at"),
        "{}",
        because.text
    );
}

#[test]
fn addresses_of_nodes_are_not_announced() {
    let answer = scene(NO_FILTER).ask("192.0.2.2");
    let said = (Withheld, Stage::Resource, Some("Node/a"), Some("spec.bgp"));
    assert_eq!(why(&answer, ONE), said);
}

#[test]
fn nobody_to_tell_is_a_reason_too() {
    let answer = Scene::new(HERE).ask("10.1.5.0/26");
    assert_eq!(
        (answer.verdict, answer.peers.len()),
        (Verdict::NotAdvertised, 0)
    );
    assert_eq!(
        answer.because.map(|because| because.stage),
        Some(Stage::Session)
    );
    assert_eq!(answer.kernel.state, KernelState::NotWanted);
}

/// Whoever reads the JSON gets back what was written, in the words that are promised.
#[test]
fn the_answer_survives_json() {
    let answer = scene(FILTER).ask("10.1.5.0/26");
    let json = serde_json::to_value(&answer).expect("JSON");
    assert_eq!(json["verdict"], "partly-advertised");
    assert_eq!(
        json["peers"][0]["because"]["rule"],
        "BGPFilter/f exportV4[1]"
    );
    assert_eq!(json["peers"][0]["attributes"], serde_json::Value::Null);
    assert_eq!(json["peers"][1]["sentAt"], "2026-01-02T00:00:00Z");
    assert_eq!(json["kernel"]["state"], "not-wanted");
    assert_eq!(
        serde_json::from_value::<super::Explanation>(json).expect("an answer"),
        answer
    );
}
