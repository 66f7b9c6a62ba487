//! Gathers objects of a server into snapshots. Pure: [`remote`](super::remote) does the IO.
//!
//! A [`Part`] is listed and watched separately. A snapshot is complete once each part was listed, or has reported why it cannot
//! be. From then on the last state of a part stays in force whatever happens to its server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::datastore::examination::Unread;
use crate::resources::{Kind, Loaded, ObjectKey, Problem, Resource, ResourceSet, key_of};

/// A unit that is listed and watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// All objects of a kind.
    Kind(Kind),
    /// A single object: a Secret, because Secrets cannot be listed.
    Object(ObjectKey),
}

impl Part {
    /// The kind of its objects.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Kind(kind) => *kind,
            Self::Object(key) => key.kind,
        }
    }

    fn covers(&self, key: &ObjectKey) -> bool {
        match self {
            Self::Kind(kind) => *kind == key.kind,
            Self::Object(only) => only == key,
        }
    }

    /// Whether it is Calico's or a Node; the others are in Kubernetes only. Permission for those is up to the operator.
    pub(super) fn is_of_store(&self) -> bool {
        !matches!(
            self.kind(),
            Kind::Service | Kind::EndpointSlice | Kind::Secret
        )
    }

    /// Whether a snapshot requires it. BFDConfiguration, of Calico Enterprise, need not exist.
    pub(super) fn is_required(&self) -> bool {
        self.is_of_store() && self.kind() != Kind::BfdConfiguration
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => f.write_str(kind.plural()),
            Self::Object(key) => key.fmt(f),
        }
    }
}

/// An update of a part.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Update {
    /// The complete list of objects.
    Listed(Vec<Value>),
    /// A new or changed object.
    Put(Value),
    /// A removed object.
    Gone(ObjectKey),
    /// An object that exists but cannot be read, with the reason.
    Broken(ObjectKey, String),
    /// The part cannot be read at present, with the reason.
    Failed(String),
    /// Permission for the part is missing, with the server's message.
    Forbidden(String),
    /// The part can be read again, and nothing was missed.
    Well,
    /// The server does not serve the kind: not yet or, once it is `settled`, not at all.
    Unserved { settled: bool },
}

/// The problem of a missing kind.
const UNSERVED: &str = "is not served by the Kubernetes API, so there are none";

/// All parts, as far as known.
#[derive(Debug)]
pub(super) struct Gathered {
    parts: BTreeMap<Part, PartState>,
    set: ResourceSet,
    problems: BTreeMap<ObjectKey, Vec<Problem>>,
    changed: bool,
}

#[derive(Debug, Default)]
struct PartState {
    listed: bool,
    fault: Option<String>,
    /// A permission is missing.
    forbidden: bool,
    /// The kind is not served, and whether that is settled.
    unserved: Option<bool>,
}

impl Gathered {
    /// Without any part.
    pub(super) fn new() -> Self {
        Self {
            parts: BTreeMap::new(),
            set: ResourceSet::default(),
            problems: BTreeMap::new(),
            changed: true,
        }
    }

    /// The valid objects.
    pub(super) fn set(&self) -> &ResourceSet {
        &self.set
    }

    /// Adds a part.
    pub(super) fn expect(&mut self, part: Part) {
        self.parts.entry(part).or_default();
    }

    /// Removes a part.
    pub(super) fn forget(&mut self, part: &Part) {
        if self.parts.remove(part).is_some() {
            self.changed = true;
            self.retain(part, |_| false);
        }
    }

