//! From one desired state to the next: the steps of a running speaker, and their order. Pure.
//!
//! Changes that sessions do not notice come first, and all at once: routes, policies and the cluster ID go to the RIB as one
//! batch. No neighbour sees an intermediate state, and a route in both states is never withdrawn. Sessions end and start
//! afterwards.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bgp_core::rib::{Input, LocalRoute};
use bgp_core::types::RouterId;
use ipnet::IpNet;

use crate::config::{ConfigError, SpeakerConfig};
use crate::spec::PeerSpec;

/// The desired state of a speaker. The default has no peers and announces nothing.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Desired {
    /// Our cluster ID as a route reflector; `None` is the router ID (RFC 4456 §7).
    pub cluster_id: Option<RouterId>,
    /// Routes to announce, by prefix and [`LocalRoute::id`]. Routes that the owner announced by other calls are not affected.
    pub routes: BTreeMap<(IpNet, u32), LocalRoute>,
    /// Peers, by name.
    pub peers: BTreeMap<Arc<str>, PeerSpec>,
    /// Allows several peers with the same address and port. The first of them by name takes incoming connections from there, and
    /// each of them dials; BGP itself keeps one of the sessions up.
    pub shared_addresses: bool,
}

/// One step towards a desired state.
#[derive(Clone, Debug)]
pub enum ApplyStep {
    /// Apply these changes as one batch. No session is touched, and no route is decided in between.
    AtOnce {
        /// Inputs for the RIB.
        inputs: Vec<Input>,
        /// Peers whose sessions stay up.
        peers: Vec<(Arc<str>, PeerSpec)>,
    },
    /// End the session and forget the peer.
    Remove(Arc<str>),
    /// Start a session; an existing session of this name ends first.
    Start(Arc<str>, Box<PeerSpec>),
}

/// The result of a step.
#[derive(Clone, Debug)]
pub(crate) enum Done {
    AtOnce(Vec<Arc<str>>),
    Removed(Arc<str>),
    Started(Arc<str>),
}

impl Done {
    pub(crate) fn of(step: &ApplyStep) -> Self {
        match step {
            ApplyStep::AtOnce { peers, .. } => {
                Self::AtOnce(peers.iter().map(|(name, _)| Arc::clone(name)).collect())
            }
            ApplyStep::Remove(name) => Self::Removed(Arc::clone(name)),
            ApplyStep::Start(name, _) => Self::Started(Arc::clone(name)),
        }
    }
}

