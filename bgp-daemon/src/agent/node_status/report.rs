//! The task that updates CalicoNodeStatus objects.
//!
//! Asks the speaker the same questions as the control sockets, through the same bounded channel, and passes the result to a
//! [`StatusSink`]. A refused write is retried later; nothing waits for it.

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

/// Limit of the wait for an answer of the speaker, and for a write to the datastore.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes statuses to the datastore.
pub trait StatusSink: Send + 'static {
    /// Replaces the `status` of an object, with `lastUpdated`, and nothing else. A missing object is not an error. Cancelled
    /// after ten seconds.
    fn write(
        &mut self,
        name: &str,
        status: &NodeStatus,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Updates the objects of `node` until `stop`, or until the datastore's task ends.
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

/// The speaker's data about a family, as far as the classes need it. A missing answer counts as no data.
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
