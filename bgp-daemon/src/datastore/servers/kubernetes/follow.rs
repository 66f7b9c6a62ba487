//! Lists and watches a part, as long as the speaker runs.
//!
//! Lists are read in pages, and each object is reduced to the parts that a speaker reads before the next one. A watch continues
//! from the last version seen; if the server no longer knows it, or has refused several times, everything is listed again. A kind
//! that is not served is retried, and counts as empty after a while.
//!
//! kube's own watcher does not fit: it does not report when an interrupted watch continues, and does not handle kinds that are
//! not served.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kube::Error;
use kube::core::params::WatchParams;
use kube::core::{Request, WatchEvent};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use super::client::{Kubernetes, code};
use crate::datastore::servers::gather::Update;
use crate::datastore::servers::part::Part;
use crate::datastore::servers::pause::{Pause, RETRY};
use crate::datastore::servers::remote::{Following, Origin, Reporter};
use crate::resources::{Kind, key_of};

/// Time limit of a watch on the server, seconds; afterwards it is renewed.
const WATCH: u32 = 290;
/// A watch that is silent for this long is dead: servers send bookmarks every minute.
const SILENCE: Duration = Duration::from_secs(150);
/// Consecutive failed watches before everything is listed again.
const FAILURES: u32 = 5;
/// A kind of Calico that is not served for this long after the start has no objects.
const UNSERVED: Duration = Duration::from_secs(30);
/// Delay before such a kind is tried again: it may be installed later.
const MISSING: Duration = Duration::from_secs(30);
/// The same for kinds of our own group in a cluster with Calico, which few have.
const NOT_EXPECTED: Duration = Duration::from_secs(300);

/// The API server as watched for one node.
pub(in crate::datastore) struct NodeView {
    pub(in crate::datastore) server: Kubernetes,
    pub(in crate::datastore) node: String,
    pub(in crate::datastore) standalone: bool,
}

impl Origin for NodeView {
    fn follow(self: Arc<Self>, part: Part, reporter: Reporter) -> Following {
        let pause = Pause::new(&(&self.node, part.to_string()));
        let follower = Follower {
            view: self,
            part,
            reporter,
            pause,
        };
        Box::pin(follower.run())
    }
}

struct Follower {
    view: Arc<NodeView>,
    part: Part,
    reporter: Reporter,
    pause: Pause,
}

/// How a watch ended.
enum End {
    /// The server closed it, as it does every few minutes.
    Closed,
    /// The version is too old to continue from.
    Expired,
    Failed(Error),
}

impl Follower {
    async fn run(mut self) {
        let mut was_served = false;
        let began = Instant::now();
        if let Part::Own(kind) = self.part
            && !self.view.standalone
        {
            self.wait_until_served(kind).await;
        }
        loop {
            match self.list().await {
                Ok((objects, version)) => {
                    was_served = true;
                    self.pause.reset();
                    self.reporter.tell(Update::Listed(objects)).await;
                    self.watch(version).await;
                }
                // A server that has just started may not yet know its kinds; an existing kind is not gone because of that.
                Err(error) if code(&error) == Some(404) && !was_served => {
                    let settled = began.elapsed() >= UNSERVED;
                    debug!(part = %self.part, settled, "not served by the Kubernetes API");
                    let update = match self.part.is_required(self.view.standalone) {
                        true => Update::Unserved { settled },
                        // Kinds of Kubernetes itself are served from the start, or not at all by a server of this age; others need
                        // not exist.
                        false => Update::Listed(Vec::new()),
                    };
                    self.reporter.tell(update).await;
                    let pause = if settled { MISSING } else { RETRY };
                    sleep(self.pause.spread(pause)).await;
                }
                Err(error) => self.fail(&error).await,
            }
        }
    }

    /// Waits until a kind of our own group exists. Meanwhile it has no objects: in a cluster with Calico it need not exist, and
    /// the agent may have no right to list it.
    async fn wait_until_served(&mut self, kind: Kind) {
        loop {
            match self.view.server.serves(kind).await {
                Ok(true) => return,
                Ok(false) => {
                    self.pause.reset();
                    self.reporter.tell(Update::Listed(Vec::new())).await;
                    sleep(self.pause.spread(NOT_EXPECTED)).await;
                }
                Err(error) => self.fail(&error).await,
            }
        }
    }

