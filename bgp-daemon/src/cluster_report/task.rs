//! Follows the speaker, and reports to the cluster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_speaker::alarms::AlarmChanges;
use bgp_speaker::{Event, Speaker};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::digest::{Digest, Notice};
use super::drain;
use super::status::{PLURAL, SpeakerStatus};
use crate::agent::View;
use crate::api::Questions;
use crate::datastore::cluster::{Cluster, ClusterError};
use crate::plan::Drain;

/// After a change, how long further changes are awaited before the object is written.
const SETTLE: Duration = Duration::from_secs(1);
/// Least time between two writes of the object.
const PAUSE: Duration = Duration::from_secs(5);
/// Delay after a failure; doubled each time.
const RETRY: Duration = Duration::from_secs(10);
/// Longest delay after failures.
const LONGEST_RETRY: Duration = Duration::from_secs(600);

/// The enabled reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reports {
    /// Events on the Node.
    pub events: bool,
    /// The object `SpeakerStatus`.
    pub status: bool,
}

/// Reports on the speaker of `node` until `stop`.
pub async fn report(
    node: String,
    questions: Questions,
    cluster: impl Cluster,
    reports: Reports,
    stop: CancellationToken,
) {
    let mut views = questions.views();
    let view = Arc::clone(&views.borrow_and_update());
    let mut reporter = Reporter {
        sources: Sources::of(&view),
        node,
        uid: None,
        questions,
        cluster,
        reports,
        views,
        view,
        digest: Digest::default(),
        written: None,
        write_at: Some(Instant::now() + SETTLE),
        retry: RETRY,
        told: Told::default(),
        drain: None,
        drain_is_news: false,
    };
    reporter.note_drain();
    stop.run_until_cancelled(reporter.run()).await;
}

/// The failures that were logged.
#[derive(Debug, Default)]
struct Told {
    events: Option<ClusterError>,
    status: Option<ClusterError>,
    condition: Option<ClusterError>,
}

struct Reporter<C> {
    node: String,
    /// UID of the Node, once it is known.
    uid: Option<String>,
    questions: Questions,
    cluster: C,
    reports: Reports,
    views: watch::Receiver<Arc<View>>,
    view: Arc<View>,
    sources: Sources,
    digest: Digest,
    /// The object as last written.
    written: Option<SpeakerStatus>,
    write_at: Option<Instant>,
    retry: Duration,
    told: Told,
    /// The drain that the cluster was told of, and whether a change of it is still to be told.
    drain: Option<Drain>,
    drain_is_news: bool,
}

/// The sources of changes.
struct Sources {
    speaker: Option<(Speaker, broadcast::Receiver<Event>)>,
    alarms: Option<AlarmChanges>,
}

impl Sources {
    fn of(view: &View) -> Self {
        let speaker = view.running.as_ref().map(|running| &running.speaker);
        Self {
            alarms: speaker.map(|speaker| speaker.alarms().changes()),
            speaker: speaker.map(|speaker| (speaker.clone(), speaker.events())),
        }
    }

    fn are_of(&self, view: &View) -> bool {
        let new = view.running.as_ref().map(|running| &running.speaker);
        match (&self.speaker, new) {
            (Some((old, _)), Some(new)) => old.is_same(new),
            (None, None) => true,
            _ => false,
        }
    }

