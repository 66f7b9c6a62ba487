//! What a watcher has told its owner so far, and what is to be told when it has read something again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgp_core::rib::{RouteSource, View, ViewedRoute};
use bgp_core::types::{PathId, PeerId};
use bgp_core::wire::Attributes;
use ipnet::IpNet;

use crate::pool::Pool;

/// A route that came, changed or went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Change {
    /// In which view.
    pub view: View,
    /// Of which prefix.
    pub prefix: IpNet,
    /// The route as it was told before; `None`: it is new.
    pub old: Option<Arc<ViewedRoute>>,
    /// The route as it is; `None`: it has gone.
    pub new: Option<Arc<ViewedRoute>>,
}

/// What makes two routes of a view and a prefix the same one, which changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// There is one best route, wherever it was learned.
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

/// Which prefix of which view.
pub(super) type Place = (View, IpNet);

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Nothing without routes.
    routes: BTreeMap<Place, Vec<Arc<ViewedRoute>>>,
    attributes: Pool<Attributes>,
}

impl Known {
    /// Everything of which there are routes.
    pub(super) fn places(&self) -> BTreeSet<Place> {
        self.routes.keys().copied().collect()
    }

    /// Takes note of all that a view has of a prefix; what differs is to be told.
    pub(super) fn update(&mut self, place: Place, routes: Vec<ViewedRoute>) -> Vec<Change> {
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
