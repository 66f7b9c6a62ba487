//! From one desired state to the next: the steps of a running speaker, and their order. Pure.
//!
//! Changes that sessions do not notice come first, and all at once: routes, policies and the cluster ID go to the RIB as one
//! batch. No neighbour sees an intermediate state, and a route in both states is never withdrawn. Sessions end and start
//! afterwards.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::iter;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bgp_core::rib::{Input, LocalRoute};
use bgp_core::types::RouterId;
use ipnet::IpNet;

use crate::bfd::BfdSpec;
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
    /// Peers, by name. A peer that is the same object in two states is not compared: owners of many peers pass unchanged ones on.
    pub peers: BTreeMap<Arc<str>, Arc<PeerSpec>>,
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
        /// Peers whose sessions stay up, with other settings for their routes or for BFD.
        peers: Vec<(Arc<str>, Arc<PeerSpec>)>,
        /// Those of them whose path is watched differently.
        bfd: Vec<(Arc<str>, Option<BfdSpec>)>,
    },
    /// End the session and forget the peer.
    Remove(Arc<str>),
    /// Start a session; an existing session of this name ends first.
    Start(Arc<str>, Arc<PeerSpec>),
}

/// The result of a step.
#[derive(Clone, Debug)]
pub(crate) enum Done {
    AtOnce(Vec<(Arc<str>, Arc<PeerSpec>)>),
    Removed(Arc<str>),
    Started(Arc<str>, Arc<PeerSpec>),
}

