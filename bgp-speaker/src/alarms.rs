//! What is wrong with the running speaker at the moment, apart from its resources: a port that is taken, a key that the kernel
//! refuses, a kernel that does not answer.
//!
//! Whoever notices raises an alarm, and clears it when it is over. Each change is logged once; all alarms that last are shown
//! with the problems of the resources. There is at most one alarm for each kind and object, and both are few: a kind is one place
//! in the program, an object a peer, a socket, or a part of this program.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tracing::{info, warn};

/// All alarms that last. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Alarms(Arc<watch::Sender<Raised>>);

type Raised = BTreeMap<(&'static str, String), Arc<str>>;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alarm {
    /// Its kind, such as `listen`.
    pub kind: &'static str,
    /// What it is about, such as `peer tor`.
    pub object: String,
    /// What is wrong, and what would mend it.
    pub reason: Arc<str>,
}

impl Alarms {
    /// Something is wrong with an object from now on. Raised again with the same words, nothing happens.
    pub fn raise(&self, kind: &'static str, object: impl Into<String>, reason: &str) {
        let object = object.into();
        self.0.send_if_modified(|raised| {
            let place = raised.entry((kind, object));
            let object = place.key().1.clone();
            let slot = place.or_default();
            let news = **slot != *reason;
            if news {
                warn!(kind, object, "{reason}");
                *slot = reason.into();
            }
            news
        });
    }

    /// It is over; nothing happens if nothing was wrong.
    pub fn clear(&self, kind: &'static str, object: &str) {
        self.0.send_if_modified(|raised| {
            let over = raised.remove(&(kind, object.to_owned()));
            if let Some(reason) = &over {
                info!(kind, object, "over: {reason}");
            }
            over.is_some()
        });
    }

    /// Raises or clears.
    pub fn set(&self, kind: &'static str, object: &str, wrong: Option<&str>) {
        match wrong {
            Some(reason) => self.raise(kind, object, reason),
            None => self.clear(kind, object),
        }
    }

    /// These are all that are wrong of a kind, as object and reason: the others are over.
    pub fn only(&self, kind: &'static str, wrong: &BTreeMap<String, String>) {
        let raised = self.list();
        let of_kind = raised.iter().filter(|alarm| alarm.kind == kind);
        for alarm in of_kind.filter(|alarm| !wrong.contains_key(&alarm.object)) {
            self.clear(kind, &alarm.object);
        }
        for (object, reason) in wrong {
            self.raise(kind, object, reason);
        }
    }

    /// Follows the alarms.
    pub fn changes(&self) -> Changes {
        Changes(self.0.subscribe())
    }

    /// All that last, by kind and object.
    pub fn list(&self) -> Vec<Alarm> {
        let raised = self.0.borrow();
        let alarms = raised.iter().map(|((kind, object), reason)| Alarm {
            kind,
            object: object.clone(),
            reason: Arc::clone(reason),
        });
        alarms.collect()
    }
}

/// Tells when alarms change: see [`Alarms::changes`].
#[derive(Debug)]
pub struct Changes(watch::Receiver<Raised>);

impl Changes {
    /// Waits until some alarm has been raised, has other words, or is over since the last call. Waits for ever once nobody can raise
    /// one.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_lasts_until_it_is_cleared() {
        let alarms = Alarms::default();
        let other = alarms.clone();
        alarms.raise("listen", "port 179", "taken");
        alarms.raise("listen", "port 179", "taken by bird");
        other.raise("kernel", "routes", "no answer");
        let texts = |alarms: &Alarms| -> Vec<String> {
            let list = alarms.list();
            let texts = list
                .iter()
                .map(|alarm| format!("{}: {}", alarm.object, alarm.reason));
            texts.collect()
        };
        assert_eq!(
            texts(&other),
            ["routes: no answer", "port 179: taken by bird"]
        );
        other.clear("listen", "port 179");
        other.clear("listen", "port 179");
        let peers = |names: &[&str]| {
            let wrong = names
                .iter()
                .map(|name| (format!("peer {name}"), "odd".to_owned()));
            alarms.only("peer", &wrong.collect());
        };
        peers(&["a", "b"]);
        peers(&["b", "c"]);
        assert_eq!(
            texts(&other),
            ["routes: no answer", "peer b: odd", "peer c: odd"]
        );
        peers(&[]);
        alarms.set("kernel", "routes", None);
        assert_eq!(alarms.list(), []);
    }
}