    async fn event(speaker: &mut Option<(Speaker, broadcast::Receiver<Event>)>) -> Option<Event> {
        match speaker {
            Some((_, events)) => match events.recv().await {
                Ok(event) => Some(event),
                // Missed events are covered by the next status.
                Err(broadcast::error::RecvError::Lagged(_)) => None,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}

impl<C: Cluster> Reporter<C> {
    async fn run(mut self) {
        loop {
            let (digest, write) = (self.digest.due(), self.write_at);
            let news = self.drain_is_news && !self.view.stopping;
            let Sources { speaker, alarms } = &mut self.sources;
            let alarm = async {
                match alarms {
                    Some(changes) => changes.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.views.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.change_view();
                }
                event = Sources::event(speaker) => self.note(event.as_ref()),
                () = alarm => self.write_soon(),
                () = std::future::ready(()), if news => self.tell_drain().await,
                () = reached(digest) => self.post_events().await,
                () = reached(write) => self.write_status().await,
            }
        }
    }

    fn change_view(&mut self) {
        self.view = Arc::clone(&self.views.borrow_and_update());
        if !self.sources.are_of(&self.view) {
            self.sources = Sources::of(&self.view);
        }
        self.note_drain();
        self.write_soon();
    }

    /// A drain that begins, goes on or is undone.
    fn note_drain(&mut self) {
        let Some(running) = &self.view.running else {
            return;
        };
        let drain = running.plan.drain;
        self.drain_is_news |= drain != self.drain;
        self.drain = drain;
    }

    async fn tell_drain(&mut self) {
        self.drain_is_news = false;
        if self.reports.events {
            let done = self.post(&drain::notice(self.drain)).await;
            tell(&mut self.told.events, "Events on the Node", done);
        }
        if self.reports.status {
            let condition = drain::condition(self.drain, Timestamp::now());
            let done = self.cluster.set_condition(&self.node, &condition).await;
            tell(
                &mut self.told.condition,
                "the condition BGPDrained of the Node",
                done,
            );
        }
    }

    fn note(&mut self, event: Option<&Event>) {
        let now = Instant::now();
        match event {
            Some(Event::Up { peer, negotiated }) => {
                let text = format!("established with AS {}", negotiated.peer_as);
                self.digest.note(now, peer, true, &text);
            }
            Some(Event::Down { peer, reason }) => {
                self.digest.note(now, peer, false, &reason.to_string());
            }
            _ => {}
        }
        self.write_soon();
    }

    fn write_soon(&mut self) {
        self.write_at.get_or_insert_with(|| Instant::now() + SETTLE);
    }

    async fn post_events(&mut self) {
        let view = Arc::clone(&self.view);
        let configured = |name: &str| {
            let running = view.running.as_ref();
            running.is_some_and(|running| running.plan.peers.iter().any(|peer| peer.name == name))
        };
        let notices = self.digest.take(Instant::now(), configured);
        if !self.reports.events || self.view.stopping {
            return;
        }
        for notice in notices {
            let done = self.post(&notice).await;
            tell(&mut self.told.events, "Events on the Node", done);
        }
    }

    async fn post(&mut self, notice: &Notice) -> Result<(), ClusterError> {
        let uid = self.uid().await?;
        self.cluster
            .post_event(&event(&self.node, &uid, notice, Timestamp::now()))
            .await
    }

    async fn write_status(&mut self) {
        self.write_at = None;
        if !self.reports.status || self.view.stopping {
            return;
        }
        let (status, sessions, problems) = self.questions.all().await;
        let new = SpeakerStatus::new(&status, &sessions, &problems, Timestamp::now());
        if !status.ready {
            // The speaker becomes ready without an event.
            self.write_at = Some(Instant::now() + PAUSE);
        }
        if self.written.as_ref().is_some_and(|old| !new.is_news(old)) {
            return;
        }
        let done = match self.uid().await {
            Ok(uid) => {
                self.cluster
                    .put(PLURAL, &new.object(&self.node, &uid))
                    .await
            }
            Err(error) => Err(error),
        };
        let pause = match &done {
            Ok(()) => {
                self.written = Some(new);
                self.retry = RETRY;
                PAUSE
            }
            Err(_) => {
                let pause = self.retry;
                self.retry = (pause * 2).min(LONGEST_RETRY);
                pause
            }
        };
        tell(&mut self.told.status, "SpeakerStatus", done);
        self.write_at = Some(Instant::now() + pause);
    }

    async fn uid(&mut self) -> Result<String, ClusterError> {
        if let Some(uid) = &self.uid {
            return Ok(uid.clone());
        }
        let uid = self.cluster.node_uid(&self.node).await?;
        Ok(self.uid.insert(uid).clone())
    }
}

/// Logs once why something cannot be written, and once that it can again. A missing permission is not an error: an older manifest
/// lacks it.
fn tell(told: &mut Option<ClusterError>, what: &str, done: Result<(), ClusterError>) {
    match done {
        Ok(()) => {
            if told.take().is_some() {
                info!("{what} can be written again");
            }
        }
        Err(error) if told.as_ref() == Some(&error) => {}
        Err(error) => {
            match error.lasting {
                true => info!("{what} cannot be written, and is left out until it can: {error}"),
                false => warn!("{what} cannot be written, tried again later: {error}"),
            }
            *told = Some(error);
        }
    }
}

async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// An Event on a Node.
fn event(node: &str, uid: &str, notice: &Notice, now: Timestamp) -> Value {
    let at = Timestamp::from_second(now.as_second())
        .unwrap_or(now)
        .to_string();
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": format!("{node}.{:x}", now.as_nanosecond()),
            "namespace": "default",
        },
        "involvedObject": { "apiVersion": "v1", "kind": "Node", "name": node, "uid": uid },
        "type": if notice.warning { "Warning" } else { "Normal" },
        "reason": notice.reason,
        "message": notice.message,
        "count": notice.count,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "source": { "component": "bgp-daemon", "host": node },
        "reportingComponent": "bgp-daemon",
        "reportingInstance": node,
    })
}
