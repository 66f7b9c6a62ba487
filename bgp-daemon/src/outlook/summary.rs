//! The effect of a change on a cluster, summed up: equal changes of many nodes are one line. JSON keys are a contract.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::Serialize;

use super::attributes::WireAttributes;
use super::change::RouteAction;
use super::default_route::RouteDirection;
use super::kernel::KernelChange;
use super::risk::RiskLine;
use super::setting::SettingChange;
use super::times::Times;
use super::totals::Totals;
use crate::resources::Problem;

/// The effect of a change on a cluster.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The nodes.
    pub nodes: Nodes,
    /// Totals. A session between two nodes counts at both ends.
    pub totals: Totals,
    /// Risks, the worst first.
    pub risks: Vec<RiskLine>,
    /// The sessions.
    pub sessions: SessionLines,
    /// Advertised routes.
    pub routes: Vec<RouteLine>,
    /// Sessions in which a default route would start or stop to pass.
    pub default_routes: Vec<DefaultRouteLine>,
    /// Routes that are or may be in the kernel.
    pub kernel: Vec<KernelLine>,
    /// Settings of speakers.
    pub settings: Vec<SettingLine>,
    /// New problems.
    pub problems: Vec<ProblemLine>,
    #[serde(skip)]
    pub(super) groups: Groups,
    /// Objects and sessions visited: the measure of work.
    #[serde(skip)]
    pub(super) looked_at: usize,
}

/// The nodes of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Nodes {
    /// New nodes.
    pub added: Vec<String>,
    /// Removed nodes.
    pub removed: Vec<String>,
    /// The number of other nodes with changes.
    pub changed: usize,
}

/// Sessions by kind of change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SessionLines {
    /// New sessions.
    pub added: Vec<SessionLine>,
    /// Sessions that end for good.
    pub removed: Vec<SessionLine>,
    /// Sessions that restart.
    pub restarted: Vec<SessionLine>,
    /// Sessions that stay up with other settings.
    pub changed: Vec<SessionLine>,
}

/// Sessions of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionLine {
    /// The object, such as `BGPPeer/tor`.
    pub from: String,
    /// The settings that are the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<&'static str>,
    /// How often.
    #[serde(flatten)]
    pub times: Times,
}

/// A changed prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteLine {
    /// The prefix.
    pub prefix: IpNet,
    /// The change.
    pub change: RouteAction,
    /// The prefix is a block of workload addresses.
    pub block: bool,
    /// The attributes before, in the example.
    pub was: Option<WireAttributes>,
    /// The attributes after, in the example.
    pub becomes: Option<WireAttributes>,
    /// How often.
    #[serde(flatten)]
    pub times: Times,
}

/// A default route that starts or stops to pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DefaultRouteLine {
    /// `0.0.0.0/0` or `::/0`.
    pub prefix: IpNet,
    /// The direction.
    pub direction: RouteDirection,
    /// Whether the route passes afterwards.
    pub passes: bool,
    /// The object of the sessions.
    pub from: String,
    /// How often.
    #[serde(flatten)]
    pub times: Times,
}

/// A change in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KernelLine {
    /// The change.
    #[serde(flatten)]
    pub change: KernelChange,
    /// How often.
    #[serde(flatten)]
    pub times: Times,
}

/// A changed setting of speakers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingLine {
    /// The change.
    #[serde(flatten)]
    pub change: SettingChange,
    /// How often.
    #[serde(flatten)]
    pub times: Times,
}

/// A new problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProblemLine {
    /// The problem.
    #[serde(flatten)]
    pub problem: Problem,
    /// How often; on no node for a problem of the resources.
    #[serde(flatten)]
    pub times: Times,
}

/// The change of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum SessionAction {
    Removed,
    Restarted,
    Added,
    Changed,
}

