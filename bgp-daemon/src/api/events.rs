//! `GET /v1/events`: events as they happen, as server-sent events.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use bgp_core::rib::View as RibView;
use bgp_speaker::alarms::AlarmChanges;
use bgp_speaker::{Event, Filter, Speaker, Watch, Watched};
use futures_util::Stream;
use futures_util::stream::unfold;
use ipnet::IpNet;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

use super::answers::{self, session_names};
use super::context::{Api, Asked, running};
use super::error::ApiError;
use super::model::{PlanEvent, ProblemEntry, ProblemEvent, RouteEvent, RouteView, SessionEvent};
use crate::agent::View;

/// Interval of comments that keep the connection open and detect closed ones.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Parameters of `/v1/events`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// Also routes of this view: `received`, `accepted`, `best` or `told`.
    routes: Option<RouteView>,
    /// Only routes of this prefix and all prefixes that it contains.
    #[schemars(with = "Option<String>")]
    prefix: Option<IpNet>,
    /// Only routes of this peer: name of the session, or address.
    peer: Option<String>,
}

pub(super) async fn events(
    State(api): State<Arc<Api>>,
    Asked(asked): Asked<EventsQuery>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, ApiError> {
    let permit = Arc::clone(&api.streams)
        .try_acquire_owned()
        .map_err(|_| ApiError::Busy)?;
    let mut views = api.views();
    let view = Arc::clone(&views.borrow_and_update());
    let filter = filter(&view, &asked)?;
    let mut follower = Follower {
        sources: Sources::of(&view, filter.as_ref()).await,
        filter,
        views,
        view,
        problems: BTreeSet::new(),
        waiting: Vec::new(),
        _permit: permit,
    };
    follower.compare_problems();
    let stream = unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// The filter for the requested routes.
fn filter(view: &View, asked: &EventsQuery) -> Result<Option<Filter>, ApiError> {
    let Some(routes) = asked.routes else {
        return match asked.prefix.is_some() || asked.peer.is_some() {
            true => Err(ApiError::wrong(
                "routes",
                "missing: `prefix` and `peer` choose among routes",
            )),
            false => Ok(None),
        };
    };
    let mut filter = Filter::of([RibView::from(routes)]);
    if let Some(prefix) = asked.prefix {
        filter = filter.within(prefix.trunc());
    }
    if let Some(name) = &asked.peer {
        let running = running(view)?;
        let peer = answers::peer_named(running, name)?;
        let id = running.speaker.peer_id(&peer.name);
        filter = filter.of_peer(id.ok_or_else(|| ApiError::no_session(name))?);
    }
    Ok(Some(filter))
}

/// The event stream of one client.
struct Follower {
    views: watch::Receiver<Arc<View>>,
    view: Arc<View>,
    filter: Option<Filter>,
    sources: Sources,
    /// The problems that the client was sent.
    problems: BTreeSet<ProblemEntry>,
    /// The last one is sent next.
    waiting: Vec<sse::Event>,
    _permit: OwnedSemaphorePermit,
}

/// The sources of events.
struct Sources {
    speaker: Option<(Speaker, broadcast::Receiver<Event>)>,
    alarms: Vec<AlarmChanges>,
    routes: Option<Watch>,
}

impl Sources {
    async fn of(view: &View, filter: Option<&Filter>) -> Self {
        let speaker = view.running.as_ref().map(|running| running.speaker.clone());
        let of_speaker = speaker.as_ref().map(|speaker| speaker.alarms().changes());
        let routes = match (&speaker, filter) {
            // A speaker that has ended has no routes.
            (Some(speaker), Some(filter)) => speaker.routes().watch(filter.clone()).await.ok(),
            _ => None,
        };
        Self {
            alarms: [view.alarms.changes()]
                .into_iter()
                .chain(of_speaker)
                .collect(),
            speaker: speaker.map(|speaker| {
                let events = speaker.events();
                (speaker, events)
            }),
            routes,
        }
    }

    /// Whether the sources belong to a view.
    fn are_of(&self, view: &View) -> bool {
        let speaker = view.running.as_ref().map(|running| &running.speaker);
        match (&self.speaker, speaker) {
            (Some((old, _)), Some(new)) => old.is_same(new),
            (None, None) => true,
            _ => false,
        }
    }
}

/// An event of a source.
enum SourceEvent {
    View,
    Session(Result<Event, broadcast::error::RecvError>),
    Alarms,
    Route(Option<Watched>),
}

impl Follower {
    /// The next event; `None` once the process ends.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.waiting.pop() {
                return Some(event);
            }
            if self.view.stopping {
                return None;
            }
            match self.next_source_event().await? {
                SourceEvent::View => self.change_view().await,
                SourceEvent::Session(Ok(event)) => self.session(&event),
                SourceEvent::Session(Err(broadcast::error::RecvError::Lagged(missed))) => {
                    self.lagged(missed)
                }
                // A new speaker comes with a new view.
                SourceEvent::Session(Err(broadcast::error::RecvError::Closed)) => {
                    self.sources.speaker = None
                }
                SourceEvent::Alarms => self.compare_problems(),
                SourceEvent::Route(Some(watched)) => self.route(&watched),
                SourceEvent::Route(None) => self.sources.routes = None,
            }
        }
    }

    async fn next_source_event(&mut self) -> Option<SourceEvent> {
        let Sources {
            speaker,
            alarms,
            routes,
        } = &mut self.sources;
        let session = async {
            match speaker {
                Some((_, events)) => events.recv().await,
                None => std::future::pending().await,
            }
        };
        let alarm = futures_util::future::select_all(
            alarms.iter_mut().map(|changes| Box::pin(changes.changed())),
        );
        let route = async {
            match routes {
                Some(routes) => routes.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = self.views.changed() => changed.ok().map(|()| SourceEvent::View),
            event = session => Some(SourceEvent::Session(event)),
            _ = alarm => Some(SourceEvent::Alarms),
            watched = route => Some(SourceEvent::Route(watched)),
        }
    }

    async fn change_view(&mut self) {
        let new = Arc::clone(&self.views.borrow_and_update());
        let old = std::mem::replace(&mut self.view, new);
        if !self.sources.are_of(&self.view) {
            self.sources = Sources::of(&self.view, self.filter.as_ref()).await;
        }
        if old.reconfigured != self.view.reconfigured {
            self.plan(&old);
        }
        self.compare_problems();
    }

    fn plan(&mut self, old: &View) {
        let names = |view: &View| -> BTreeSet<String> {
            let running = view.running.iter();
            let peers = running.flat_map(|running| running.plan.peers.iter());
            peers.map(|peer| peer.name.clone()).collect()
        };
        let (old, new) = (names(old), names(&self.view));
        self.tell(
            "plan",
            &PlanEvent {
                at: self.view.reconfigured,
                sessions: new.len(),
                added: new.difference(&old).cloned().collect(),
                removed: old.difference(&new).cloned().collect(),
            },
        );
    }

    fn session(&mut self, event: &Event) {
        let (peer, up, text) = match event {
            Event::Up { peer, negotiated } => {
                let (asn, id) = (negotiated.peer_as, negotiated.peer_id);
                (peer, true, format!("established with AS {asn} ({id})"))
            }
            Event::Down { peer, reason } => (peer, false, reason.to_string()),
            _ => return,
        };
        self.tell(
            "session",
            &SessionEvent {
                at: Timestamp::now(),
                peer: peer.to_string(),
                up,
                text,
            },
        );
    }

    fn route(&mut self, watched: &Watched) {
        let Some(running) = &self.view.running else {
            return;
        };
        let names = session_names(running);
        let (prefix, old, new) = match watched {
            Watched::Route { route, .. } => (route.prefix, None, Some(route)),
            Watched::Change(change) => (change.prefix, change.old.as_ref(), change.new.as_ref()),
            Watched::Lagged(missed) => return self.lagged(*missed),
            _ => return,
        };
        let event = RouteEvent {
            at: Timestamp::now(),
            prefix: prefix.to_string(),
            old: old.map(|route| answers::entry(route, &names)),
            new: new.map(|route| answers::entry(route, &names)),
        };
        self.tell("route", &event);
    }

    /// Sends the differences of the problems.
    fn compare_problems(&mut self) {
        let now: BTreeSet<ProblemEntry> = answers::problems(&self.view).into_iter().collect();
        let before = std::mem::replace(&mut self.problems, now.clone());
        let over = before.difference(&now).map(|problem| (true, problem));
        let new = now.difference(&before).map(|problem| (false, problem));
        for (over, problem) in over.chain(new) {
            self.tell(
                "problem",
                &ProblemEvent {
                    at: Timestamp::now(),
                    over,
                    problem: problem.clone(),
                },
            );
        }
    }

    fn lagged(&mut self, missed: u64) {
        self.tell("lagged", &serde_json::json!({ "missed": missed }));
    }

    fn tell<T: Serialize>(&mut self, name: &str, data: &T) {
        // These values have only text keys, so they can be serialized.
        if let Ok(event) = sse::Event::default().event(name).json_data(data) {
            self.waiting.insert(0, event);
        }
    }
}