impl Done {
    pub(crate) fn of(step: &ApplyStep) -> Self {
        match step {
            ApplyStep::AtOnce { peers, .. } => Self::AtOnce(peers.clone()),
            ApplyStep::Remove(name) => Self::Removed(Arc::clone(name)),
            ApplyStep::Start(name, spec) => Self::Started(Arc::clone(name), Arc::clone(spec)),
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
        self.validate_after(&Self::default(), speaker)
    }

    /// As [`Self::validate`], after a state that is valid.
    pub(crate) fn validate_after(
        &self,
        earlier: &Self,
        speaker: &SpeakerConfig,
    ) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut addresses: HashMap<(SocketAddr, Option<IpAddr>), &str> = HashMap::new();
        for (name, earlier, peer) in side_by_side(&earlier.peers, &self.peers) {
            let Some(peer) = peer else { continue };
            let is_valid = earlier.is_some_and(|earlier| Arc::ptr_eq(earlier, peer));
            if !is_valid && let Err(error) = peer.validate(speaker) {
                errors.push(error.of(name));
            }
            if !self.shared_addresses
                && let Some(other) = addresses.insert((peer.remote, peer.source), name)
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
        let is_other = |(other, spec): &(&Arc<str>, &Arc<PeerSpec>)| {
            *other != name && (spec.remote, spec.source) == (peer.remote, peer.source)
        };
        match self.peers.iter().find(is_other) {
            Some((other, _)) if !self.shared_addresses => Err(ConfigError::twice(name, other)),
            _ => Ok(()),
        }
    }

    /// The step that turns the current peer of this name into `peer`.
    pub(crate) fn step_for(&self, name: &Arc<str>, peer: &Arc<PeerSpec>) -> Option<ApplyStep> {
        let mut change = Change::default();
        change.of_peer(name, self.peers.get(name), Some(peer));
        let is_soft = !change.peers.is_empty();
        let soft = is_soft.then(|| change.at_once(Vec::new()));
        soft.or_else(|| change.starts.pop())
    }

    /// The effect of a change to another state.
    pub fn compare(&self, new: &Self) -> Report {
        self.change_to(new).0
    }

    /// The steps to another state.
    pub fn steps_to(&self, new: &Self) -> Vec<ApplyStep> {
        self.change_to(new).1
    }

    /// The effect of a change to another state, and its steps.
    pub(crate) fn change_to(&self, new: &Self) -> (Report, Vec<ApplyStep>) {
        let mut change = Change::default();
        for (name, old, new) in side_by_side(&self.peers, &new.peers) {
            change.of_peer(name, old, new);
        }
        let inputs = self.inputs_to(new);
        for input in &inputs {
            match input {
                Input::Announce { .. } => change.report.announced += 1,
                Input::Withdraw { .. } => change.report.withdrawn += 1,
                _ => {}
            }
        }
        let mut steps = vec![change.at_once(inputs)];
        steps.append(&mut change.ends);
        steps.append(&mut change.starts);
        (change.report, steps)
    }

    /// Records that a step towards another state is done.
    pub(crate) fn note(&mut self, done: Done, new: &Self) {
        match done {
            Done::AtOnce(changed) => {
                self.cluster_id = new.cluster_id;
                if self.routes != new.routes {
                    self.routes.clone_from(&new.routes);
                }
                self.peers.extend(changed);
            }
            Done::Removed(name) => drop(self.peers.remove(&name)),
            Done::Started(name, spec) => drop(self.peers.insert(name, spec)),
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

/// The differences of two states, peer by peer.
#[derive(Default)]
struct Change {
    report: Report,
    peers: Vec<(Arc<str>, Arc<PeerSpec>)>,
    bfd: Vec<(Arc<str>, Option<BfdSpec>)>,
    ends: Vec<ApplyStep>,
    starts: Vec<ApplyStep>,
}

impl Change {
    fn of_peer(
        &mut self,
        name: &Arc<str>,
        old: Option<&Arc<PeerSpec>>,
        new: Option<&Arc<PeerSpec>>,
    ) {
        let name = || Arc::clone(name);
        let Some(new) = new else {
            self.report.removed.push(name());
            self.ends.push(ApplyStep::Remove(name()));
            return;
        };
        let start = || ApplyStep::Start(name(), Arc::clone(new));
        let Some(old) = old else {
            self.report.added.push(name());
            self.starts.push(start());
            return;
        };
        if Arc::ptr_eq(old, new) {
            return;
        }
        let because: Vec<_> = old.restarts_because(new).collect();
        if !because.is_empty() {
            self.report.restarted.push((name(), because));
            self.starts.push(start());
            return;
        }
        let changed: Vec<_> = old.changes_softly(new).collect();
        if !changed.is_empty() {
            self.report.changed.push((name(), changed));
            self.peers.push((name(), Arc::clone(new)));
            if old.bfd != new.bfd {
                self.bfd.push((name(), new.bfd));
            }
        }
    }

    /// The step without an effect on any session.
    fn at_once(&mut self, inputs: Vec<Input>) -> ApplyStep {
        ApplyStep::AtOnce {
            inputs,
            peers: std::mem::take(&mut self.peers),
            bfd: std::mem::take(&mut self.bfd),
        }
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
                .insert((*name).into(), PeerSpec::new(remote, Asn(65002)).into());
        }
        desired
    }

    #[test]
    fn a_report_says_what_restarts_and_why() {
        let old = with_peers(&["a", "b", "c"]);
        let mut new = with_peers(&["a", "b", "c", "d"]);
        new.peers.remove("c");
        let peer = |new: &mut Desired, name: &str, change: fn(&mut PeerSpec)| {
            change(Arc::make_mut(new.peers.get_mut(name).expect("a peer")));
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
        let peer = Arc::make_mut(new.peers.get_mut("a").expect("a peer"));
        peer.export = Some(Arc::new(Policy::ACCEPT));
        let peer = Arc::make_mut(new.peers.get_mut("b").expect("a peer"));
        peer.hold_time = Duration::from_secs(9);
        let prefix: IpNet = "198.51.100.0/24".parse().expect("a prefix");
        new.routes.insert((prefix, 0), LocalRoute::default());
        let mut left = old.steps_to(&new);
        assert_eq!(left.len(), 4);
        while !left.is_empty() {
            old.note(Done::of(&left[0]), &new);
            let now = old.steps_to(&new);
            // The first step is always present, and is empty by now.
            let is_empty = |step: &ApplyStep| matches!(step, ApplyStep::AtOnce { inputs, peers, .. } if inputs.is_empty() && peers.is_empty());
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
        let peer = Arc::make_mut(new.peers.get_mut("a").expect("a peer"));
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
        Arc::make_mut(desired.peers.get_mut("b").expect("a peer")).remote = remote;
        let errors = desired.validate(&speaker()).expect_err("one address");
        assert_eq!(
            errors[0].to_string(),
            "peer b: remote: the peer a has the same address"
        );
        desired.shared_addresses = true;
        assert_eq!(desired.validate(&speaker()), Ok(()));
    }
}
