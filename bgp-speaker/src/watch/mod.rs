//! Watches routes: a snapshot, then changes.
//!
//! A watch costs the speaker a set of prefixes, and a page of reading whenever its owner asks for more. The speaker never waits
//! for a watch.

mod filter;
pub(crate) mod hub;
mod known;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bgp_core::rib::{Cursor, Page, Query, View, ViewedRoute};
use tokio::sync::oneshot;

use crate::event::Ended;
use crate::table::{self, TableInput};
use hub::{AT_ONCE, Answer, Reading, WatchRequest, WatcherId};
use known::{Known, ViewedPrefix};

pub use filter::Filter;
pub use known::Change;

/// An item of a [`Watch`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Watched {
    /// A route of the snapshot.
    Route {
        /// In which view.
        view: View,
        /// The route.
        route: Arc<ViewedRoute>,
    },
    /// The snapshot is complete; changes follow. Comes once.
    SnapshotEnd,
    /// A new, changed or withdrawn route. Also comes during the snapshot, for routes that were already told.
    Change(Change),
    /// Up to this many changes were left out, without a [`Watched::Change`] of their own, because the owner of the watch was
    /// slow. The changes that follow still lead to the current state, so an owner that only keeps the newest state may ignore
    /// this.
    Lagged(u64),
}

/// Watches routes: first all current routes, then [`Watched::SnapshotEnd`], then each change with the old and the new route.
///
/// A slow owner delays no one else, and memory stays bounded. If a prefix changes several times in the meantime, only the newest state
/// is reported, and [`Watched::Lagged`] says that changes were left out. If too many changed prefixes are waiting, all routes are
/// read again, and the differences are reported.
///
/// A change concerns the route itself: its source, attributes, next hop or preference. Whether a route is stale, or why it is not
/// used, is in [`ViewedRoute`] as of the last reading, and is not watched.
///
/// To know old routes, a watch keeps all routes that it has told. Dropping the watch ends it; without a watch there is no cost.
///
/// ```
/// # async fn example(speaker: bgp_speaker::Speaker) -> Result<(), Box<dyn std::error::Error>> {
/// use bgp_core::rib::View;
/// use bgp_speaker::{Filter, Watched};
///
/// let mut best = speaker.routes().watch(Filter::of([View::Best])).await?;
/// while let Some(watched) = best.next().await {
///     match watched {
///         Watched::Route { route, .. } => println!("{} is there", route.prefix),
///         Watched::SnapshotEnd => println!("that is all for now"),
///         Watched::Change(change) => println!("{} is now {:?}", change.prefix, change.new),
///         Watched::Lagged(count) => println!("too slow for {count} changes"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Watch {
    table: table::Sender,
    filter: Filter,
    id: WatcherId,
    _alive: Arc<()>,
    step: Step,
    /// The snapshot is complete.
    complete: bool,
    /// The pending question to the table.
    asked: Option<oneshot::Receiver<Answer>>,
    known: Known,
    ready: VecDeque<Watched>,
}

/// The phase of a watch.
#[derive(Debug)]
enum Step {
    /// Reads everything: these queries, the first of them from the cursor on. Of the routes told before, `unseen` were not read
    /// yet.
    Read {
        queries: VecDeque<Query>,
        from: Cursor,
        unseen: BTreeSet<ViewedPrefix>,
    },
    /// Reads the places that a full reading did not see, and may have missed.
    Check(BTreeSet<ViewedPrefix>),
    /// Waits for changes.
    Follow,
}

impl Watch {
    pub(crate) async fn begin(table: table::Sender, filter: Filter) -> Result<Self, Ended> {
        let alive = Arc::new(());
        let (reply, id) = oneshot::channel();
        let request = WatchRequest::Begin {
            filter: filter.clone(),
            alive: Arc::downgrade(&alive),
            reply,
        };
        table.send([TableInput::Watch(request)]).await?;
        let id = id.await.map_err(|_| Ended)?;
        let known = Known::default();
        let step = Step::read(&filter, &known);
        Ok(Self {
            table,
            filter,
            id,
            _alive: alive,
            step,
            complete: false,
            asked: None,
            known,
            ready: VecDeque::new(),
        })
    }

