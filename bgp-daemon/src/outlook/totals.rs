//! The totals of a change, for one node or many.

use std::ops::AddAssign;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::{Change, RouteAction};
use super::default_route::is_default;

/// A number and its total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// The number.
    pub found: usize,
    /// The total before the change.
    pub of: usize,
}

/// The totals of a change. A route is one prefix advertised to one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Nodes with any difference.
    pub nodes: Count,
    /// New sessions.
    pub added: Count,
    /// Sessions that end for good.
    pub removed: Count,
    /// Sessions that restart.
    pub restarted: Count,
    /// Routes that are announced.
    pub announced: Count,
    /// Withdrawn routes, including those of removed sessions.
    pub withdrawn: Count,
    /// Routes with other attributes.
    pub changed: Count,
    /// Default routes with other attributes, or that begin or cease to pass in a session.
    pub default_routes: usize,
    /// New problems.
    pub problems: usize,
}

impl Totals {
    /// The totals of one node; `weight` is the number of peers that a peer represents.
    pub fn of(change: &Change, weight: impl Fn(&str) -> usize) -> Self {
        let told = &change.before.told;
        let sessions = told.keys().map(|name| weight(name)).sum();
        let routes = told
            .iter()
            .map(|(name, routes)| weight(name) * routes)
            .sum();
        let count = |found, of| Count { found, of };
        let those = |action| {
            let changes = change.routes.iter().filter(move |it| it.change == action);
            count(changes.map(|it| weight(&it.peer)).sum(), routes)
        };
        let names = |names: &[std::sync::Arc<str>]| {
            let weights = names.iter().map(|name| weight(name));
            count(weights.sum(), sessions)
        };
        let restarted = change.sessions.restarted.iter();
        let defaults = change.routes.iter().filter(|it| is_default(it.prefix));
        let defaults = defaults.map(|it| &it.peer);
        let passing = change.default_routes.iter().map(|it| &it.peer);
        Self {
            nodes: count(usize::from(!change.is_empty()), 1),
            added: names(&change.sessions.added),
            removed: names(&change.sessions.removed),
            restarted: count(restarted.map(|it| weight(&it.peer)).sum(), sessions),
            announced: those(RouteAction::Announced),
            withdrawn: those(RouteAction::Withdrawn),
            changed: those(RouteAction::Changed),
            default_routes: defaults.chain(passing).map(|name| weight(name)).sum(),
            problems: change.problems.len(),
        }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.found += other.found;
        self.of += other.of;
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.nodes += other.nodes;
        self.added += other.added;
        self.removed += other.removed;
        self.restarted += other.restarted;
        self.announced += other.announced;
        self.withdrawn += other.withdrawn;
        self.changed += other.changed;
        self.default_routes += other.default_routes;
        self.problems += other.problems;
    }
}
