//! A change in numbers: of one node, or the sum of many.

use std::ops::AddAssign;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::{Change, RouteAction};
use super::default_route::is_default;

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// So many.
    pub found: usize,
    /// Of so many that there were before.
    pub of: usize,
}

/// A change in numbers. A route is one prefix that one peer is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Nodes with any difference.
    pub nodes: Count,
    /// Sessions that are new.
    pub added: Count,
    /// Sessions that end for good.
    pub removed: Count,
    /// Sessions that start anew.
    pub restarted: Count,
    /// Routes that are announced.
    pub announced: Count,
    /// Routes that are withdrawn, those of removed sessions too.
    pub withdrawn: Count,
    /// Routes with other attributes.
    pub changed: Count,
    /// Default routes that are told otherwise, or that pass in a session in which they did not, or the other way round.
    pub default_routes: usize,
    /// Problems that are new.
    pub problems: usize,
}

impl Totals {
    /// The numbers of one node, in which a peer counts as so many.
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