    async fn fail(&mut self, error: &Error) {
        let reason = self.view.server.describe(error);
        debug!(part = %self.part, reason, "failed");
        let update = match code(error) {
            Some(401 | 403) => Update::Forbidden(reason),
            _ => Update::Failed(reason),
        };
        self.reporter.tell(update).await;
        sleep(self.pause.next()).await;
    }

    /// All objects, and the version to continue from.
    async fn list(&self) -> Result<(Vec<Value>, String), Error> {
        let server = &self.view.server;
        let (path, selector) = server.path_of(&self.part).await?;
        let mut objects = Vec::new();
        let keep = |object: Value| {
            if self.concerns(&object) {
                objects.push(self.lean(object));
            }
        };
        let version = server.list(&path, selector, keep).await?;
        Ok((objects, version))
    }

    /// Watches until everything must be listed again.
    async fn watch(&mut self, mut version: String) {
        let mut failures = 0;
        while failures < FAILURES {
            let before = version.clone();
            let began = Instant::now();
            match self.watch_once(&mut version).await {
                // A watch that ends at once must not cause a tight loop.
                End::Closed if began.elapsed() < RETRY => sleep(self.pause.next()).await,
                End::Closed => {}
                End::Expired => return,
                End::Failed(error) => {
                    failures += 1;
                    self.fail(&error).await;
                }
            }
            if version != before {
                failures = 0;
                self.pause.reset();
            }
        }
    }

    async fn watch_once(&self, version: &mut String) -> End {
        let path = self.view.server.path_of(&self.part).await;
        let (path, selector) = match path {
            Ok(path) => path,
            Err(error) => return End::Failed(error),
        };
        let mut parameters = WatchParams::default().timeout(WATCH);
        parameters.field_selector = selector;
        let request = Request::new(path).watch(&parameters, version);
        let events = match self.view.server.ask_for_events(request).await {
            Ok(events) => events,
            Err(error) => return end_of(error),
        };
        tokio::pin!(events);
        self.reporter.tell(Update::Well).await;
        loop {
            let event = match timeout(SILENCE, events.next()).await {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => return end_of(error),
                Ok(None) | Err(_) => return End::Closed,
            };
            let (object, is_there) = match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, true),
                WatchEvent::Deleted(object) => (object, false),
                WatchEvent::Bookmark(bookmark) => {
                    *version = bookmark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(status) => return end_of(Error::Api(status)),
            };
            if let Some(seen) = object["metadata"]["resourceVersion"].as_str() {
                seen.clone_into(version);
            }
            if is_there && self.concerns(&object) {
                self.reporter.tell(Update::Put(self.lean(object))).await;
            } else if let Some(key) = key_of(&object, self.part.kind()) {
                self.reporter.tell(Update::Gone(key)).await;
            }
        }
    }

    /// Blocks of other nodes are left out: they are many, and not needed.
    fn concerns(&self, object: &Value) -> bool {
        self.part.kind() != Kind::BlockAffinity || object["spec"]["node"] == *self.view.node
    }

    /// An object without the parts that no speaker reads, which are most of a Node.
    fn lean(&self, mut object: Value) -> Value {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        let kind = self.part.kind();
        if matches!(kind, Kind::KubernetesNode | Kind::CalicoNodeStatus)
            && let Some(object) = object.as_object_mut()
            && let Some(mut status) = object.remove("status")
            && kind == Kind::KubernetesNode
            && self.view.standalone
        {
            let addresses = status["addresses"].take();
            object.insert("status".to_owned(), json!({"addresses": addresses}));
        }
        object
    }
}

fn end_of(error: Error) -> End {
    match code(&error) {
        Some(410) => End::Expired,
        _ => End::Failed(error),
    }
}

#[cfg(test)]
mod tests;
