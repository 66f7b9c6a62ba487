//! The effect of another plan on one node: sessions, advertised routes, kernel, new problems.
//!
//! The speaker itself decides which sessions restart ([`bgp_speaker::Desired::compare`]); advertised routes are those of a
//! [`Forecast`] before and after.

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

/// The effect on one node. All lists are sorted, by peer first. JSON keys are a contract.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The sessions.
    pub sessions: SessionChanges,
    /// Advertised routes. Those of a restarted session are listed only if they differ.
    pub routes: Vec<RouteChange>,
    /// Sessions in which a default route would start or stop to pass, whatever its origin.
    pub default_routes: Vec<DefaultRouteChange>,
    /// Routes that are or may be in the kernel.
    pub kernel: Vec<KernelChange>,
    /// Settings of the speaker as a whole.
    pub settings: Vec<SettingChange>,
    /// New problems.
    pub problems: Vec<Problem>,
    /// The state before.
    #[serde(skip)]
    pub before: Before,
}

/// Changes of sessions, by their names on the control sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SessionChanges {
    /// New sessions.
    pub added: Vec<Arc<str>>,
    /// Sessions that end for good.
    pub removed: Vec<Arc<str>>,
    /// Sessions that restart.
    pub restarted: Vec<SessionChange>,
    /// Sessions that stay up with other settings, which a peer notices only by its routes.
    pub changed: Vec<SessionChange>,
}

/// A session with other settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionChange {
    /// Its name.
    pub peer: Arc<str>,
    /// The settings, named as in `plan -o json`; `import` and `export` are its policies.
    pub because: Vec<&'static str>,
}

/// The change of a route, or of another item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteAction {
    /// The prefix is announced to the peer.
    Announced,
    /// The prefix is withdrawn from the peer.
    Withdrawn,
    /// The prefix is announced with other attributes.
    Changed,
}

/// A changed route towards one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteChange {
    /// The session.
    pub peer: Arc<str>,
    /// The prefix.
    pub prefix: IpNet,
    /// The change.
    pub change: RouteAction,
    /// The attributes before.
    pub was: Option<Arc<WireAttributes>>,
    /// The attributes after.
    pub becomes: Option<Arc<WireAttributes>>,
}

/// The basis for percentages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// The number of routes advertised to each peer.
    pub told: BTreeMap<Arc<str>, usize>,
}

impl Change {
    /// The change from one plan to another one of the same node.
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
    /// Whether no session changes.
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
    // A new router ID starts another speaker.
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
    // Peers that are alike before and after have the same changes.
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

/// The new problems. Their location does not matter, because lines move.
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
