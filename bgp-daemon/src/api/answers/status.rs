//! The speaker as a whole.

use bgp_core::bfd::State as BfdState;
use bgp_core::session::State;

use super::problems::problems;
use super::readiness::Ready;
use crate::agent::{RunningView, View};
use crate::api::model::{SessionTotals, Status};
use crate::control::VERSION;

pub(in crate::api) async fn status(view: &View, ready: &Ready) -> Status {
    let plan = view.running.as_ref().map(|running| &running.plan);
    let readiness = ready.look(view).await;
    Status {
        node: view.node.clone(),
        version: VERSION.to_owned(),
        router_id: plan.and_then(|plan| Some(plan.router_id?.to_string())),
        local_as: plan.map(|plan| plan.local_as.0),
        boot: view.boot,
        reconfigured: view.reconfigured,
        stopping: view.stopping,
        recovering: view
            .running
            .as_ref()
            .is_some_and(|running| running.recovering),
        drain: plan.and_then(|plan| Some(plan.drain?.name().to_owned())),
        ready: readiness.ready,
        missing: readiness.missing,
        sessions: match &view.running {
            Some(running) => totals(running).await,
            None => SessionTotals::default(),
        },
        problems: problems(view).len(),
    }
}

async fn totals(running: &RunningView) -> SessionTotals {
    let sessions = running.speaker.inquirer().sessions().await;
    let up = |state: State| state == State::Established;
    let watches = || sessions.values().filter_map(|status| status.bfd.as_ref());
    SessionTotals {
        configured: running.plan.peers.len(),
        established: sessions
            .values()
            .filter(|status| up(status.session.state))
            .count(),
        disabled: running.disabled.len(),
        watched: watches().count(),
        watched_up: watches().filter(|bfd| bfd.state() == BfdState::Up).count(),
    }
}
