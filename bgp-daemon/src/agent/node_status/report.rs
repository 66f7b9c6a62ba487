//! The task that keeps CalicoNodeStatus objects true.
//!
//! Asks the speaker the same questions as the control sockets do, through the same bounded channel, and hands what comes of
//! them to a [`StatusSink`]. A datastore that refuses is tried again later; nothing else waits for it.

use std::time::{Duration, Instant};

use bgp_core::types::{Family, PerFamily};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::schedule::Schedule;
use super::status::{MAX_ROUTES, NodeStatus, Seen, build};
use crate::control::command::{NamePattern, Query, RouteQuery};
use crate::control::render::Clock;
use crate::control::request::{Answer, Request};
use crate::datastore::Snapshot;
use crate::resources::{CalicoNodeStatusSpec, StatusClass};

/// How long to wait for an answer of the speaker, and for the datastore to take a status.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes statuses to the datastore.
pub trait StatusSink: Send + 'static {
    /// Replaces the `status` of an object, adds `lastUpdated`, and touches nothing else. An object that is gone is no error.
    /// Given up after ten seconds.
    fn write(
        &mut self,
        name: &str,
        status: &NodeStatus,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Keeps the objects of `node` true until `stop`, or until nobody brings resources any more.
pub async fn report(
    node: String,
    mut snapshots: watch::Receiver<Snapshot>,
    requests: mpsc::Sender<Request>,
    mut sink: impl StatusSink,
    stop: CancellationToken,
) {
    let mut schedule = Schedule::default();
    snapshots.mark_changed();
    loop {
        let due = schedule.next_due();
        tokio::select! {
            () = stop.cancelled() => return,
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return;
                }
                schedule.follow(&snapshots.borrow_and_update().set, &node, Instant::now());
            }
            () = reached(due) => {
                for (name, spec) in schedule.due(Instant::now()) {
                    update(&mut schedule, &requests, &mut sink, &name, &spec).await;
                }
            }
        }
    }
}

async fn reached(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

async fn update(
    schedule: &mut Schedule,
    requests: &mpsc::Sender<Request>,
    sink: &mut impl StatusSink,
    name: &str,
    spec: &CalicoNodeStatusSpec,
) {
    let seen = PerFamily {
        ipv4: look(requests, Family::Ipv4Unicast, &spec.classes).await,
        ipv6: look(requests, Family::Ipv6Unicast, &spec.classes).await,
    };
    let status = build(&spec.classes, &seen, &Clock::system());
    let done = if schedule.is_news(name, &status) {
        let done = timeout(PATIENCE, sink.write(name, &status)).await;
        done.unwrap_or_else(|_| Err(anyhow::anyhow!("the datastore does not answer")))
    } else {
        Ok(())
    };
    match done {
        Ok(()) => {
            debug!(name, "CalicoNodeStatus is up to date");
            schedule.written(name, status, Instant::now());
        }
        Err(error) => {
            if schedule.failed(name, Instant::now()) {
                warn!(name, "CalicoNodeStatus cannot be written: {error:#}");
            }
        }
    }
}

/// What the speaker says of a family, as far as the classes need it. Without an answer it is as if there were none.
async fn look(requests: &mpsc::Sender<Request>, family: Family, classes: &[StatusClass]) -> Seen {
    let mut seen = Seen::default();
    if classes.contains(&StatusClass::Agent)
        && let Some(Answer::Status(status)) = ask(requests, family, Query::Status).await
    {
        seen.status = Some(status);
    }
    let protocols = Query::Protocols {
        name: NamePattern::any(),
        all: false,
    };
    if let Some(Answer::Protocols(protocols)) = ask(requests, family, protocols).await {
        seen.protocols = protocols;
    }
    let routes = Query::Routes(RouteQuery::default());
    if classes.contains(&StatusClass::Routes)
        && let Some(Answer::Routes(mut chunks)) = ask(requests, family, routes).await
    {
        while seen.routes.len() < MAX_ROUTES
            && let Ok(Some(chunk)) = timeout(PATIENCE, chunks.recv()).await
        {
            seen.routes.extend(chunk);
        }
    }
    seen
}

async fn ask(requests: &mpsc::Sender<Request>, family: Family, query: Query) -> Option<Answer> {
    let (reply, answer) = oneshot::channel();
    let request = Request {
        family,
        query,
        reply,
    };
    let asked = async {
        requests.send(request).await.ok()?;
        answer.await.ok()
    };
    timeout(PATIENCE, asked).await.ok().flatten()
}
