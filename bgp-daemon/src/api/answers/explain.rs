//! Why a prefix is advertised to peers or not: gathers the facts for [`crate::explain`].

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp_core::bfd::{Diagnostic, State as BfdState};
use bgp_core::session::{SessionStatus, State};
use bgp_core::types::{Family, PeerId, family_of};
use bgp_speaker::{BfdStatus, NeighbourStatus};
use schemars::JsonSchema;
use serde::Deserialize;

use super::routes::session_names;
use crate::agent::{RunningView, View};
use crate::api::context::running;
use crate::api::error::ApiError;
use crate::clock::timestamp;
use crate::explain::{
    self, Explanation, KernelFact, PeerFact, SessionFact, Situation, Subject, Target, peers,
};
use crate::plan::{Peer, trace};

/// Peers per query of the RIB, so that it is not blocked for long.
const AT_A_TIME: usize = 100;

/// Parameters of `/v1/explain`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ExplainQuery {
    /// A prefix, or an address, which selects the prefix that contains it or should contain it.
    pub(in crate::api) prefix: String,
    /// Only this peer: name of the session, address, or name of the BGPPeer.
    pub(in crate::api) peer: Option<String>,
}

pub(in crate::api) async fn explain(
    view: &View,
    asked: &ExplainQuery,
) -> Result<Explanation, ApiError> {
    let target: Target = asked
        .prefix
        .trim()
        .parse()
        .map_err(|error| ApiError::wrong("prefix", format!("{error}")))?;
    let running = running(view)?;
    let resources = view.resources.as_ref().ok_or(ApiError::NotRunning)?;
    let (plan, resources) = (&running.plan, &resources.set);
    let meant = peers(plan, resources, asked.peer.as_deref());
    let meant = meant.map_err(|error| ApiError::NotFound(error.to_string()))?;
    let claims = trace::claims(resources, &view.node, &running.environment, target.net());
    let claims = Arc::new(claims);
    let routes = running.speaker.routes();
    let subject = {
        let (claims, plan) = (Arc::clone(&claims), Arc::clone(plan));
        routes.look(move |rib| Subject::find(rib, target, &claims, &plan))
    };
    let subject = Arc::new(subject.await.map_err(|_| ApiError::NotRunning)?);
    let family = family_of(subject.prefix);
    let sessions = sessions(running, &meant, family).await;
    Ok(explain::explain(&Situation {
        asked: asked.prefix.trim(),
        plan,
        told: told(running, &subject, &sessions).await?,
        sessions,
        names: session_names(running),
        peers: meant,
        unspeakable: unspeakable(running),
        kernel: kernel(running, &subject).await?,
        since: subject.best().map(|best| timestamp(best.since)),
        recovering: running.recovering,
        claims: &claims,
        subject: &subject,
    }))
}

/// The sessions with some peers. A session that is ending or does not answer is left out.
async fn sessions(
    running: &RunningView,
    peers: &[&Peer],
    family: Family,
) -> BTreeMap<String, SessionFact> {
    let statuses: BTreeMap<Arc<str>, NeighbourStatus> = match peers {
        [peer] => {
            let name = Arc::from(peer.name.as_str());
            let status = running.speaker.status(&peer.name).await;
            status.map(|status| (name, status)).into_iter().collect()
        }
        _ => running.speaker.inquirer().sessions().await,
    };
    let facts = peers.iter().filter_map(|peer| {
        let status = statuses.get(peer.name.as_str())?;
        let disabled = running.disabled.contains(peer.name.as_str());
        Some((peer.name.clone(), fact(status, disabled, family)))
    });
    facts.collect()
}

fn fact(status: &NeighbourStatus, disabled: bool, family: Family) -> SessionFact {
    let session = &status.session;
    let up = session.state == State::Established;
    let agreed = session.negotiated.as_ref().filter(|_| up);
    SessionFact {
        id: status.peer,
        up,
        state: match status.bfd.as_ref().and_then(dead_path) {
            Some(path) => format!("{}; {path}", state(session)),
            None => state(session),
        },
        since: Some(timestamp(status.since)),
        agreed: agreed.is_some_and(|agreed| agreed.context.families[family]),
        disabled,
    }
}

/// The state, and the last error.
fn state(session: &SessionStatus) -> String {
    let state = match session.passive && session.state == State::Active {
        true => "waiting for the peer to connect".to_owned(),
        false => session.state.to_string(),
    };
    match &session.last_error {
        Some(error) => format!("{state}; {error}"),
        None => state,
    }
}

/// What BFD says of a path that does not work.
fn dead_path(bfd: &BfdStatus) -> Option<String> {
    let (state, diagnostic) = (bfd.state(), bfd.session?.diagnostic);
    match state {
        BfdState::Up => None,
        _ if diagnostic == Diagnostic::NONE => Some(format!("BFD is {state}")),
        _ => Some(format!("BFD is {state} ({diagnostic})")),
    }
}

async fn told(
    running: &RunningView,
    subject: &Arc<Subject>,
    sessions: &BTreeMap<String, SessionFact>,
) -> Result<BTreeMap<PeerId, PeerFact>, ApiError> {
    let ids: Vec<PeerId> = sessions.values().map(|session| session.id).collect();
    let routes = running.speaker.routes();
    let mut told = BTreeMap::new();
    for some in ids.chunks(AT_A_TIME) {
        let (some, subject) = (some.to_vec(), Arc::clone(subject));
        let facts = routes.look(move |rib| PeerFact::of_each(rib, &subject, &some));
        told.extend(facts.await.map_err(|_| ApiError::NotRunning)?);
    }
    Ok(told)
}

async fn kernel(running: &RunningView, subject: &Arc<Subject>) -> Result<KernelFact, ApiError> {
    let Some(forwarding) = &running.forwarding else {
        return Ok(KernelFact::LeftAlone);
    };
    let subject = Arc::clone(subject);
    let fact = forwarding.look(move |state| KernelFact::look(state, &subject.paths));
    fact.await.map_err(|_| ApiError::NotRunning)
}

/// Faults of single peers, from the alarms of the speaker.
fn unspeakable(running: &RunningView) -> BTreeMap<String, String> {
    let alarms = running.speaker.alarms().list().into_iter();
    let of_peers = alarms.filter_map(|alarm| {
        let peer = alarm.object.strip_prefix("peer ")?.to_owned();
        Some((peer, alarm.reason.to_string()))
    });
    of_peers.collect()
}
