//! Pages of answers to queries, so that no query blocks the RIB for long.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::adj_out::{Entry, is_withheld};
use super::attributes::AttrId;
use super::decision::{Losses, Ranking};
use super::family::FamilyRib;
use super::group::Group;
use super::path::Path;
use super::reason::{Standing, Withheld};
use super::shared::Shared;
use super::table::Slot;
use super::tables::Tables;
use super::trace;
use super::view::{Cursor, Page, Query, Selection, View, ViewedRoute};
use crate::types::{Family, PathId, PeerId, Prefix};
use crate::wire::Attributes;

/// Slots and paths visited for one page.
const LOOKS: usize = if cfg!(test) { 8 } else { 4096 };

/// A page, starting at a cursor.
pub(super) fn page(tables: &Tables, query: &Query, from: Cursor, limit: usize) -> Page {
    let Tables { shared, ipv4, ipv6 } = tables;
    match query.family {
        Family::Ipv4Unicast => of_family(ipv4, shared, query, from, limit),
        Family::Ipv6Unicast => of_family(ipv6, shared, query, from, limit),
    }
}

fn of_family<P: Prefix>(
    family: &FamilyRib<P>,
    shared: &Shared,
    query: &Query,
    from: Cursor,
    limit: usize,
) -> Page {
    let mut answer = Answer {
        family,
        shared,
        query,
        routes: Vec::new(),
        looks: 0,
        last: None,
    };
    let next = match query.selection {
        Selection::Exactly(net) => {
            answer.add_prefix(net);
            None
        }
        Selection::LongestMatch(net) => {
            answer.add_longest_match(net);
            None
        }
        Selection::All | Selection::Within(_) => answer.add_slots(from, limit),
    };
    Page {
        routes: answer.routes,
        next,
    }
}

/// A page under construction.
struct Answer<'a, P> {
    family: &'a FamilyRib<P>,
    shared: &'a Shared,
    query: &'a Query,
    routes: Vec<ViewedRoute>,
    looks: usize,
    /// The last attributes: routes come in runs.
    last: Option<(AttrId, Arc<Attributes>)>,
}

/// The paths of a prefix, with the state of the decision.
struct Candidates<'a, P> {
    slot: &'a Slot<P>,
    ranking: Ranking<'a>,
    losses: Option<Losses<'a>>,
}

impl<P: Prefix> Answer<'_, P> {
    fn add_slots(&mut self, Cursor(from): Cursor, limit: usize) -> Option<Cursor> {
        for at in from..self.family.paths.table.end() {
            if self.routes.len() >= limit || self.looks >= LOOKS {
                return Some(Cursor(at));
            }
            self.looks += 1;
            let prefix = self.family.paths.table[at].prefix;
            if self.query.selection.may_include(prefix.into()) {
                self.add(at);
            }
        }
        None
    }

    fn add_prefix(&mut self, net: IpNet) {
        let prefix = P::from_net(net);
        if let Some(at) = prefix.and_then(|prefix| self.family.paths.table.find(prefix)) {
            self.add(at);
        }
    }

    fn add_longest_match(&mut self, net: IpNet) {
        for len in (0..=net.prefix_len()).rev() {
            if let Ok(shorter) = IpNet::new(net.addr(), len) {
                self.add_prefix(shorter);
            }
            if !self.routes.is_empty() {
                return;
            }
        }
    }

    /// Adds a slot's routes of the view.
    fn add(&mut self, at: u32) {
        let slot = &self.family.paths.table[at];
        self.looks += slot.paths.as_slice().len();
        if slot.paths.is_empty() {
            return;
        }
        let candidates = Candidates::of(self.shared, slot);
        match (self.query.view, self.query.peer) {
            (View::Told, Some(peer)) => self.add_told(at, &candidates, peer),
            (View::Told, None) => {
                for (peer, _) in self.shared.peers.iter() {
                    self.add_told(at, &candidates, peer);
                }
            }
            (view, peer) => {
                for (place, path) in candidates.living() {
                    let is_asked = peer.is_none_or(|peer| path.peer == peer);
                    if is_asked && self.shows(view, &candidates, place) {
                        let attrs = match view {
                            View::Received => path.received,
                            View::Accepted | View::Best | View::Told => path.attrs,
                        };
                        self.push(slot, path, attrs, candidates.standing(place));
                    }
                }
            }
        }
    }

    fn shows(&self, view: View, candidates: &Candidates<'_, P>, place: usize) -> bool {
        let path = &candidates.paths()[place];
        match view {
            View::Received => !path.is_local(),
            View::Accepted => !path.is_local() && (path.unusable.is_none() || self.query.left_out),
            View::Best | View::Told => candidates.is_best(place) || self.query.left_out,
        }
    }

    fn add_told(&mut self, at: u32, candidates: &Candidates<'_, P>, to: PeerId) {
        let Some(group) = self.family.groups.of_peer::<P>(self.shared, to) else {
            return;
        };
        let entries = group.out.get(at);
        let several = group.key().context.add_path_send[P::FAMILY];
        self.looks += candidates.paths().len();
        // The path of an entry without path identifier: the best path is first.
        let only = entries.first().filter(|_| !several);
        let only = only.and_then(|entry| {
            let mut paths = candidates.paths().iter();
            paths.position(|path| path.peer == entry.source)
        });
        for (place, path) in candidates.living() {
            let entry = match several {
                true => entry_of(entries, path),
                false => entries.first().filter(|_| only == Some(place)),
            };
            let is_candidate = candidates.is_best(place)
                || (several && candidates.slot.chosen && candidates.is_eligible(place));
            let (attrs, standing) = match entry {
                Some(entry) => (entry.attrs, told(self.shared, to, *entry)),
                None if is_candidate => {
                    let why = why_not(self.shared, group, candidates.slot, at, path);
                    (path.attrs, Standing::Withheld(why))
                }
                None => (path.attrs, candidates.standing(place)),
            };
            if standing == Standing::Told || self.query.left_out {
                self.push(candidates.slot, path, attrs, standing);
                if let Some(route) = self.routes.last_mut() {
                    route.to = Some(to);
                    route.path_id = PathId(entry.map_or(0, |entry| entry.path_id).into());
                }
            }
        }
    }

    fn push(&mut self, slot: &Slot<P>, path: &Path, attrs: AttrId, standing: Standing) {
        let shared = self.shared;
        let peer = shared.peers.find(path.peer);
        let epoch = peer.map(|peer| peer.families[P::FAMILY].epoch);
        let attributes = self.attributes(attrs);
        self.routes.push(ViewedRoute {
            prefix: slot.prefix.into(),
            source: path.source(),
            to: None,
            path_id: match path.is_local() {
                true => PathId(0),
                false => path.remote_id,
            },
            since: shared.start + Duration::from_secs(path.since.into()),
            attributes,
            next_hop: shared.store.next_hop(attrs),
            preference: shared.store[attrs].preference,
            igp_metric: shared.store.igp_metric(path.attrs),
            stale: epoch.is_some_and(|epoch| epoch != path.epoch),
            standing,
        });
    }

    fn attributes(&mut self, attrs: AttrId) -> Arc<Attributes> {
        if let Some((last, attributes)) = &self.last
            && *last == attrs
        {
            return Arc::clone(attributes);
        }
        let attributes = Arc::new(self.shared.store.view(attrs).to_attributes());
        self.last = Some((attrs, Arc::clone(&attributes)));
        attributes
    }
}