/// Changes, grouped.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    pub(super) sessions: BTreeMap<(SessionAction, String, Vec<&'static str>), Times>,
    pub(super) routes: BTreeMap<(RouteAction, IpNet, bool), (Times, Attributes)>,
    pub(super) default_routes: BTreeMap<(IpNet, RouteDirection, bool, String), Times>,
    pub(super) kernel: BTreeMap<KernelChange, Times>,
    pub(super) settings: BTreeMap<SettingChange, Times>,
    pub(super) problems: BTreeMap<Problem, Times>,
    /// Nodes that lose all sessions, but still exist.
    pub(super) cut_off: Times,
}

/// The attributes of an example route before and after.
pub(super) type Attributes = [Option<WireAttributes>; 2];

impl Nodes {
    pub(super) fn note(&mut self, name: &str, was_there: bool, is_there: bool) {
        match (was_there, is_there) {
            (false, true) => self.added.push(name.to_owned()),
            (true, false) => self.removed.push(name.to_owned()),
            _ => self.changed += 1,
        }
    }
}

fn add<K: Ord>(map: &mut BTreeMap<K, Times>, more: BTreeMap<K, Times>) {
    for (key, times) in more {
        map.entry(key).or_default().add(times);
    }
}

impl Groups {
    fn merge(&mut self, other: Self) {
        add(&mut self.sessions, other.sessions);
        add(&mut self.default_routes, other.default_routes);
        add(&mut self.kernel, other.kernel);
        add(&mut self.settings, other.settings);
        add(&mut self.problems, other.problems);
        self.cut_off.add(other.cut_off);
        for (key, (times, attributes)) in other.routes {
            self.add_route(key, times, attributes);
        }
    }

    pub(super) fn add_route(
        &mut self,
        key: (RouteAction, IpNet, bool),
        times: Times,
        attributes: Attributes,
    ) {
        let known = self.routes.entry(key).or_default();
        if known.0.node.is_empty() || times.node < known.0.node {
            known.1 = attributes;
        }
        known.0.add(times);
    }
}

impl Summary {
    pub(super) fn merge(&mut self, other: Self) {
        self.nodes.added.extend(other.nodes.added);
        self.nodes.removed.extend(other.nodes.removed);
        self.nodes.changed += other.nodes.changed;
        self.totals += other.totals;
        self.looked_at += other.looked_at;
        self.groups.merge(other.groups);
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        let Nodes {
            added,
            removed,
            changed,
        } = &self.nodes;
        added.is_empty() && removed.is_empty() && *changed == 0 && self.problems.is_empty()
    }

    /// Turns groups into lines.
    pub(super) fn finish(&mut self) {
        self.nodes.added.sort();
        self.nodes.removed.sort();
        for ((action, from, because), times) in std::mem::take(&mut self.groups.sessions) {
            let lines = match action {
                SessionAction::Removed => &mut self.sessions.removed,
                SessionAction::Restarted => &mut self.sessions.restarted,
                SessionAction::Added => &mut self.sessions.added,
                SessionAction::Changed => &mut self.sessions.changed,
            };
            lines.push(SessionLine {
                from,
                because,
                times,
            });
        }
        let routes = std::mem::take(&mut self.groups.routes).into_iter();
        self.routes = routes
            .map(
                |((change, prefix, block), (times, [was, becomes]))| RouteLine {
                    prefix,
                    change,
                    block,
                    was,
                    becomes,
                    times,
                },
            )
            .collect();
        let routes = std::mem::take(&mut self.groups.default_routes).into_iter();
        self.default_routes = routes
            .map(
                |((prefix, direction, passes, from), times)| DefaultRouteLine {
                    prefix,
                    direction,
                    passes,
                    from,
                    times,
                },
            )
            .collect();
        let kernel = std::mem::take(&mut self.groups.kernel).into_iter();
        self.kernel = kernel
            .map(|(change, times)| KernelLine { change, times })
            .collect();
        let settings = std::mem::take(&mut self.groups.settings).into_iter();
        self.settings = settings
            .map(|(change, times)| SettingLine { change, times })
            .collect();
        let problems = std::mem::take(&mut self.groups.problems).into_iter();
        self.problems = problems
            .map(|(problem, times)| ProblemLine { problem, times })
            .collect();
        self.totals.problems = self.problems.len();
    }
}
