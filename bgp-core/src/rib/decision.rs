//! The decision process (RFC 4271 §9.1.2.2, RFC 4456 §9): selects the best path of a prefix.
//!
//! Input: the paths and their attributes. Output: the index of the best path, and the paths that are equal to it for forwarding.
//! The result does not depend on the order of arrival.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::attributes::AttrStore;
use super::path::Path;
use super::peer::Peers;
use super::reason::DecisionStep;
use super::settings::RibConfig;
use super::shared::Shared;
use crate::steps;
use crate::types::{Asn, Family, PathId, RouterId};
use crate::wire::attribute::Origin;

/// Criteria before MED, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    preference: Reverse<u32>,
    unresolved: bool,
    llgr_stale: bool,
    local_pref: Reverse<u32>,
    path_len: u16,
    origin: Origin,
}

/// Criteria after MED that still matter for forwarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    internal: bool,
    igp_metric: u32,
}

/// Criteria that only break ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tail {
    identifier: RouterId,
    cluster_len: usize,
    address: Option<IpAddr>,
    remote_id: PathId,
}

/// Explains why paths of a prefix are not the best one.
#[derive(Debug)]
pub(crate) struct Losses<'a> {
    ranking: Ranking<'a>,
    paths: &'a [Path],
    best: usize,
    survivors: Vec<usize>,
    /// One survivor of each neighbouring AS.
    by_neighbour: BTreeMap<Asn, usize>,
}

impl Losses<'_> {
    /// The step at which an eligible path lost, and the index of the path that won.
    pub(crate) fn of(&self, lost: usize) -> (DecisionStep, usize) {
        let (ranking, path, best) = (&self.ranking, &self.paths[lost], &self.paths[self.best]);
        if let Some(step) = ranking.head(best).step(&ranking.head(path)) {
            return (step, self.best);
        }
        if self.survivors.binary_search(&lost).is_err() {
            let other = self.by_neighbour.get(&ranking.neighbour(path));
            return (DecisionStep::Med, other.copied().unwrap_or(self.best));
        }
        let step = ranking.cost(best).step(&ranking.cost(path));
        let tail = || ranking.tail(best).step(&ranking.tail(path));
        (step.unwrap_or_else(tail), self.best)
    }
}

impl Head {
    /// The first step at which the two differ.
    fn step(&self, other: &Self) -> Option<DecisionStep> {
        let steps = [
            (
                self.preference != other.preference,
                DecisionStep::Preference,
            ),
            (
                self.unresolved != other.unresolved,
                DecisionStep::Unreachable,
            ),
            (
                self.llgr_stale != other.llgr_stale,
                DecisionStep::LongLivedStale,
            ),
            (self.local_pref != other.local_pref, DecisionStep::LocalPref),
            (self.path_len != other.path_len, DecisionStep::AsPathLength),
            (self.origin != other.origin, DecisionStep::Origin),
        ];
        let differing = steps.into_iter().find(|(differ, _)| *differ);
        differing.map(|(_, step)| step)
    }
}

impl Cost {
    /// The first step at which the two differ.
    fn step(&self, other: &Self) -> Option<DecisionStep> {
        if self.internal != other.internal {
            return Some(DecisionStep::External);
        }
        (self.igp_metric != other.igp_metric).then_some(DecisionStep::IgpMetric)
    }
}

impl Tail {
    /// The first step at which the two differ. The path identifier always differs.
    fn step(&self, other: &Self) -> DecisionStep {
        if self.identifier != other.identifier {
            DecisionStep::Identifier
        } else if self.cluster_len != other.cluster_len {
            DecisionStep::ClusterList
        } else if self.address != other.address {
            DecisionStep::Address
        } else {
            DecisionStep::PathId
        }
    }
}

/// All criteria for comparing paths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranking<'a> {
    pub(crate) store: &'a AttrStore,
    pub(crate) peers: &'a Peers,
    pub(crate) config: &'a RibConfig,
    pub(crate) family: Family,
}

impl<'a> Ranking<'a> {
    pub(crate) fn of(shared: &'a Shared, family: Family) -> Self {
        Self {
            family,
            store: &shared.store,
            peers: &shared.peers,
            config: &shared.config,
        }
    }

