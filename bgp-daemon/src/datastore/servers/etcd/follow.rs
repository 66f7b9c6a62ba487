//! Lists and watches the keys of a part, as long as the speaker runs.
//!
//! An interrupted watch continues from the last change seen, with any member that answers. If the cluster no longer knows the
//! changes since, or is another one, everything is listed again.

use std::convert::Infallible;
use std::sync::Arc;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::api::{Event, EventType, ResponseHeader, WatchResponse};
use super::client::{Client, EtcdConnection};
use super::error::EtcdError;
use super::keys::KeyPrefix;
use super::settings::EtcdSettings;
use crate::datastore::servers::gather::Update;
use crate::datastore::servers::part::Part;
use crate::datastore::servers::pause::{Pause, RETRY};
use crate::datastore::servers::remote::{Following, Origin, Reporter};
use crate::resources::Kind;

/// etcd as watched for one node.
pub(in crate::datastore) struct NodeView {
    client: Client,
    node: String,
}

impl NodeView {
    /// Does not connect yet.
    pub(in crate::datastore) fn new(settings: EtcdSettings, node: &str) -> Self {
        Self {
            client: Client::new(settings, node),
            node: node.to_owned(),
        }
    }
}

impl Origin for NodeView {
    fn follow(self: Arc<Self>, part: Part, reporter: Reporter) -> Following {
        let place = match &part {
            Part::Kind(kind) => KeyPrefix::of_node(*kind, &self.node),
            Part::Own(_) | Part::Object(_) => None,
        };
        let Some(place) = place else {
            return Box::pin(async move {
                let reason = format!("etcd holds no {}", part.kind().plural());
                reporter.tell(Update::Failed(reason)).await;
            });
        };
        let follower = Follower {
            // Shared by all parts: they use the same connection, so they lose it and reconnect together.
            pause: Pause::new(&self.node),
            view: self,
            place,
            reporter,
            seen: None,
            watching: None,
        };
        Box::pin(follower.run())
    }
}

struct Follower {
    view: Arc<NodeView>,
    place: KeyPrefix,
    reporter: Reporter,
    pause: Pause,
    /// `None` if everything must be listed.
    seen: Option<Seen>,
    /// When the watch began.
    watching: Option<Instant>,
}

/// The last change of a cluster that was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    cluster: u64,
    revision: i64,
}

impl Seen {
    fn of(header: &ResponseHeader) -> Self {
        Self {
            cluster: header.cluster_id,
            revision: header.revision,
        }
    }

    /// Whether a cluster has the changes since then. Another cluster does not, nor does one that was restored from a backup: its
    /// numbers refer to other changes.
    fn goes_on_with(self, header: &ResponseHeader) -> bool {
        self.cluster == header.cluster_id && self.revision <= header.revision
    }

    /// Records the changes of a message as reported.
    fn advance(&mut self, message: &WatchResponse) {
        let last = message.events.iter().filter_map(|event| event.kv.as_ref());
        let revision = match (last.map(|entry| entry.mod_revision).max(), &message.header) {
            // Later changes counted by the header may still be in flight.
            (Some(last), _) => last,
            (None, Some(header)) => header.revision,
            (None, None) => return,
        };
        self.revision = self.revision.max(revision);
    }
}

impl Follower {
    async fn run(mut self) {
        loop {
            let Err(error) = self.follow().await;
            let was_listed = self.seen.is_some();
            let watched = self.watching.take().map(|began| began.elapsed());
            match error {
                EtcdError::Compacted(_) if was_listed => self.seen = None,
                // Often another member, or the same one, continues at once.
                error if error.is_of_connection() && watched >= Some(RETRY) => {}
                error => self.fail(&error).await,
            }
        }
    }

    async fn fail(&mut self, error: &EtcdError) {
        let reason = error.to_string();
        debug!(place = self.place.prefix, reason, "failed");
        let update = match error.is_forbidden() {
            true => Update::Forbidden(reason),
            false => Update::Failed(reason),
        };
        self.reporter.tell(update).await;
        sleep(self.pause.next()).await;
    }

    async fn follow(&mut self) -> Result<Infallible, EtcdError> {
        let connection = self.view.client.connection().await?;
        let Err(error) = self.follow_on(&connection).await;
        self.view.client.note_failure(&connection, &error).await;
        Err(error)
    }

    async fn follow_on(&mut self, connection: &EtcdConnection) -> Result<Infallible, EtcdError> {
        let mut seen = match self.seen {
            Some(seen) => seen,
            None => self.list(connection).await?,
        };
        // From the last change on, which is repeated: some versions of etcd do not report a removal that is itself the compacted
        // revision.
        let mut watch = connection.watch(&self.place, seen.revision).await?;
        loop {
            let message = watch.next().await?;
            if message.created {
                let header = message.header.unwrap_or_default();
                if !seen.goes_on_with(&header) {
                    return Err(EtcdError::Compacted(connection.endpoint().to_owned()));
                }
                self.pause.reset();
                self.watching = Some(Instant::now());
                self.reporter.tell(Update::Well).await;
                continue;
            }
            for event in &message.events {
                if let Some(update) = update_of(&self.place, event) {
                    self.reporter.tell(update).await;
                }
            }
            seen.advance(&message);
            self.seen = Some(seen);
        }
    }

