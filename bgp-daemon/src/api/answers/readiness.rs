//! Readiness: `/readyz`.
//!
//! A speaker is ready when it has read the resources, and in each family has exchanged routes with all peers or has waited for
//! them long enough. From then on it stays ready until its end: a peer that goes away later is no reason to take the node out of
//! service.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bgp_core::rib::Rib;
use bgp_core::session::State;
use bgp_core::types::{Family, PeerId};
use bgp_speaker::NeighbourStatus;

use crate::agent::{RunningView, View};
use crate::api::model::{Missing, Readiness};
use crate::clock::elapsed_secs;

/// How long after the start of the process a missing peer is awaited: as at a start after an earlier run.
const WAIT: Duration = crate::agent::recovery::UP_BY;
/// Peers with a late End-of-RIB are not awaited any longer.
const WAIT_FOR_END: Duration = crate::agent::recovery::UNTIL;
/// A peer without End-of-RIB (RFC 4724 §3) counts as complete after this time.
const SETTLE: Duration = crate::agent::recovery::SETTLE;

/// Records that the speaker was ready once.
#[derive(Debug, Default)]
pub(in crate::api) struct Ready(AtomicBool);

impl Ready {
    pub(in crate::api) async fn look(&self, view: &View) -> Readiness {
        let missing = match self.0.load(Ordering::Relaxed) && view.running.is_some() {
            true => Vec::new(),
            false => missing(view).await,
        };
        let ready = missing.is_empty();
        if ready {
            self.0.store(true, Ordering::Relaxed);
        }
        Readiness { ready, missing }
    }
}

async fn missing(view: &View) -> Vec<Missing> {
    let one = |what: &str, reason: String| {
        vec![Missing {
            what: what.into(),
            reason,
        }]
    };
    if view.stopping {
        return one("process", "the process ends".into());
    }
    if view.resources.is_none() {
        return one("resources", "the datastore has not been read yet".into());
    }
    let Some(running) = &view.running else {
        let reason = format!("there is no plan for node {}: see the problems", view.node);
        return one("node", reason);
    };
    let waited = Duration::from_secs(elapsed_secs(view.boot));
    if waited >= WAIT_FOR_END || waited >= WAIT && !running.recovering {
        return Vec::new();
    }
    let sessions = running.speaker.inquirer().sessions().await;
    let mut missing = Vec::new();
    for family in Family::ALL {
        let awaited = awaited(running, &sessions, family, waited).await;
        if !awaited.is_empty() {
            let names: Vec<_> = awaited.iter().map(String::as_str).take(5).collect();
            let more = match awaited.len() - names.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            missing.push(Missing {
                what: family.to_string(),
                reason: format!(
                    "routes are not exchanged yet with {}{more}",
                    names.join(", ")
                ),
            });
        }
    }
    missing
}

/// Names of the peers with which routes of a family are not exchanged yet.
async fn awaited(
    running: &RunningView,
    sessions: &std::collections::BTreeMap<std::sync::Arc<str>, NeighbourStatus>,
    family: Family,
    waited: Duration,
) -> BTreeSet<String> {
    let mut awaited = BTreeSet::new();
    let mut up: Vec<(PeerId, &str)> = Vec::new();
    for peer in &running.plan.peers {
        let name = peer.name.as_str();
        if !peer.options.families.contains(&family) || running.disabled.contains(name) {
            continue;
        }
        match sessions.get(name) {
            Some(status) if status.session.state == State::Established => {
                let agreed = status.session.negotiated.as_ref();
                let spoken = agreed.filter(|agreed| agreed.context.families[family]);
                let promised = spoken.is_some_and(|agreed| agreed.graceful_restart.is_some());
                let settled = status.since.elapsed() >= SETTLE && !promised;
                if spoken.is_some() && !settled {
                    up.push((status.peer, name));
                }
            }
            _ if waited < WAIT => {
                awaited.insert(name.to_owned());
            }
            _ => {}
        }
    }
    let ids: Vec<PeerId> = up.iter().map(|(id, _)| *id).collect();
    let told = move |rib: &Rib| -> BTreeSet<PeerId> {
        let done = |id: &PeerId| rib.has_sent_all(*id, family);
        ids.into_iter().filter(done).collect()
    };
    // A speaker that has ended waits for no peer.
    if let Ok(complete) = running.speaker.routes().look(told).await {
        let late = up.iter().filter(|(id, _)| !complete.contains(id));
        awaited.extend(late.map(|(_, name)| (*name).to_owned()));
    }
    awaited
}