    /// Takes in an update; ignored for a removed part.
    pub(super) fn take(&mut self, part: &Part, update: Update) {
        let Some(state) = self.parts.get_mut(part) else {
            return;
        };
        let fault = match &update {
            Update::Failed(reason) | Update::Forbidden(reason) => Some(reason.clone()),
            Update::Unserved { settled: true } => Some(UNSERVED.to_owned()),
            _ => None,
        };
        self.changed |= state.fault != fault;
        state.fault = fault;
        state.forbidden = matches!(update, Update::Forbidden(_));
        match update {
            Update::Unserved { settled } => state.unserved = Some(settled),
            Update::Listed(_) => state.unserved = None,
            _ => {}
        }
        match update {
            Update::Listed(objects) => {
                self.changed |= !std::mem::replace(&mut state.listed, true);
                self.list(part, &objects);
            }
            Update::Put(object) => self.put(part.kind(), &object),
            Update::Gone(key) => self.remove(&key),
            Update::Broken(key, reason) => self.leave_out(key, reason),
            Update::Failed(_) | Update::Forbidden(_) | Update::Well | Update::Unserved { .. } => {}
        }
    }

    /// Why a required part is unknown, if there was an error.
    pub(super) fn obstacle(&self) -> Option<String> {
        if self.is_empty_cluster() {
            return Some("no resources of Calico are served by the Kubernetes API".into());
        }
        self.parts.iter().find_map(|(part, state)| {
            let fault = state
                .fault
                .as_ref()
                .filter(|_| part.is_required() && !state.listed)?;
            Some(format!("{part} cannot be read: {fault}"))
        })
    }

    /// What is awaited, if known.
    pub(super) fn waits_for(&self) -> Option<String> {
        let missing = |(part, state): (&Part, &PartState)| {
            let unserved = state.unserved == Some(false);
            unserved.then(|| format!("{part} are not served by the Kubernetes API yet"))
        };
        self.obstacle()
            .or_else(|| self.parts.iter().find_map(missing))
    }

    /// Stops waiting for kinds that are not served.
    pub(super) fn settle(&mut self) {
        for state in self
            .parts
            .values_mut()
            .filter(|state| state.unserved == Some(false))
        {
            state.unserved = Some(true);
            state.fault = Some(UNSERVED.to_owned());
            self.changed = true;
        }
    }

    /// The snapshot, if it is complete and differs from the previous one.
    pub(super) fn next_snapshot(&mut self) -> Option<Loaded> {
        let is_known = |(part, state): (&Part, &PartState)| {
            let may_be_absent = !part.is_required() && state.fault.is_some();
            state.listed || state.unserved == Some(true) || may_be_absent
        };
        let is_complete = self.parts.iter().all(is_known) && !self.is_empty_cluster();
        if !is_complete || !std::mem::take(&mut self.changed) {
            return None;
        }
        Some(Loaded {
            set: self.set.clone(),
            problems: self
                .faults()
                .chain(self.problems.values().flatten().cloned())
                .collect(),
            unreachable: self.is_unreachable(),
            ..Loaded::default()
        })
    }

    /// Whether each part has answered, possibly with an error.
    pub(super) fn is_answered(&self) -> bool {
        let answered =
            |state: &PartState| state.listed || state.fault.is_some() || state.unserved.is_some();
        self.parts.values().all(answered)
    }

    /// Parts that are unreadable or have not answered. A kind that is not served has no objects, unless none of Calico's kinds is
    /// served.
    pub(super) fn unread(&self) -> Vec<Unread> {
        let is_empty = self.is_empty_cluster();
        let unread = self.parts.iter().filter_map(|(part, state)| {
            let reason = match (&state.fault, state.listed) {
                _ if state.unserved.is_some() && !is_empty => return None,
                (Some(reason), _) => reason.clone(),
                (None, true) => return None,
                (None, false) => "no answer".to_owned(),
            };
            Some(Unread {
                what: part.to_string(),
                reason,
                forbidden: state.forbidden,
                required: part.is_required(),
            })
        });
        unread.collect()
    }

    /// Whether none of Calico's kinds is served: they are about to be installed, and the configuration will not be the default
    /// mesh.
    fn is_empty_cluster(&self) -> bool {
        let mut calico = self
            .parts
            .iter()
            .filter(|(part, _)| part.kind().is_calico())
            .peekable();
        calico.peek().is_some() && calico.all(|(_, state)| state.unserved.is_some())
    }

