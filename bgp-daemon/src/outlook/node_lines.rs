//! The changes of one node, as part of those of the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;

use super::change::{Change, SessionChange, SessionChanges};
use super::summary::{SessionAction, Summary};
use super::times::Times;
use crate::plan::Plan;

/// Adds the changes of one node.
pub(super) fn node_lines(
    node: &str,
    plans: [&Plan; 2],
    change: &Change,
    weight: impl Fn(&str) -> usize,
    summary: &mut Summary,
) {
    let groups = &mut summary.groups;
    let peers = plans.iter().flat_map(|plan| &plan.peers);
    let objects: BTreeMap<&str, &str> = peers
        .map(|peer| (peer.name.as_str(), peer.resource.as_str()))
        .collect();
    let from = |peer: &str| (*objects.get(peer).unwrap_or(&"")).to_owned();
    let times = |peer: &str| Times::on(node, peer, weight(peer));
    let once = || Times::on(node, "", 1);
    for (action, SessionChange { peer, because }) in sessions(&change.sessions) {
        let times = times(&peer);
        note(&mut groups.sessions, (action, from(&peer), because), times);
    }
    let blocks = plans.iter().flat_map(|plan| &plan.aggregated);
    let blocks: BTreeSet<IpNet> = blocks.map(|block| block.prefix).collect();
    for route in &change.routes {
        let key = (route.change, route.prefix, blocks.contains(&route.prefix));
        let attributes = [&route.was, &route.becomes];
        let attributes = attributes.map(|it| it.as_deref().cloned());
        groups.add_route(key, times(&route.peer), attributes);
    }
    for route in &change.default_routes {
        let from = from(&route.peer);
        let key = (route.prefix, route.direction, route.passes, from);
        note(&mut groups.default_routes, key, times(&route.peer));
    }
    for change in &change.kernel {
        note(&mut groups.kernel, change.clone(), once());
    }
    for change in &change.settings {
        note(&mut groups.settings, change.clone(), once());
    }
    for problem in &change.problems {
        note(&mut groups.problems, problem.clone(), once());
    }
    let [old, new] = plans;
    if new.node_exists && new.peers.is_empty() && !old.peers.is_empty() {
        groups.cut_off.add(once());
    }
}

fn note<K: Ord>(lines: &mut BTreeMap<K, Times>, key: K, times: Times) {
    lines.entry(key).or_default().add(times);
}

fn sessions(changes: &SessionChanges) -> impl Iterator<Item = (SessionAction, SessionChange)> {
    let plain = |peer: &Arc<str>| SessionChange {
        peer: Arc::clone(peer),
        because: Vec::new(),
    };
    let removed = changes.removed.iter().map(plain);
    let added = changes.added.iter().map(plain);
    let (restarted, changed) = (changes.restarted.iter(), changes.changed.iter());
    let removed = removed.map(|it| (SessionAction::Removed, it));
    let restarted = restarted.map(|it| (SessionAction::Restarted, it.clone()));
    let added = added.map(|it| (SessionAction::Added, it));
    let changed = changed.map(|it| (SessionAction::Changed, it.clone()));
    removed.chain(restarted).chain(added).chain(changed)
}
