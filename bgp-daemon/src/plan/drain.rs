//! Drain: the node stops announcing service addresses, gracefully (RFC 8326). Sessions, blocks of pod addresses and what is learned stay.
//!
//! The annotation `bgp-daemon.io/drain: "true"` of this node, or a taint that the operator has named, starts a drain. A cordon alone never
//! does: the pods of a cordoned node go on serving.

use serde::Serialize;

use super::annotations::DRAIN;
use super::cluster::Cluster;
use super::environment::Environment;
use crate::resources::{Node, Problem, ResourceSet};

/// How far a drain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Drain {
    /// Service addresses carry GRACEFUL_SHUTDOWN, and LOCAL_PREF 0 inside the AS: peers move to other paths while this one still works.
    GracefulShutdown,
    /// Service addresses are withdrawn.
    Withdrawn,
}

impl Drain {
    /// The name in status, metrics and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::GracefulShutdown => "graceful-shutdown",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Whether a node is to be drained.
pub fn is_drained(resources: &ResourceSet, node: &str, environment: &Environment) -> bool {
    let in_kubernetes = environment.kubernetes_node.as_deref().unwrap_or(node);
    let calico = resources.node(node).into_iter();
    let kubernetes = resources.kubernetes_node(in_kubernetes);
    let taint = environment.drain_on_taint.as_deref();
    calico.chain(kubernetes).any(|node| {
        let tainted = |key: &str| node.spec.taints.iter().any(|taint| taint == key);
        wanted(node) == Ok(true) || taint.is_some_and(tainted)
    })
}

/// What the annotation of a node says; an error with what is expected.
fn wanted(node: &Node) -> Result<bool, &'static str> {
    match node.metadata.annotations.get(DRAIN).map(|it| it.trim()) {
        Some("true") => Ok(true),
        Some("false") | None => Ok(false),
        Some(_) => Err("expected true or false"),
    }
}

/// Reports annotations of nodes with another value.
pub(super) fn find_wrong_values(resources: &ResourceSet, problems: &mut Vec<Problem>) {
    let calico = resources.nodes().map(|node| ("Node", node));
    let kubernetes = resources
        .kubernetes_nodes()
        .map(|node| ("KubernetesNode", node));
    for (kind, node) in calico.chain(kubernetes) {
        if let Err(expected) = wanted(node) {
            let value = &node.metadata.annotations[DRAIN];
            let object = format!("{kind}/{}", node.metadata.name);
            let problem = Problem::error(object, format!("{expected}, found {value:?}"));
            problems.push(problem.at_field(format!("metadata.annotations.{DRAIN}")));
        }
    }
}

/// How far the drain of this node is; `None` if it is not drained.
pub(super) fn drain(cluster: &Cluster<'_>) -> Option<Drain> {
    let environment = cluster.environment;
    is_drained(cluster.resources, cluster.name, environment).then_some(
        match environment.drain_is_over {
            true => Drain::Withdrawn,
            false => Drain::GracefulShutdown,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{RouteOrigin, plan};
    use crate::resources::parse;

    /// Resources with a Node `a` with these annotations and taints, a block, and an announced range of services.
    fn resources(annotations: &str, taints: &str) -> ResourceSet {
        let text = format!(
            "{{apiVersion: projectcalico.org/v3, kind: Node, metadata: {{name: a, annotations: {{{annotations}}}}}, spec: {{bgp: {{ipv4Address: 10.0.0.1/24}}}}}}
---
{{apiVersion: v1, kind: Node, metadata: {{name: a}}, spec: {{taints: [{taints}]}}}}
---
{{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {{name: default}}, spec: {{serviceClusterIPs: [{{cidr: 10.96.0.0/12}}]}}}}
---
{{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {{name: pods}}, spec: {{cidr: 10.244.0.0/16}}}}
---
{{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {{name: a-1}}, spec: {{node: a, cidr: 10.244.1.0/26, state: confirmed}}}}
"
        );
        ResourceSet::from_documents(parse("test.yaml", &text).documents).set
    }

    /// How far the drain is, how many services and how many blocks are announced, and the problems.
    fn planned(
        resources: &ResourceSet,
        environment: &Environment,
    ) -> (Option<Drain>, [usize; 2], Vec<String>) {
        let plan = plan(resources, "a", environment);
        let count = |origin| {
            let routes = plan.originate.iter();
            routes.filter(|route| route.origin == origin).count()
        };
        let problems = plan.problems.iter().map(ToString::to_string);
        (
            plan.drain,
            [RouteOrigin::Service, RouteOrigin::Block].map(count),
            problems.collect(),
        )
    }

    #[test]
    fn services_go_in_the_end_and_blocks_stay() {
        let drained = resources("bgp-daemon.io/drain: 'true'", "");
        let mut environment = Environment::default();
        let shutdown = Some(Drain::GracefulShutdown);
        assert_eq!(
            planned(&drained, &environment),
            (shutdown, [1, 1], Vec::new())
        );
        environment.drain_is_over = true;
        let withdrawn = Some(Drain::Withdrawn);
        assert_eq!(
            planned(&drained, &environment),
            (withdrawn, [0, 1], Vec::new())
        );
        let undone = resources("bgp-daemon.io/drain: 'false'", "");
        assert_eq!(planned(&undone, &environment), (None, [1, 1], Vec::new()));
    }

    #[test]
    fn a_taint_drains_only_if_it_is_named() {
        let cordoned = "{key: node.kubernetes.io/unschedulable, effect: NoSchedule}";
        let tainted = resources(
            "",
            &format!("{cordoned}, {{key: example.org/maintenance, effect: NoExecute}}"),
        );
        let mut environment = Environment::default();
        assert_eq!(planned(&tainted, &environment).0, None);
        environment.drain_on_taint = Some("example.org/maintenance".into());
        assert_eq!(
            planned(&tainted, &environment).0,
            Some(Drain::GracefulShutdown)
        );
        environment.drain_on_taint = Some("example.org/other".into());
        assert_eq!(planned(&tainted, &environment).0, None);
    }

    #[test]
    fn another_value_is_a_problem_and_drains_nothing() {
        let (drain, _, problems) = planned(
            &resources("bgp-daemon.io/drain: 'yes'", ""),
            &Environment::default(),
        );
        assert_eq!(drain, None);
        let expected = "Node/a: metadata.annotations.bgp-daemon.io/drain: expected true or false, found \"yes\"";
        assert!(
            problems.iter().any(|problem| problem.contains(expected)),
            "{problems:?}"
        );
    }
}
