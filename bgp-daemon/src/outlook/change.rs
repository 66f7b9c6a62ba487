//! What becoming another plan would do to one node: sessions, what each peer is told, what is in the kernel, new problems.
//!
//! Which sessions start anew is the speaker's own decision ([`bgp_speaker::Desired::compare`]); what is told is that of a [`Forecast`]
//! before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgp_speaker::pool::Pool;
use ipnet::IpNet;
use serde::Serialize;

use super::attributes::WireAttributes;
use super::default_route::{self, DefaultRouteChange};
use super::field_name::field_name;
use super::forecast::{Forecast, Prospect};
use super::kernel::{self, KernelChange};
use super::setting::{self, SettingChange};
use crate::plan::Plan;
use crate::resources::Problem;

/// What changes on one node. All lists are sorted, by peer first. Keys in JSON are a contract.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The sessions.
    pub sessions: SessionChanges,
    /// What peers are told. Routes of a session that starts anew are there only if they differ before and after.
    pub routes: Vec<RouteChange>,
    /// Towards whom a default route would begin or cease to pass, whoever originates it.
    pub default_routes: Vec<DefaultRouteChange>,
    /// What is in the kernel, and what may be there.
    pub kernel: Vec<KernelChange>,
    /// Settings of the speaker as a whole.
    pub settings: Vec<SettingChange>,
    /// Problems that are new.
    pub problems: Vec<Problem>,
    /// What there was.
    #[serde(skip)]
    pub before: Before,
}

/// How sessions change, by the names that control sockets show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SessionChanges {
    /// New ones.
    pub added: Vec<Arc<str>>,
    /// Those that end for good.
    pub removed: Vec<Arc<str>>,
    /// Those that end and start anew.
    pub restarted: Vec<SessionChange>,
    /// Those that go on with other settings, which no peer notices but by its routes.
    pub changed: Vec<SessionChange>,
}

/// A session that has other settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionChange {
    /// Its name.
    pub peer: Arc<str>,
    /// The settings, as `plan -o json` calls them; `import` and `export` are its policies.
    pub because: Vec<&'static str>,
}

/// What happens to a route, or to anything else that is there or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteAction {
    /// The peer is told of the prefix.
    Announced,
    /// The peer was told, and is not any more.
    Withdrawn,
    /// The peer is told other attributes.
    Changed,
}

/// One route that one peer is told in another way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteChange {
    /// The session.
    pub peer: Arc<str>,
    /// The prefix.
    pub prefix: IpNet,
    /// What happens.
    pub change: RouteAction,
    /// The attributes that the peer was told.
    pub was: Option<Arc<WireAttributes>>,
    /// The attributes that the peer will be told.
    pub becomes: Option<Arc<WireAttributes>>,
}

/// What a change is measured against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// How many routes each peer was told.
    pub told: BTreeMap<Arc<str>, usize>,
}

impl Change {
    /// From one plan to another one of the same node.
    ///
    /// ```
    /// use bgp_daemon::outlook::Change;
    /// use bgp_daemon::plan::{Environment, plan};
    /// use bgp_daemon::resources::ResourceSet;
    ///
    /// let plan = plan(&ResourceSet::default(), "a", &Environment::default());
    /// assert!(Change::between(&plan, &plan).is_empty());
    /// ```
    pub fn between(old: &Plan, new: &Plan) -> Self {
        let mut policies = Pool::default();
        let [before, after] = [old, new].map(|plan| Forecast::new(plan, &mut policies));
        Self {
            sessions: sessions(old, new, &before, &after),
            routes: routes(&before, &after),
            default_routes: default_route::changes(before.desired(), after.desired()),
            kernel: kernel::changes(old, new),
            settings: setting::changes(old, new),
            problems: new_problems(&old.problems, &new.problems),
            before: Before::of(&before),
        }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        let before = self.before.clone();
        *self
            == Self {
                before,
                ..Self::default()
            }
    }
}

impl SessionChanges {
    /// Whether no session has anything new.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Before {
    fn of(forecast: &Forecast) -> Self {
        let mut by_kind = BTreeMap::new();
        let told = forecast.peers().map(|name| {
            let told = || {
                forecast
                    .towards(name)
                    .map_or(0, |routes| told(routes).count())
            };
            let kind = forecast.kind(name);
            (Arc::clone(name), *by_kind.entry(kind).or_insert_with(told))
        });
        Self {
            told: told.collect(),
        }
    }
}