    /// Waits for the next item; `None` when the speaker has ended. Cancellation safe.
    pub async fn next(&mut self) -> Option<Watched> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            if self.is_through() {
                self.step = Step::Follow;
                if !std::mem::replace(&mut self.complete, true) {
                    return Some(Watched::SnapshotEnd);
                }
            }
            let answer = self.ask().await.ok()?;
            self.take(answer);
        }
    }

    /// Whether all requested routes have been read.
    fn is_through(&mut self) -> bool {
        if let Step::Read {
            queries, unseen, ..
        } = &mut self.step
            && queries.is_empty()
        {
            self.step = Step::Check(std::mem::take(unseen));
        }
        matches!(&self.step, Step::Check(places) if places.is_empty())
    }

    /// Sends the next question to the table, unless one is pending, and waits for the answer.
    async fn ask(&mut self) -> Result<Answer, Ended> {
        if self.asked.is_none() {
            let room = self.table.clone().reserve(1).await?;
            let (question, answer) = self.question();
            self.asked = Some(answer);
            room.send([question].into_iter().collect());
        }
        let Some(asked) = &mut self.asked else {
            return Err(Ended);
        };
        let answer = asked.await;
        self.asked = None;
        answer.map_err(|_| Ended)
    }

    fn question(&self) -> (TableInput, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        let question = match &self.step {
            Step::Read { queries, from, .. } => {
                let (query, from) = (queries.front().cloned(), *from);
                TableInput::Ask(Box::new(move |rib| {
                    let page = query.map(|query| rib.ask(&query, from, AT_ONCE));
                    // The caller may be gone.
                    reply.send(Answer::Page(page.unwrap_or_default())).ok();
                }))
            }
            Step::Check(places) => {
                let (filter, places) = (self.filter.clone(), places.iter().take(AT_ONCE));
                let places: Vec<ViewedPrefix> = places.copied().collect();
                TableInput::Ask(Box::new(move |rib| {
                    let read = |(view, prefix)| {
                        let query = filter.query_about(view, prefix);
                        let routes = rib.ask(&query, Cursor::START, usize::MAX).routes;
                        Reading {
                            view,
                            prefix,
                            routes,
                        }
                    };
                    let readings = places.into_iter().map(read).collect();
                    reply.send(Answer::Readings(readings)).ok();
                }))
            }
            Step::Follow => TableInput::Watch(WatchRequest::Next {
                watcher: self.id,
                reply,
            }),
        };
        (question, answer)
    }

    fn take(&mut self, answer: Answer) {
        match answer {
            Answer::Page(page) => self.take_page(page),
            Answer::Readings(readings) => {
                if let Step::Check(places) = &mut self.step {
                    for reading in &readings {
                        places.remove(&(reading.view, reading.prefix));
                    }
                }
                readings
                    .into_iter()
                    .for_each(|reading| self.take_reading(reading));
            }
            Answer::Changes(changes) => {
                if changes.skipped > 0 {
                    self.ready.push_back(Watched::Lagged(changes.skipped));
                }
                if changes.anew {
                    self.step = Step::read(&self.filter, &self.known);
                }
                let readings = changes.readings.into_iter();
                readings.for_each(|reading| self.take_reading(reading));
            }
        }
    }

    fn take_page(&mut self, page: Page) {
        let Step::Read {
            queries,
            from,
            unseen,
        } = &mut self.step
        else {
            return;
        };
        let Some(view) = queries.front().map(|query| query.view) else {
            return;
        };
        match page.next {
            Some(next) => *from = next,
            None => {
                queries.pop_front();
                *from = Cursor::START;
            }
        }
        let mut readings: Vec<Reading> = Vec::new();
        for route in page.routes {
            let prefix = route.prefix;
            match readings.last_mut() {
                Some(last) if last.prefix == prefix => last.routes.push(route),
                _ => {
                    unseen.remove(&(view, prefix));
                    readings.push(Reading {
                        view,
                        prefix,
                        routes: vec![route],
                    });
                }
            }
        }
        readings
            .into_iter()
            .for_each(|reading| self.take_reading(reading));
    }

    fn take_reading(&mut self, reading: Reading) {
        let changes = self
            .known
            .update((reading.view, reading.prefix), reading.routes);
        let complete = self.complete;
        self.ready
            .extend(changes.into_iter().map(|change| match change {
                Change {
                    view,
                    old: None,
                    new: Some(route),
                    ..
                } if !complete => Watched::Route { view, route },
                change => Watched::Change(change),
            }));
    }
}

impl Step {
    /// Starts to read everything.
    fn read(filter: &Filter, known: &Known) -> Self {
        Self::Read {
            queries: filter.queries().into(),
            from: Cursor::START,
            unseen: known.places(),
        }
    }
}

#[cfg(test)]
mod tests;