    /// Whether a required part cannot be read.
    fn is_unreachable(&self) -> bool {
        let needed = self.parts.iter().filter(|(part, _)| part.is_required());
        let mut faults = needed.filter_map(|(_, state)| state.fault.as_deref());
        faults.any(|fault| fault != UNSERVED)
    }

    /// Unreadable parts. An unreachable server fails all parts for one reason, which is reported once.
    fn faults(&self) -> impl Iterator<Item = Problem> {
        let mut parts: BTreeMap<(&str, bool), Vec<String>> = BTreeMap::new();
        for (part, state) in &self.parts {
            if let Some(reason) = &state.fault {
                let alike = parts.entry((reason, state.listed)).or_default();
                alike.push(part.to_string());
            }
        }
        parts.into_iter().map(|((reason, listed), parts)| {
            let kept = match listed {
                true => "; the last state is kept",
                false => "",
            };
            let reason = match reason {
                UNSERVED => format!("{UNSERVED}{kept}"),
                reason => format!("cannot be read: {reason}{kept}"),
            };
            Problem::error(parts.join(", "), reason)
        })
    }

    fn list(&mut self, part: &Part, objects: &[Value]) {
        let kind = part.kind();
        let keys: Vec<ObjectKey> = objects
            .iter()
            .filter_map(|object| key_of(object, kind))
            .collect();
        let listed: BTreeSet<&ObjectKey> = keys.iter().collect();
        self.retain(part, |key| listed.contains(key));
        for object in objects {
            self.put(kind, object);
        }
    }

    fn put(&mut self, kind: Kind, object: &Value) {
        // Servers always name their objects.
        let Some(key) = key_of(object, kind) else {
            return;
        };
        let (resource, problems) = Resource::from_json_of(kind, object);
        self.note(&key, problems);
        self.changed |= self.set.get(&key) != resource.as_ref();
        match resource {
            Some(resource) => drop(self.set.insert(resource)),
            None => drop(self.set.remove(&key)),
        }
    }

    fn leave_out(&mut self, key: ObjectKey, reason: String) {
        self.changed |= self.set.remove(&key).is_some();
        let problem = Problem::error(&key, reason);
        self.note(&key, vec![problem]);
    }

    fn note(&mut self, key: &ObjectKey, problems: Vec<Problem>) {
        self.changed |= self.problems.get(key).map_or(&[][..], Vec::as_slice) != problems;
        match problems.is_empty() {
            true => drop(self.problems.remove(key)),
            false => drop(self.problems.insert(key.clone(), problems)),
        }
    }

    fn remove(&mut self, key: &ObjectKey) {
        self.changed |= self.set.remove(key).is_some();
        self.changed |= self.problems.remove(key).is_some();
    }