impl<'a, P: Prefix> Candidates<'a, P> {
    fn of(shared: &'a Shared, slot: &'a Slot<P>) -> Self {
        let ranking = Ranking::of(shared, P::FAMILY);
        let paths = slot.paths.as_slice();
        let decided = slot.chosen && !slot.dirty && paths.len() > 1;
        Self {
            slot,
            ranking,
            losses: decided.then(|| ranking.losses(paths, 0)),
        }
    }

    fn paths(&self) -> &'a [Path] {
        self.slot.paths.as_slice()
    }

    /// Paths that are not dead, with their indexes.
    fn living(&self) -> impl Iterator<Item = (usize, &'a Path)> + use<'a, P> {
        let ranking = self.ranking;
        let paths = self.paths().iter().enumerate();
        paths.filter(move |(_, path)| !ranking.peers.is_dead(P::FAMILY, path))
    }

    fn is_eligible(&self, place: usize) -> bool {
        self.ranking.is_eligible(&self.paths()[place])
    }

    fn is_best(&self, place: usize) -> bool {
        place == 0 && self.slot.chosen && self.is_eligible(place)
    }

    fn standing(&self, place: usize) -> Standing {
        if let Some(why) = self.paths()[place].unusable {
            return Standing::Unusable(why);
        }
        if !self.is_eligible(place) {
            return Standing::Unreachable;
        }
        if self.is_best(place) {
            return Standing::Best;
        }
        let Some(losses) = &self.losses else {
            return Standing::Undecided;
        };
        let (step, other) = losses.of(place);
        Standing::Lost {
            step,
            against: self.paths()[other].source(),
        }
    }
}

fn entry_of<'a>(entries: &'a [Entry], path: &Path) -> Option<&'a Entry> {
    let found = entries.binary_search_by_key(&path.local_id, |entry| entry.path_id);
    let entry = found.ok().map(|place| &entries[place]);
    entry.filter(|entry| entry.source == path.peer)
}

/// Whether a peer is sent an entry of its group.
fn told(shared: &Shared, to: PeerId, entry: Entry) -> Standing {
    match is_withheld(shared, to, entry) {
        false => Standing::Told,
        true if entry.source == to => Standing::Withheld(Withheld::Source),
        true => Standing::Withheld(Withheld::NextHop),
    }
}

/// Why a group does not advertise a candidate path.
fn why_not<P: Prefix>(
    shared: &Shared,
    group: &Group,
    slot: &Slot<P>,
    at: u32,
    path: &Path,
) -> Withheld {
    let (withheld, _) = trace::why_not(group.key(), shared, path, slot.prefix.into());
    withheld.unwrap_or_else(|| match slot.dirty || group.waiting.contains(at) {
        true => Withheld::Waiting,
        false => Withheld::TooLong,
    })
}
