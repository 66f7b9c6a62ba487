//! The effect of changed resources on all nodes of a cluster, computed on all cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::change::Change;
use super::cluster::Cluster;
use super::node_lines::node_lines;
use super::summary::Summary;
use super::totals::Totals;
use crate::plan::{Environment, Plan, plan};
use crate::resources::ResourceSet;

/// The effect on a cluster. `progress` is called with the number of finished nodes and the total, from any thread.
pub fn all_nodes(
    old: &ResourceSet,
    new: &ResourceSet,
    environment: &Environment,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Summary {
    let cluster = Cluster::new(old, new, environment);
    let names: Vec<&str> = cluster.names().collect();
    let environment = of_any_node(environment);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut summary = Summary::default();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(name) = names.get(at) else {
                return summary;
            };
            look_at(&cluster, name, &environment, &mut summary);
            progress(at + 1, names.len());
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut summary = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut summary = Summary::default();
        for worker in workers {
            match worker.join() {
                Ok(part) => summary.merge(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        summary
    });
    summary.finish();
    summary.find_risks();
    summary
}

/// Removes the settings in the environment of this process that concern only its own node.
fn of_any_node(environment: &Environment) -> Environment {
    let mut environment = environment.clone();
    environment.workloads.clear();
    environment.kubernetes_node = None;
    let is_for_all = |id: &String| id == "hash";
    environment.router_id = environment.router_id.filter(is_for_all);
    environment
}

fn look_at(cluster: &Cluster<'_>, name: &str, environment: &Environment, summary: &mut Summary) {
    let seen = cluster.seen_by(name);
    let [was_there, is_there] = cluster.is_there(name);
    let nothing = ResourceSet::default();
    let plans = seen.sets.map(|set| {
        let mut plan = plan(set.as_ref().unwrap_or(&nothing), name, environment);
        if !plan.node_exists {
            // Adding or removing a node is intended, so problems about it are dropped.
            plan.problems.clear();
        }
        (plan, set.map_or(0, |set| set.len()))
    });
    let [(old, objects_before), (new, objects_after)] = plans;
    summary.looked_at += objects_before + objects_after + old.peers.len() + new.peers.len();
    let change = Change::between(&old, &new);
    let there = |plan, is_there: bool| -> Option<&Plan> { is_there.then_some(plan) };
    let weights = cluster.weights(name, [there(&old, was_there), there(&new, is_there)]);
    let weight = |peer: &str| weights.get(peer).copied().unwrap_or(1);
    summary.totals += Totals::of(&change, weight);
    if change.is_empty() {
        return;
    }
    summary.nodes.note(name, was_there, is_there);
    node_lines(name, [&old, &new], &change, weight, summary);
}

#[cfg(test)]
mod tests;