    /// Removes the objects of a part that are not kept.
    fn retain(&mut self, part: &Part, kept: impl Fn(&ObjectKey) -> bool) {
        let known = self.set.iter().map(|(key, _)| key);
        let keys = known.chain(self.problems.keys());
        let gone: Vec<ObjectKey> = keys
            .filter(|key| part.covers(key) && !kept(key))
            .cloned()
            .collect();
        gone.iter().for_each(|key| self.remove(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PEERS: Part = Part::Kind(Kind::BgpPeer);

    fn peer(name: &str, address: &str) -> Value {
        json!({"metadata": {"name": name}, "spec": {"peerIP": address, "asNumber": 65001}})
    }

    fn gathered(parts: &[Part]) -> Gathered {
        let mut gathered = Gathered::new();
        for part in parts {
            gathered.expect(part.clone());
        }
        gathered
    }

    fn names(loaded: &Loaded) -> Vec<&str> {
        let peers = loaded.set.bgp_peers();
        peers.map(|peer| peer.metadata.name.as_str()).collect()
    }

    #[test]
    fn a_snapshot_waits_until_all_parts_are_known() {
        let secret = Part::Object(ObjectKey {
            kind: Kind::Secret,
            namespace: "kube-system".into(),
            name: "bgp".into(),
        });
        let mut gathered = gathered(&[PEERS, secret.clone()]);
        gathered.take(&PEERS, Update::Failed("connection refused".into()));
        gathered.take(&secret, Update::Failed("forbidden".into()));
        assert_eq!(
            gathered.obstacle().as_deref(),
            Some("bgppeers cannot be read: connection refused")
        );
        assert_eq!(gathered.next_snapshot(), None);
        gathered.take(&PEERS, Update::Listed(vec![peer("tor", "192.0.2.1")]));
        assert_eq!(gathered.obstacle(), None);
        let loaded = gathered.next_snapshot().expect("a Secret is not required");
        assert_eq!(names(&loaded), ["tor"]);
        let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            ["Secret/kube-system/bgp: cannot be read: forbidden"]
        );
        assert_eq!(gathered.next_snapshot(), None, "nothing has changed since");
    }

    /// Promise 18.3.
    #[test]
    fn a_server_that_is_away_is_one_problem() {
        let filters = Part::Kind(Kind::BgpFilter);
        let mut gathered = gathered(&[PEERS, filters.clone()]);
        for part in [&PEERS, &filters] {
            gathered.take(part, Update::Listed(Vec::new()));
            gathered.take(part, Update::Failed("connection refused".into()));
        }
        let loaded = gathered.next_snapshot().expect("complete");
        let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            ["bgppeers, bgpfilters: cannot be read: connection refused; the last state is kept"]
        );
    }

    /// Promise 18.2.
    #[test]
    fn a_kind_that_is_not_served_yet_is_waited_for() {
        let filters = Part::Kind(Kind::BgpFilter);
        let mut gathered = gathered(&[PEERS, filters.clone()]);
        gathered.take(&PEERS, Update::Listed(vec![peer("tor", "192.0.2.1")]));
        gathered.take(&filters, Update::Unserved { settled: false });
        assert_eq!(gathered.next_snapshot(), None);
        assert_eq!(gathered.obstacle(), None);
        let waits_for = gathered.waits_for();
        assert_eq!(
            waits_for.as_deref(),
            Some("bgpfilters are not served by the Kubernetes API yet")
        );
        gathered.take(&filters, Update::Unserved { settled: true });
        let loaded = gathered.next_snapshot().expect("complete");
        assert_eq!(names(&loaded), ["tor"]);
        let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, [format!("bgpfilters: {UNSERVED}")]);
        gathered.take(&filters, Update::Listed(Vec::new()));
        assert_eq!(
            gathered.next_snapshot().map(|loaded| loaded.problems),
            Some(vec![])
        );
    }

    #[test]
    fn a_kind_of_calico_enterprise_need_not_be_readable() {
        let bfd = Part::Kind(Kind::BfdConfiguration);
        let mut gathered = gathered(&[PEERS, bfd.clone()]);
        gathered.take(&PEERS, Update::Listed(Vec::new()));
        assert_eq!(gathered.next_snapshot(), None);
        gathered.take(&bfd, Update::Forbidden("no".into()));
        assert_eq!(gathered.obstacle(), None);
        let loaded = gathered.next_snapshot().expect("complete");
        assert_eq!(loaded.problems.len(), 1);
    }

    /// Promise 18.2.
    #[test]
    fn a_cluster_without_any_kind_of_calico_is_waited_for_without_an_end() {
        let nodes = Part::Kind(Kind::KubernetesNode);
        let mut gathered = gathered(&[PEERS, nodes.clone()]);
        gathered.take(&nodes, Update::Listed(Vec::new()));
        gathered.take(&PEERS, Update::Unserved { settled: true });
        assert_eq!(gathered.next_snapshot(), None);
        assert!(gathered.obstacle().is_some());
        gathered.take(&PEERS, Update::Listed(Vec::new()));
        assert!(gathered.next_snapshot().is_some());
    }

