//! Gathers objects of a server into snapshots. Pure: [`remote`](super::remote) does the IO.
//!
//! A [`Part`] is listed and watched separately. A snapshot is complete once each part was listed, or has reported why it cannot
//! be. From then on the last state of a part stays in force whatever happens to its server.
//!
//! Of several objects with one kind and name the first counts, in this order: that of Calico's group, that of our own group, that
//! of the folder beside the server. The others are problems.

use std::collections::BTreeMap;

use serde_json::Value;

use super::layer::Layer;
use super::part::Part;
use crate::datastore::examination::Unread;
use crate::datastore::snapshot::Snapshot;
use crate::resources::{Loaded, OWN_VERSION, ObjectKey, Problem, ResourceSet};

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
    /// The objects of Calico and Kubernetes.
    first: Layer,
    /// Those of our own group.
    own: Layer,
    /// The folder beside the server.
    beside: Option<Snapshot>,
    /// A cluster without Calico.
    standalone: bool,
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
    pub(super) fn new(standalone: bool) -> Self {
        Self {
            parts: BTreeMap::new(),
            first: Layer::default(),
            own: Layer::default(),
            beside: None,
            standalone,
            changed: true,
        }
    }

    /// The valid objects, the most important first.
    pub(super) fn sets(&self) -> impl Iterator<Item = &ResourceSet> {
        let beside = self.beside.as_ref().map(|beside| &beside.set);
        [&self.first.set, &self.own.set].into_iter().chain(beside)
    }

    /// Takes the content of the folder beside the server.
    pub(super) fn put_beside(&mut self, beside: Snapshot) {
        self.changed |= self.beside.as_ref() != Some(&beside);
        self.beside = Some(beside);
    }

    /// Adds a part.
    pub(super) fn expect(&mut self, part: Part) {
        self.parts.entry(part).or_default();
    }

    /// Removes a part.
    pub(super) fn forget(&mut self, part: &Part) {
        if self.parts.remove(part).is_some() {
            self.changed = true;
            self.layer(part).retain(part, |_| false);
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
        if matches!(update, Update::Listed(_)) {
            self.changed |= !std::mem::replace(&mut state.listed, true);
        }
        let layer = self.layer(part);
        let changed = match update {
            Update::Listed(objects) => layer.list(part, &objects),
            Update::Put(object) => layer.put(part.kind(), &object),
            Update::Gone(key) => layer.remove(&key),
            Update::Broken(key, reason) => layer.leave_out(key, reason),
            Update::Failed(_) | Update::Forbidden(_) | Update::Well | Update::Unserved { .. } => {
                false
            }
        };
        self.changed |= changed;
    }

    fn layer(&mut self, part: &Part) -> &mut Layer {
        match part {
            Part::Own(_) => &mut self.own,
            Part::Kind(_) | Part::Object(_) => &mut self.first,
        }
    }

    /// Why a required part is unknown, if there was an error.
    pub(super) fn obstacle(&self) -> Option<String> {
        if self.is_empty_cluster() {
            let missing = match self.standalone {
                true => format!("no resources of {OWN_VERSION} are served by the Kubernetes API"),
                false => "no resources of Calico are served by the Kubernetes API; in a cluster without Calico, set BGP_DAEMON_STANDALONE=true".to_owned(),
            };
            return Some(missing);
        }
        self.parts.iter().find_map(|(part, state)| {
            let fault = state
                .fault
                .as_ref()
                .filter(|_| part.is_required(self.standalone) && !state.listed)?;
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
            let may_be_absent = !part.is_required(self.standalone) && state.fault.is_some();
            state.listed || state.unserved == Some(true) || may_be_absent
        };
        let is_complete = self.parts.iter().all(is_known) && !self.is_empty_cluster();
        if !is_complete || !std::mem::take(&mut self.changed) {
            return None;
        }
        let (set, left_out) = self.merged();
        let mut problems: Vec<Problem> = self.faults().collect();
        problems.extend(self.first.problems());
        problems.extend(self.own.problems());
        problems.extend(left_out);
        Some(match self.beside.as_deref() {
            None => Loaded {
                set,
                problems,
                unreachable: self.is_unreachable(),
                ..Loaded::default()
            },
            Some(beside) => Loaded {
                set,
                problems: beside.problems.iter().cloned().chain(problems).collect(),
                unreachable: self.is_unreachable(),
                ..beside.clone()
            },
        })
    }

    /// The objects that count, and the others as problems.
    fn merged(&self) -> (ResourceSet, Vec<Problem>) {
        let mut set = self.first.set.clone();
        let again = set.add_absent(&self.own.set).into_iter();
        let mut problems: Vec<Problem> = again
            .map(|key| {
                let reason = format!(
                    "exists twice: that of {OWN_VERSION} is left out, that of Calico's API group counts"
                );
                Problem::error(key, reason)
            })
            .collect();
        if let Some(beside) = &self.beside {
            let again = set.add_absent(&beside.set).into_iter();
            problems.extend(again.map(|key| {
                let reason = "exists twice: the one of the folder is left out, that of the Kubernetes API counts";
                beside.located(Problem::error(key, reason))
            }));
        }
        (set, problems)
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
                required: part.is_required(self.standalone),
            })
        });
        unread.collect()
    }

    /// Whether none of the kinds with configuration is served, and there is no folder beside the server: they are about to be
    /// installed, and the configuration will not be the default mesh.
    fn is_empty_cluster(&self) -> bool {
        let is_configuration = |part: &Part| match part {
            Part::Own(_) => self.standalone,
            Part::Kind(kind) => kind.is_calico(),
            Part::Object(_) => false,
        };
        let parts = self.parts.iter();
        let mut needed = parts.filter(|(part, _)| is_configuration(part)).peekable();
        let is_served = |state: &PartState| state.unserved.is_none();
        self.beside.is_none()
            && needed.peek().is_some()
            && !needed.any(|(_, state)| is_served(state))
    }

    /// Whether a required part cannot be read.
    fn is_unreachable(&self) -> bool {
        let parts = self.parts.iter();
        let needed = parts.filter(|(part, _)| part.is_required(self.standalone));
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
}

#[cfg(test)]
mod tests;
