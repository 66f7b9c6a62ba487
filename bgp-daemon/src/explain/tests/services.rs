//! Addresses of services, and ranges of them: which of many conditions is the first obstacle.

use super::own::{NO_FILTER, scene};
use super::scene::{HERE, ONE, Scene, TORS, TWO};
use super::{PeerVerdict, Stage, StepResult, says, why};
use crate::explain::Verdict;

use PeerVerdict::{Advertised, Withheld};
use StepResult::{Info, Pass, Stop};

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

/// If ranges are announced as a whole, the address of a service is announced by its range.
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
    // If the addresses of a range are announced one by one, the range is not.
    let scene = super::own::scene(NO_FILTER);
    let answer = scene.ask("198.51.100.0/24");
    let (verdict, stage, object, rule) = why(&answer, ONE);
    let configuration = Some("BGPConfiguration/default");
    assert_eq!(
        (verdict, stage, object),
        (Withheld, Stage::Resource, configuration)
    );
    assert_eq!(rule, Some("serviceLoadBalancerAggregation"));
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
