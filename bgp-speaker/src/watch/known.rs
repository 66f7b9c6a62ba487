//! What a watcher has told its owner so far, and the changes that follow from a new reading.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgp_core::rib::{RouteSource, View, ViewedRoute};
use bgp_core::types::{PathId, PeerId};
use bgp_core::wire::Attributes;
use ipnet::IpNet;

use crate::pool::Pool;

/// A new, changed or withdrawn route.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Change {
    /// The view.
    pub view: View,
    /// The prefix.
    pub prefix: IpNet,
    /// The route as told before; `None` if it is new.
    pub old: Option<Arc<ViewedRoute>>,
    /// The current route; `None` if it was withdrawn.
    pub new: Option<Arc<ViewedRoute>>,
}

/// The identity of a route within a view and a prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// There is one best route, whatever its source.
    Best,
    Learned(RouteSource),
    Told(Option<PeerId>, PathId),
}

impl Key {
    fn of(view: View, route: &ViewedRoute) -> Self {
        match view {
            View::Best => Self::Best,
            View::Received | View::Accepted => Self::Learned(route.source),
            View::Told => Self::Told(route.to, route.path_id),
        }
    }
}

/// A view and a prefix.
pub(super) type ViewedPrefix = (View, IpNet);

/// The routes told so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Places without routes have no entry.
    routes: BTreeMap<ViewedPrefix, Vec<Arc<ViewedRoute>>>,
    attributes: Pool<Attributes>,
}

impl Known {
    /// All places with routes.
    pub(super) fn places(&self) -> BTreeSet<ViewedPrefix> {
        self.routes.keys().copied().collect()
    }

    /// Replaces the routes of a place; returns the changes to tell.
    pub(super) fn update(&mut self, place: ViewedPrefix, routes: Vec<ViewedRoute>) -> Vec<Change> {
        let (view, prefix) = place;
        let mut old = self.routes.remove(&place).unwrap_or_default();
        let (mut new, mut changes) = (Vec::with_capacity(routes.len()), Vec::new());
        for mut route in routes {
            let key = Key::of(view, &route);
            let was = old.iter().position(|old| Key::of(view, old) == key);
            let was = was.map(|place| old.swap_remove(place));
            route.attributes = self.attributes.share_arc(route.attributes);
            let route = Arc::new(route);
            let is_same = |was: &Arc<ViewedRoute>| was.is_same_route(&route);
            if !was.as_ref().is_some_and(is_same) {
                changes.push(Change {
                    view,
                    prefix,
                    old: was,
                    new: Some(Arc::clone(&route)),
                });
            }
            new.push(route);
        }
        changes.extend(old.into_iter().map(|old| Change {
            view,
            prefix,
            old: Some(old),
            new: None,
        }));
        if !new.is_empty() {
            self.routes.insert(place, new);
        }
        changes
    }
}
