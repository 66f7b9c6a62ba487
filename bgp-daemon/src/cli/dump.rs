//! The state of the speaker in the log: the counterpart of SIGUSR1 in BIRD.
//!
//! Uses the same request as `show snapshot`, so it contains no secrets. One line for each family, problem and protocol.

use bgp_core::types::Family;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use crate::control::command::Query;
use crate::control::model::{NodeSnapshot, ProtocolSnapshot};
use crate::control::request::{Answer, Request};

/// Logs the state of the speaker.
pub(super) async fn dump(requests: &mpsc::Sender<Request>) {
    for family in Family::ALL {
        match snapshot(requests, family).await {
            Some(snapshot) => log(family, &snapshot),
            None => warn!(%family, "SIGUSR1: the speaker does not answer"),
        }
    }
}

async fn snapshot(requests: &mpsc::Sender<Request>, family: Family) -> Option<Box<NodeSnapshot>> {
    let (reply, answer) = oneshot::channel();
    let request = Request {
        family,
        query: Query::Snapshot,
        reply,
    };
    requests.send(request).await.ok()?;
    match answer.await {
        Ok(Answer::Snapshot(snapshot)) => Some(snapshot),
        _ => None,
    }
}

fn log(family: Family, snapshot: &NodeSnapshot) {
    let NodeSnapshot {
        node,
        local_as,
        status,
        problems,
        protocols,
    } = snapshot;
    info!(
        node, %family, %local_as, router_id = %status.router_id, boot = %status.boot,
        reconfigured = %status.reconfigured, protocols = protocols.len(), "SIGUSR1: state"
    );
    for problem in problems {
        info!(object = problem.object, "problem: {}", problem.reason);
    }
    for protocol in protocols {
        log_protocol(protocol);
    }
}

fn log_protocol(protocol: &ProtocolSnapshot) {
    let bgp = protocol.bgp.as_ref();
    let error = bgp.and_then(|bgp| bgp.last_error.as_ref());
    info!(
        name = %protocol.name,
        state = protocol.state.word(),
        session = bgp.map(|bgp| bgp.state.word()),
        since = %protocol.since,
        imported = protocol.routes.imported,
        exported = protocol.routes.exported,
        error = error.map(ToString::to_string),
        "protocol"
    );
}