fn sessions(old: &Plan, new: &Plan, before: &Forecast, after: &Forecast) -> SessionChanges {
    let (was, is) = (before.desired(), after.desired());
    let report = was.compare(is);
    // The agent starts another speaker for another identifier.
    let is_new_speaker = old.router_id != new.router_id;
    let mut changes = SessionChanges {
        added: report.added,
        removed: report.removed,
        ..SessionChanges::default()
    };
    let restarted: BTreeMap<_, _> = report.restarted.into_iter().collect();
    let changed: BTreeMap<_, _> = report.changed.into_iter().collect();
    for (name, spec) in &is.peers {
        let Some(other) = was.peers.get(name) else {
            continue;
        };
        let names = |fields: Option<&Vec<&'static str>>| {
            let fields = fields.into_iter().flatten();
            fields
                .map(|field| field_name(field, other, spec))
                .collect::<Vec<_>>()
        };
        let mut because = names(restarted.get(name));
        if is_new_speaker {
            because.insert(0, "routerID");
        }
        let peer = Arc::clone(name);
        if !because.is_empty() {
            changes.restarted.push(SessionChange { peer, because });
        } else if changed.contains_key(name) {
            let because = names(changed.get(name));
            changes.changed.push(SessionChange { peer, because });
        }
    }
    changes
}

type Differences = Vec<(
    IpNet,
    Option<Arc<WireAttributes>>,
    Option<Arc<WireAttributes>>,
)>;

fn routes(before: &Forecast, after: &Forecast) -> Vec<RouteChange> {
    let peers: BTreeSet<&Arc<str>> = before.peers().chain(after.peers()).collect();
    // Peers that were alike and are alike see the same.
    let mut known: BTreeMap<_, Differences> = BTreeMap::new();
    let mut changes = Vec::new();
    for peer in peers {
        let kinds = (before.kind(peer), after.kind(peer));
        let seen = known
            .entry(kinds)
            .or_insert_with(|| differences(before.towards(peer), after.towards(peer)));
        let of_peer = seen.iter().map(|(prefix, was, becomes)| RouteChange {
            peer: Arc::clone(peer),
            prefix: *prefix,
            change: match (was, becomes) {
                (None, _) => RouteAction::Announced,
                (_, None) => RouteAction::Withdrawn,
                (Some(_), Some(_)) => RouteAction::Changed,
            },
            was: was.clone(),
            becomes: becomes.clone(),
        });
        changes.extend(of_peer);
    }
    changes
}

type Told = BTreeMap<IpNet, Prospect>;

fn told(routes: &Told) -> impl Iterator<Item = (IpNet, &Arc<WireAttributes>)> {
    let routes = routes.iter();
    routes.filter_map(|(prefix, prospect)| Some((*prefix, prospect.attributes()?)))
}

fn differences(before: Option<&Told>, after: Option<&Told>) -> Differences {
    let [before, after] = [before, after].map(|routes| {
        let told = routes.into_iter().flat_map(told);
        told.collect::<BTreeMap<_, _>>()
    });
    let prefixes: BTreeSet<IpNet> = before.keys().chain(after.keys()).copied().collect();
    let both = prefixes.into_iter().map(|prefix| {
        let [was, becomes] =
            [&before, &after].map(|told| told.get(&prefix).map(|it| Arc::clone(it)));
        (prefix, was, becomes)
    });
    both.filter(|(_, was, becomes)| was != becomes).collect()
}

/// The problems that are new. Where one is written does not matter: lines move.
pub fn new_problems(old: &[Problem], new: &[Problem]) -> Vec<Problem> {
    fn what(problem: &Problem) -> (&str, Option<&str>, &str) {
        let field = problem.field.as_deref();
        (&problem.object, field, &problem.reason)
    }
    let known: BTreeSet<_> = old.iter().map(what).collect();
    let new = new.iter().filter(|problem| !known.contains(&what(problem)));
    new.cloned().collect()
}

#[cfg(test)]
mod tests;