/// The effect of a change of the desired state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// New peers.
    pub added: Vec<Arc<str>>,
    /// Removed peers.
    pub removed: Vec<Arc<str>>,
    /// Peers whose sessions restart, and the fields of [`PeerSpec`] that require it.
    pub restarted: Vec<(Arc<str>, Vec<&'static str>)>,
    /// Peers whose sessions stay up with new settings, and the fields of [`PeerSpec`] that changed.
    pub changed: Vec<(Arc<str>, Vec<&'static str>)>,
    /// Routes that are announced, new or with other attributes.
    pub announced: usize,
    /// Routes that are withdrawn.
    pub withdrawn: usize,
}

impl Report {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Desired {
    /// Checks that every peer is usable.
    ///
    /// # Errors
    ///
    /// Every unusable value, and every peer with the address and port of an earlier one.
    pub fn validate(&self, speaker: &SpeakerConfig) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut addresses: BTreeMap<(SocketAddr, Option<IpAddr>), &str> = BTreeMap::new();
        for (name, peer) in &self.peers {
            if let Err(error) = peer.validate(speaker) {
                errors.push(error.of(name));
            }
            if let Some(other) = addresses.insert((peer.remote, peer.source), name)
                && !self.shared_addresses
            {
                errors.push(ConfigError::twice(name, other));
            }
        }
        match errors.is_empty() {
            true => Ok(()),
            false => Err(errors),
        }
    }

    /// Checks one peer that replaces the peer of the same name.
    pub(crate) fn validate_peer(
        &self,
        name: &Arc<str>,
        peer: &PeerSpec,
        speaker: &SpeakerConfig,
    ) -> Result<(), ConfigError> {
        peer.validate(speaker).map_err(|error| error.of(name))?;
        let is_other = |(other, spec): &(&Arc<str>, &PeerSpec)| {
            *other != name && (spec.remote, spec.source) == (peer.remote, peer.source)
        };
        match self.peers.iter().find(is_other) {
            Some((other, _)) if !self.shared_addresses => Err(ConfigError::twice(name, other)),
            _ => Ok(()),
        }
    }

    /// The step that turns the current peer of this name into `peer`.
    pub(crate) fn step_for(&self, name: &Arc<str>, peer: &PeerSpec) -> Option<ApplyStep> {
        step_for(name, self.peers.get(name), peer)
    }

    /// The effect of a change to another state.
    pub fn compare(&self, new: &Self) -> Report {
        let mut report = Report::default();
        for (name, old, new) in side_by_side(&self.peers, &new.peers) {
            let name = || Arc::clone(name);
            let (old, new) = match (old, new) {
                (Some(old), Some(new)) => (old, new),
                (None, _) => {
                    report.added.push(name());
                    continue;
                }
                (Some(_), None) => {
                    report.removed.push(name());
                    continue;
                }
            };
            let because: Vec<_> = old.restarts_because(new).collect();
            let changed: Vec<_> = old.changes_softly(new).collect();
            if !because.is_empty() {
                report.restarted.push((name(), because));
            } else if !changed.is_empty() {
                report.changed.push((name(), changed));
            }
        }
        for (_, route) in self.changed_routes(new) {
            match route {
                Some(_) => report.announced += 1,
                None => report.withdrawn += 1,
            }
        }
        report
    }

    /// The steps to another state.
    pub fn steps_to(&self, new: &Self) -> Vec<ApplyStep> {
        let (mut peers, mut ends, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        for (name, old, new) in side_by_side(&self.peers, &new.peers) {
            match new.map(|new| step_for(name, old, new)) {
                None => ends.push(ApplyStep::Remove(Arc::clone(name))),
                Some(Some(ApplyStep::AtOnce { peers: changed, .. })) => peers.extend(changed),
                Some(step) => starts.extend(step),
            }
        }
        let inputs = self.inputs_to(new);
        let mut steps = vec![ApplyStep::AtOnce { inputs, peers }];
        steps.append(&mut ends);
        steps.append(&mut starts);
        steps
    }

    /// Records that a step towards another state is done.
    pub(crate) fn note(&mut self, done: Done, new: &Self) {
        let changed = match done {
            Done::AtOnce(changed) => {
                self.cluster_id = new.cluster_id;
                if self.routes != new.routes {
                    self.routes.clone_from(&new.routes);
                }
                changed
            }
            Done::Removed(name) => {
                self.peers.remove(&name);
                return;
            }
            Done::Started(name) => vec![name],
        };
        for name in changed {
            let peer = new.peers.get(&name);
            peer.map(|peer| self.peers.insert(name, peer.clone()));
        }
    }

    /// The inputs for the RIB. Withdrawals come first.
    fn inputs_to(&self, new: &Self) -> Vec<Input> {
        let cluster_id = (self.cluster_id != new.cluster_id).then_some(new.cluster_id);
        let mut inputs: Vec<Input> = cluster_id.map(Input::ClusterId).into_iter().collect();
        let mut announced = Vec::new();
        for (&(prefix, id), route) in self.changed_routes(new) {
            match route {
                Some(route) => announced.push(Input::announce(prefix, route.clone())),
                None => inputs.push(Input::Withdraw { prefix, id }),
            }
        }
        inputs.append(&mut announced);
        inputs
    }

    /// Local routes that differ, with their new value; `None` for routes to withdraw.
    fn changed_routes<'a>(
        &'a self,
        new: &'a Self,
    ) -> impl Iterator<Item = (&'a (IpNet, u32), Option<&'a LocalRoute>)> {
        let routes = side_by_side(&self.routes, &new.routes);
        let changed = routes.filter(|(_, old, new)| old != new);
        changed.map(|(key, _, new)| (key, new))
    }
}

/// The step that turns the old peer into the new one.
fn step_for(name: &Arc<str>, old: Option<&PeerSpec>, new: &PeerSpec) -> Option<ApplyStep> {
    match old {
        Some(old) if old.restarts_because(new).next().is_none() => {
            let changes = old.changes_softly(new).next().is_some();
            changes.then(|| ApplyStep::AtOnce {
                inputs: Vec::new(),
                peers: vec![(Arc::clone(name), new.clone())],
            })
        }
        _ => Some(ApplyStep::Start(Arc::clone(name), Box::new(new.clone()))),
    }
}

/// Merges two sorted maps: the entries of equal keys come together.
fn side_by_side<'a, K: Ord, V>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, Option<&'a V>, Option<&'a V>)> {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    iter::from_fn(move || {
        let order = match (old.peek(), new.peek()) {
            (Some((old, _)), Some((new, _))) => old.cmp(new),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let old = order.is_le().then(|| old.next()).flatten();
        let new = order.is_ge().then(|| new.next()).flatten();
        let (key, _) = old.or(new)?;
        Some((key, old.map(|(_, old)| old), new.map(|(_, new)| new)))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bgp_core::policy::Policy;
    use bgp_core::types::Asn;

    use super::*;

    fn speaker() -> SpeakerConfig {
        SpeakerConfig::new(Asn(65001), RouterId([192, 0, 2, 1].into()))
    }

    fn with_peers(names: &[&str]) -> Desired {
        let mut desired = Desired::default();
        for (host, name) in (1..).zip(names) {
            let remote = SocketAddr::from(([192, 0, 2, host], 179));
            desired
                .peers
                .insert((*name).into(), PeerSpec::new(remote, Asn(65002)));
        }
        desired
    }

    #[test]
    fn a_report_says_what_restarts_and_why() {
        let old = with_peers(&["a", "b", "c"]);
        let mut new = with_peers(&["a", "b", "c", "d"]);
        new.peers.remove("c");
        let peer = |new: &mut Desired, name: &str, change: fn(&mut PeerSpec)| {
            change(new.peers.get_mut(name).expect("a peer"));
        };
        peer(&mut new, "a", |peer| {
            peer.hold_time = Duration::from_secs(9);
            peer.max_prefixes.ipv4 = Some(10);
        });
        peer(&mut new, "b", |peer| {
            peer.import = Some(Arc::new(Policy::ACCEPT));
        });
        let prefix: IpNet = "198.51.100.0/24".parse().expect("a prefix");
        new.routes.insert((prefix, 0), LocalRoute::default());
        let report = old.compare(&new);
        assert_eq!(report.restarted, [("a".into(), vec!["hold_time"])]);
        assert_eq!(report.changed, [("b".into(), vec!["import"])]);
        assert_eq!((&*report.added[0], &*report.removed[0]), ("d", "c"));
        assert_eq!((report.announced, report.withdrawn), (1, 0));
        assert_eq!(new.compare(&old).withdrawn, 1);
        assert!(new.compare(&new).is_empty());
    }

    /// After an interruption at any step, only the remaining steps are left.
    #[test]
    fn what_is_done_is_not_done_again() {
        let mut old = with_peers(&["a", "b", "x"]);
        let mut new = with_peers(&["a", "b", "c"]);
        let peer = new.peers.get_mut("a").expect("a peer");
        peer.export = Some(Arc::new(Policy::ACCEPT));
        let peer = new.peers.get_mut("b").expect("a peer");
        peer.hold_time = Duration::from_secs(9);
        let prefix: IpNet = "198.51.100.0/24".parse().expect("a prefix");
        new.routes.insert((prefix, 0), LocalRoute::default());
        let mut left = old.steps_to(&new);
        assert_eq!(left.len(), 4);
        while !left.is_empty() {
            old.note(Done::of(&left[0]), &new);
            let now = old.steps_to(&new);
            // The first step is always present, and is empty by now.
            let is_empty = |step: &ApplyStep| matches!(step, ApplyStep::AtOnce { inputs, peers } if inputs.is_empty() && peers.is_empty());
            assert!(is_empty(&now[0]), "{now:?}");
            left.remove(0);
            assert_eq!(now.len() - 1, left.len());
        }
        assert_eq!(old, new);
    }

    #[test]
    fn steps_touch_no_session_first() {
        let old = with_peers(&["a", "b"]);
        let mut new = with_peers(&["a", "c"]);
        let peer = new.peers.get_mut("a").expect("a peer");
        peer.export = Some(Arc::new(Policy::ACCEPT));
        let steps = old.steps_to(&new);
        let [
            ApplyStep::AtOnce { peers, .. },
            ApplyStep::Remove(gone),
            ApplyStep::Start(started, _),
        ] = &steps[..]
        else {
            panic!("{steps:?}")
        };
        assert_eq!((&*peers[0].0, &**gone, &**started), ("a", "b", "c"));
    }

    #[test]
    fn two_peers_of_one_address_are_a_mistake_unless_they_are_meant() {
        let mut desired = with_peers(&["a", "b"]);
        assert_eq!(desired.validate(&speaker()), Ok(()));
        let remote = desired.peers["a"].remote;
        desired.peers.get_mut("b").expect("a peer").remote = remote;
        let errors = desired.validate(&speaker()).expect_err("one address");
        assert_eq!(
            errors[0].to_string(),
            "peer b: remote: the peer a has the same address"
        );
        desired.shared_addresses = true;
        assert_eq!(desired.validate(&speaker()), Ok(()));
    }
}