    /// Index of the best path; `None` if no path is eligible.
    pub(crate) fn best(&self, paths: &[Path]) -> Option<usize> {
        match paths {
            [] => None,
            [only] => self.is_eligible(only).then_some(0),
            several => match self.survivors(several)[..] {
                [] => None,
                [only] => Some(only),
                ref survivors => {
                    let key =
                        |place: &&usize| (self.cost(&paths[**place]), self.tail(&paths[**place]));
                    survivors.iter().min_by_key(key).copied()
                }
            },
        }
    }

    /// Indexes of all paths that are as good as the best one for forwarding, including the best one.
    pub(crate) fn equal_to_best(&self, paths: &[Path]) -> Vec<usize> {
        let mut survivors = self.survivors(paths);
        let key = |place: usize| (self.cost(&paths[place]), self.med(&paths[place]));
        let best = survivors
            .iter()
            .map(|place| key(*place))
            .min_by_key(|(cost, _)| *cost);
        survivors.retain(|place| Some(key(*place)) == best);
        survivors
    }

    /// The paths with the best head, without those that lose by MED within the same neighbouring AS. Evaluated per AS, so the
    /// order of arrival does not matter (RFC 4271 §9.1.2.2 c).
    fn survivors(&self, paths: &[Path]) -> Vec<usize> {
        let mut leaders = self.leaders(paths);
        if leaders.iter().all(|place| self.med(&paths[*place]) == 0) {
            return leaders;
        }
        let of = |place: &usize| (self.neighbour(&paths[*place]), self.med(&paths[*place]));
        let mut lowest: Vec<(Asn, u32)> = leaders.iter().map(of).collect();
        lowest.sort_unstable();
        lowest.dedup_by_key(|(neighbour, _)| *neighbour);
        leaders.retain(|place| lowest.binary_search(&of(place)).is_ok());
        leaders
    }

    fn leaders(&self, paths: &[Path]) -> Vec<usize> {
        steps::count(paths.len());
        let mut best: Option<Head> = None;
        let mut leaders = Vec::new();
        for (place, path) in paths
            .iter()
            .enumerate()
            .filter(|(_, path)| self.is_eligible(path))
        {
            let head = self.head(path);
            match best.map_or(Ordering::Less, |best| head.cmp(&best)) {
                Ordering::Less => {
                    best = Some(head);
                    leaders.clear();
                    leaders.push(place);
                }
                Ordering::Equal => leaders.push(place),
                Ordering::Greater => {}
            }
        }
        leaders
    }

    /// Whether the path may be chosen at all.
    pub(crate) fn is_eligible(&self, path: &Path) -> bool {
        let usable = self.config.use_unresolved || self.store.igp_metric(path.attrs).is_some();
        path.unusable.is_none() && usable && !self.peers.is_dead(self.family, path)
    }

    /// Explains why the other paths lost against this best path.
    pub(crate) fn losses(self, paths: &'a [Path], best: usize) -> Losses<'a> {
        let survivors = self.survivors(paths);
        let by_neighbour = survivors.iter().rev();
        let by_neighbour = by_neighbour.map(|place| (self.neighbour(&paths[*place]), *place));
        Losses {
            ranking: self,
            paths,
            best,
            by_neighbour: by_neighbour.collect(),
            survivors,
        }
    }

    fn head(&self, path: &Path) -> Head {
        let set = &self.store[path.attrs];
        Head {
            preference: Reverse(set.preference),
            unresolved: self.store.igp_metric(path.attrs).is_none(),
            llgr_stale: set.llgr_stale,
            local_pref: Reverse(set.local_pref),
            path_len: set.path_len,
            origin: set.origin,
        }
    }

    fn neighbour(&self, path: &Path) -> Asn {
        self.store[path.attrs].neighbour
    }

    fn med(&self, path: &Path) -> u32 {
        self.store[path.attrs].med
    }

    fn cost(&self, path: &Path) -> Cost {
        let peer = self.peers.find(path.peer);
        Cost {
            internal: peer.is_some_and(|peer| peer.config.kind.is_internal()),
            igp_metric: self.store.igp_metric(path.attrs).unwrap_or(u32::MAX),
        }
    }

    fn tail(&self, path: &Path) -> Tail {
        let peer = self.peers.find(path.peer);
        let peer_id = || peer.map_or(self.config.router_id, |peer| peer.peer_id);
        Tail {
            identifier: self.store.originator_id(path.attrs).unwrap_or_else(peer_id),
            cluster_len: self.store.cluster_len(path.attrs),
            address: peer.map(|peer| peer.config.address),
            remote_id: path.remote_id,
        }
    }
}