    async fn list(&mut self, connection: &EtcdConnection) -> Result<Seen, EtcdError> {
        let listed = connection.list(&self.place).await?;
        let objects = listed.entries.iter();
        let objects = objects.filter_map(|entry| self.place.object(entry));
        let (objects, bad): (Vec<_>, Vec<_>) = objects.partition(Result::is_ok);
        let objects = objects.into_iter().flatten().map(lean);
        self.reporter.tell(Update::Listed(objects.collect())).await;
        for bad in bad.into_iter().filter_map(Result::err) {
            self.reporter
                .tell(Update::Broken(bad.key, bad.reason))
                .await;
        }
        let seen = Seen::of(&listed.header);
        self.seen = Some(seen);
        Ok(seen)
    }
}

/// The update of an event; none for keys that are not objects.
fn update_of(place: &KeyPrefix, event: &Event) -> Option<Update> {
    let entry = event.kv.as_ref()?;
    if event.r#type() == EventType::Delete {
        return place.object_key(&entry.key).map(Update::Gone);
    }
    Some(match place.object(entry)? {
        Ok(object) => Update::Put(lean(object)),
        Err(bad) => Update::Broken(bad.key, bad.reason),
    })
}

/// An object without parts that no speaker reads: the status of a Node, and that of a CalicoNodeStatus, which may be large.
fn lean(mut object: Value) -> Value {
    let kinds = [Kind::Node, Kind::CalicoNodeStatus].map(Kind::name);
    let has_status = kinds.iter().any(|kind| object["kind"] == **kind);
    if let Some(object) = object.as_object_mut().filter(|_| has_status) {
        object.remove("status");
    }
    object
}

#[cfg(test)]
mod tests {
    use super::super::api::KeyValue;
    use super::*;
    use crate::resources::ObjectKey;

    fn header(cluster_id: u64, revision: i64) -> ResponseHeader {
        ResponseHeader {
            cluster_id,
            revision,
        }
    }

    fn event(r#type: EventType, key: &str, value: &str, mod_revision: i64) -> Event {
        let (key, value) = (key.into(), value.into());
        Event {
            r#type: r#type.into(),
            kv: Some(KeyValue {
                key,
                mod_revision,
                value,
            }),
        }
    }

    const TOR: &str = "/calico/resources/v3/projectcalico.org/bgppeers/tor";

    /// Promise 19.3.
    #[test]
    fn events_become_news() {
        let place = KeyPrefix::of(Kind::BgpPeer).expect("etcd holds them");
        let put = update_of(&place, &event(EventType::Put, TOR, "{}", 3));
        assert!(matches!(put, Some(Update::Put(object)) if object["metadata"]["name"] == "tor"));
        let tor = ObjectKey::cluster(Kind::BgpPeer, "tor");
        let gone = update_of(&place, &event(EventType::Delete, TOR, "", 4));
        assert_eq!(gone, Some(Update::Gone(tor.clone())));
        let bad = update_of(&place, &event(EventType::Put, TOR, "{", 5));
        assert!(matches!(bad, Some(Update::Broken(key, _)) if key == tor));
        let other = event(EventType::Put, "/calico/other", "{}", 6);
        assert_eq!(update_of(&place, &other), None);
    }

    #[test]
    fn a_watch_goes_on_behind_what_was_told() {
        let mut seen = Seen::of(&header(1, 10));
        let progress = WatchResponse {
            header: Some(header(1, 20)),
            ..WatchResponse::default()
        };
        seen.advance(&progress);
        assert_eq!(seen.revision, 20);
        let some_of_many = WatchResponse {
            header: Some(header(1, 90)),
            events: vec![event(EventType::Put, TOR, "{}", 30)],
            ..WatchResponse::default()
        };
        seen.advance(&some_of_many);
        assert_eq!(seen.revision, 30);
    }

    /// Promise 19.6.
    #[test]
    fn another_cluster_is_listed_anew() {
        let seen = Seen::of(&header(1, 10));
        assert!(seen.goes_on_with(&header(1, 10)));
        assert!(!seen.goes_on_with(&header(1, 9)), "it was set back");
        assert!(!seen.goes_on_with(&header(2, 11)));
    }

    #[test]
    fn a_status_is_not_kept() {
        let of = |kind: &str| lean(serde_json::json!({"kind": kind, "spec": {}, "status": {}}));
        assert!(of("CalicoNodeStatus").get("status").is_none());
        assert!(of("BGPPeer").get("status").is_some());
    }
}