    #[test]
    fn what_cannot_be_read_is_told_by_part() {
        let (filters, pools) = (Part::Kind(Kind::BgpFilter), Part::Kind(Kind::IpPool));
        let mut gathered = gathered(&[PEERS, filters.clone(), pools.clone()]);
        let told = |gathered: &Gathered| -> Vec<(String, String, bool)> {
            let unread = gathered.unread().into_iter();
            unread
                .map(|one| (one.what, one.reason, one.forbidden))
                .collect()
        };
        gathered.take(&PEERS, Update::Forbidden("no".into()));
        gathered.take(&filters, Update::Unserved { settled: true });
        assert!(!gathered.is_answered());
        let expected = [("bgppeers", "no", true), ("ippools", "no answer", false)];
        let expected =
            expected.map(|(what, reason, forbidden)| (what.into(), reason.into(), forbidden));
        assert_eq!(told(&gathered), expected);
        gathered.take(&PEERS, Update::Listed(Vec::new()));
        gathered.take(&pools, Update::Listed(Vec::new()));
        assert!(gathered.is_answered());
        assert_eq!(told(&gathered), []);
        gathered.take(&PEERS, Update::Unserved { settled: true });
        gathered.take(&pools, Update::Unserved { settled: true });
        assert_eq!(told(&gathered).len(), 3, "nothing of Calico's is served");
    }

    #[test]
    fn what_a_new_list_leaves_out_is_gone() {
        let mut gathered = gathered(&[PEERS]);
        let bad = peer("bad", "nonsense");
        gathered.take(
            &PEERS,
            Update::Listed(vec![peer("a", "192.0.2.1"), peer("b", "192.0.2.2"), bad]),
        );
        let loaded = gathered.next_snapshot().expect("complete");
        assert_eq!((names(&loaded), loaded.problems.len()), (vec!["a", "b"], 1));
        gathered.take(&PEERS, Update::Listed(vec![peer("b", "192.0.2.2")]));
        let loaded = gathered.next_snapshot().expect("changed");
        assert_eq!((names(&loaded), loaded.problems.len()), (vec!["b"], 0));
    }

    #[test]
    fn the_last_state_stays_while_a_server_is_away() {
        let mut gathered = gathered(&[PEERS]);
        gathered.take(&PEERS, Update::Listed(vec![peer("a", "192.0.2.1")]));
        gathered.take(&PEERS, Update::Failed("connection refused".into()));
        let loaded = gathered.next_snapshot().expect("changed");
        assert_eq!(names(&loaded), ["a"]);
        assert!(loaded.problems[0].reason.contains("is kept"));
        gathered.take(&PEERS, Update::Well);
        let loaded = gathered.next_snapshot().expect("changed");
        assert_eq!((names(&loaded), loaded.problems.len()), (vec!["a"], 0));
    }

    #[test]
    fn an_object_that_means_the_same_changes_nothing() {
        let mut gathered = gathered(&[PEERS]);
        gathered.take(&PEERS, Update::Listed(vec![peer("a", "192.0.2.1")]));
        gathered.next_snapshot();
        let mut touched = peer("a", "192.0.2.1");
        touched["metadata"]["resourceVersion"] = "7".into();
        gathered.take(&PEERS, Update::Put(touched));
        assert_eq!(gathered.next_snapshot(), None);
        gathered.take(&PEERS, Update::Put(peer("a", "192.0.2.7")));
        assert!(gathered.next_snapshot().is_some());
        gathered.take(&PEERS, Update::Gone(ObjectKey::cluster(Kind::BgpPeer, "a")));
        assert_eq!(gathered.next_snapshot().map(|l| l.set.len()), Some(0));
    }

    #[test]
    fn a_part_that_is_forgotten_takes_its_objects_with_it() {
        let mut gathered = gathered(&[PEERS]);
        gathered.take(&PEERS, Update::Listed(vec![peer("a", "192.0.2.1")]));
        gathered.next_snapshot();
        gathered.forget(&PEERS);
        gathered.take(&PEERS, Update::Put(peer("late", "192.0.2.9")));
        assert_eq!(gathered.next_snapshot().map(|l| l.set.len()), Some(0));
    }
}
