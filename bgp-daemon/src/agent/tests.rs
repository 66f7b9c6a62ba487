//! The consequences of a task's end.

#[path = "../../../bgp-speaker/tests/netns/mod.rs"]
#[allow(clippy::print_stdout, dead_code, reason = "shared with other tests")]
mod netns;

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use std::sync::Arc;

use super::*;
use crate::log::LogLevel;
use crate::occupant::Occupants;
use crate::plan::Environment;
use crate::resources::{ResourceSet, parse};

const RESOURCES: &str = "
{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: node}, spec: {bgp: {ipv4Address: 192.0.2.2/24}}}
---
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {peerIP: 192.0.2.1, asNumber: 65001}}
";

/// The kernel, forwarding, the table, the acceptor, a neighbour, the peers that are up; and local workloads.
const TASKS: usize = 7;

fn snapshot() -> Snapshot {
    let parsed = parse("tests.yaml", RESOURCES);
    Arc::new(ResourceSet::from_documents(parsed.documents))
}

async fn agent() -> Agent {
    let config = AgentConfig {
        node: "node".into(),
        environment: Environment {
            endpoint_status_prefix: "/nonexistent".into(),
            ..Environment::default()
        },
        listen_port: Some(0),
        kernel: true,
        recover: false,
        peers_file: Some("/nonexistent/peers-up.json".into()),
        take_over: None,
        on_stop: None,
        drain_after: Duration::from_secs(60),
        discovery: None,
        memory_limit: None,
        occupants: Occupants::default(),
        log: LogLevel::default(),
        views: Views::new("node"),
    };
    Agent::new(config, Tasks::default()).await
}

#[test]
fn the_end_of_any_task_ends_the_agent() {
    netns::run("agent::tests::the_end_of_any_task_ends_the_agent", async {
        for place in 0..TASKS {
            let (_keep, snapshots) = watch::channel(snapshot());
            let (_keep, mut requests) = mpsc::channel(1);
            let mut agent = agent().await;
            agent.follow(&snapshot()).await.expect("a speaker");
            let of_speaker = agent
                .speaker
                .as_ref()
                .expect("a speaker")
                .speaker
                .tasks()
                .clone();
            let all = [of_speaker, agent.tasks.clone()];
            let named = |tasks: &Tasks| {
                tasks
                    .names()
                    .into_iter()
                    .map(|name| (tasks.clone(), name))
                    .collect()
            };
            let named: Vec<(Tasks, Arc<str>)> = all.iter().flat_map::<Vec<_>, _>(named).collect();
            assert_eq!(named.len(), TASKS, "{named:?}");
            let (tasks, name) = &named[place];
            tasks.fail(name);
            let served = agent
                .serve(snapshots, &mut requests, &CancellationToken::new())
                .await;
            let error = agent.cause_of(served.expect_err("a task is missing")).await;
            assert_eq!(
                error.to_string(),
                format!("the task `{name}` was cancelled")
            );
        }
    });
}

#[test]
fn a_missing_capability_is_a_problem_that_everybody_sees() {
    let name = "agent::tests::a_missing_capability_is_a_problem_that_everybody_sees";
    netns::run(name, async {
        let all = capabilities(None).expect("they can be asked for");
        let few = CapabilitySets {
            effective: all.effective - CapabilitySet::NET_ADMIN,
            ..all
        };
        set_capabilities(None, few).expect("one can be dropped");
        let mut agent = agent().await;
        agent.follow(&snapshot()).await.expect("a speaker");
        let is_named = |agent: &Agent| {
            let wrongs = agent.all_problems();
            wrongs
                .iter()
                .any(|problem| problem.reason.contains("CAP_NET_ADMIN"))
        };
        while !is_named(&agent) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}
