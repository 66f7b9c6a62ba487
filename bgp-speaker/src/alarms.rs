//! What is currently wrong with the running speaker, apart from its configuration: a port in use, a key that the kernel refuses,
//! a kernel that does not answer.
//!
//! The part of the program that notices a fault raises an alarm, and clears it when the fault is gone. Each change is logged
//! once; all active alarms are listed with the problems of the configuration. There is at most one alarm for each kind and
//! object. Kinds are a fixed set, and an object is a peer, a socket, or a part of this program.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tracing::{info, warn};

/// All active alarms. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Alarms(Arc<watch::Sender<Raised>>);

type Raised = BTreeMap<(&'static str, String), Arc<str>>;

/// An active alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alarm {
    /// The kind, such as `listen`.
    pub kind: &'static str,
    /// The object, such as `peer tor`.
    pub object: String,
    /// What is wrong, and how to fix it.
    pub reason: Arc<str>,
}

impl Alarms {
    /// Raises an alarm for an object. Raising an alarm again with the same reason has no effect.
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

    /// Clears an alarm; no effect if there is none.
    pub fn clear(&self, kind: &'static str, object: &str) {
        self.0.send_if_modified(|raised| {
            let over = raised.remove(&(kind, object.to_owned()));
            if let Some(reason) = &over {
                info!(kind, object, "over: {reason}");
            }
            over.is_some()
        });
    }

    /// Raises the alarm if `wrong` has a reason, otherwise clears it.
    pub fn set(&self, kind: &'static str, object: &str, wrong: Option<&str>) {
        match wrong {
            Some(reason) => self.raise(kind, object, reason),
            None => self.clear(kind, object),
        }
    }

    /// Sets all alarms of a kind, as object and reason; other alarms of this kind are cleared.
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

    /// Subscribes to changes of the alarms.
    pub fn changes(&self) -> AlarmChanges {
        AlarmChanges(self.0.subscribe())
    }

    /// All active alarms, by kind and object.
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

/// Reports when alarms change: see [`Alarms::changes`].
#[derive(Debug)]
pub struct AlarmChanges(watch::Receiver<Raised>);

impl AlarmChanges {
    /// Waits until an alarm was raised, changed its reason or was cleared since the last call. Waits forever once no [`Alarms`]
    /// is left.
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
