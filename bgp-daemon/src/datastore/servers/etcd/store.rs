//! Reads and changes single objects in etcd, for commands and for statuses of the speaker.
//!
//! A change is one transaction, which compares the base version. Objects of Calico's IPAM are read-only.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::api::{
    Compare, CompareResult, CompareTarget, CompareValue, DeleteRangeRequest, KeyValue, Operation,
    PutRequest, RangeRequest, RequestOp, ResponseHeader, TxnRequest,
};
use super::client::Client;
use super::error::EtcdError;
use super::keys::{KeyPrefix, complete, resource_key, stored};
use super::settings::EtcdSettings;
use crate::datastore::Settings;
use crate::datastore::servers::blocking::Blocking;
use crate::datastore::store::{Store, StoreError, resource_version};
use crate::resources::{Kind, ObjectKey};

/// etcd for commands.
pub(in crate::datastore) struct EtcdStore {
    client: Client,
    runtime: Blocking,
}

/// The result of a transaction.
enum Outcome {
    /// Done, with this revision.
    Done(i64),
    /// Not done, because the key is not as expected; with its value, if it has one.
    Otherwise(Option<KeyValue>),
}

impl EtcdStore {
    /// For the members in the settings. Does not connect yet.
    ///
    /// # Errors
    ///
    /// The settings name no member, or are unusable.
    pub(in crate::datastore) fn open(settings: &Settings) -> Result<Self, StoreError> {
        let settings = EtcdSettings::new(|name| settings.get(name));
        let failed =
            |error: &dyn fmt::Display| StoreError::Failed(format!("datastore etcd: {error}"));
        Ok(Self {
            client: Client::new(settings.map_err(|error| failed(&error))?, "commands"),
            runtime: Blocking::new().map_err(|error| failed(&error))?,
        })
    }

    fn entries(&self, place: &KeyPrefix) -> Result<Vec<KeyValue>, StoreError> {
        let listed = self.client.ask(|connection| {
            let place = place.clone();
            async move { connection.list(&place).await }
        });
        Ok(self.runtime.wait_for(listed).map_err(failed)?.entries)
    }

    /// The value of one key.
    fn entry(&self, key: &str) -> Result<Option<KeyValue>, StoreError> {
        let request = read_of(key);
        let answer = self.client.ask(|connection| {
            let request = request.clone();
            async move { connection.call(request).await }
        });
        let answer = self.runtime.wait_for(answer).map_err(failed)?;
        Ok(answer.kvs.into_iter().next())
    }

    /// Changes a key if it is as expected.
    fn change(
        &self,
        key: &str,
        expected: Expected,
        operation: Operation,
    ) -> Result<Outcome, StoreError> {
        let request = TxnRequest {
            compare: vec![expected.of(key)],
            success: vec![of(operation)],
            failure: vec![of(Operation::Range(read_of(key)))],
        };
        let answer = self.client.ask(|connection| {
            let request = request.clone();
            async move { connection.call(request).await }
        });
        let answer = self.runtime.wait_for(answer).map_err(failed)?;
        if answer.succeeded {
            let ResponseHeader { revision, .. } = answer.header.unwrap_or_default();
            return Ok(Outcome::Done(revision));
        }
        let mut ranges = answer
            .responses
            .into_iter()
            .filter_map(|answer| answer.range);
        let found = ranges.find_map(|range| range.kvs.into_iter().next());
        Ok(Outcome::Otherwise(found))
    }
}

impl Store for EtcdStore {
    fn list(&self, kind: Kind) -> Result<Vec<Value>, StoreError> {
        let Some(place) = KeyPrefix::of(kind) else {
            return Err(not_here(kind));
        };
        let entries = self.entries(&place)?;
        let objects = entries.iter().filter_map(|entry| place.object(entry));
        // An invalid object does not hide the others; it is reported when read by name.
        Ok(objects.flatten().collect())
    }

    fn read(&self, key: &ObjectKey) -> Result<Value, StoreError> {
        let place = KeyPrefix::of(key.kind).ok_or_else(|| not_here(key.kind))?;
        let entries = match resource_key(key) {
            Some(at) => self.entry(&at)?.into_iter().collect(),
            // The names of these objects do not determine their keys.
            None => self.entries(&place)?,
        };
        let mut entries = entries.iter();
        let entry = entries.find(|entry| place.object_key(&entry.key).as_ref() == Some(key));
        let object = entry.and_then(|entry| place.object(entry));
        let object = object.ok_or_else(|| StoreError::NotFound(key.clone()))?;
        object.map_err(|bad| StoreError::Failed(bad.reason))
    }

    fn create(&mut self, key: &ObjectKey, object: &Value) -> Result<Value, StoreError> {
        let at = changeable("create", key)?;
        let mut object = object.clone();
        let now = Timestamp::from_second(Timestamp::now().as_second());
        let now = now.unwrap_or(Timestamp::UNIX_EPOCH).to_string();
        let metadata = &mut object["metadata"];
        metadata["uid"] = Uuid::new_v4().to_string().into();
        metadata["creationTimestamp"] = now.into();
        let put = Operation::Put(PutRequest {
            key: at.clone().into_bytes(),
            value: stored(key, &object),
        });
        match self.change(&at, Expected::Absent, put)? {
            Outcome::Done(version) => Ok(complete(key.kind, object, &key.name, version)),
            Outcome::Otherwise(_) => Err(StoreError::AlreadyExists {
                key: key.clone(),
                place: "etcd".to_owned(),
            }),
        }
    }

    fn update(
        &mut self,
        key: &ObjectKey,
        object: &Value,
        version: &str,
    ) -> Result<Value, StoreError> {
        let at = changeable("update", key)?;
        let put = Operation::Put(PutRequest {
            key: at.clone().into_bytes(),
            value: stored(key, object),
        });
        match self.change(&at, Expected::version(version), put)? {
            Outcome::Done(version) => Ok(complete(key.kind, object.clone(), &key.name, version)),
            otherwise => Err(refused(key, &otherwise)),
        }
    }

    fn delete(&mut self, key: &ObjectKey, version: Option<&str>) -> Result<(), StoreError> {
        let at = changeable("delete", key)?;
        let delete = Operation::DeleteRange(DeleteRangeRequest {
            key: at.clone().into_bytes(),
        });
        let expected = version.map_or(Expected::Present, Expected::version);
        match self.change(&at, expected, delete)? {
            Outcome::Done(_) => Ok(()),
            otherwise => Err(refused(key, &otherwise)),
        }
    }

    fn write_status(&mut self, key: &ObjectKey, status: Value) -> Result<(), StoreError> {
        let write = |store: &mut Self| {
            let mut object = store.read(key)?;
            let version = resource_version(&object).to_owned();
            object["status"] = status.clone();
            store.update(key, &object, &version).map(drop)
        };
        match write(self) {
            // The object was changed between reading and writing.
            Err(StoreError::Conflict(_)) => write(self),
            done => done,
        }
    }
}

/// The expected state of a key.
#[derive(Clone, Copy)]
enum Expected {
    Absent,
    Present,
    Version(i64),
}

impl Expected {
    /// No object has a version other than a number above 0.
    fn version(text: &str) -> Self {
        Self::Version(text.parse().unwrap_or(-1))
    }

    fn of(self, key: &str) -> Compare {
        let (target, result, value) = match self {
            Self::Absent => (
                CompareTarget::Version,
                CompareResult::Equal,
                CompareValue::Version(0),
            ),
            Self::Present => (
                CompareTarget::Version,
                CompareResult::Greater,
                CompareValue::Version(0),
            ),
            Self::Version(version) => (
                CompareTarget::Mod,
                CompareResult::Equal,
                CompareValue::ModRevision(version),
            ),
        };
        Compare {
            result: result.into(),
            target: target.into(),
            key: key.into(),
            value: Some(value),
        }
    }
}

fn of(operation: Operation) -> RequestOp {
    RequestOp {
        operation: Some(operation),
    }
}

fn read_of(key: &str) -> RangeRequest {
    RangeRequest {
        key: key.into(),
        ..RangeRequest::default()
    }
}

/// The etcd key of an object that commands may change.
fn changeable(operation: &'static str, key: &ObjectKey) -> Result<String, StoreError> {
    resource_key(key).ok_or_else(|| StoreError::Unsupported {
        operation,
        key: key.clone(),
        reason: match key.kind {
            Kind::BlockAffinity | Kind::IpamBlock => "only Calico's IPAM writes it".to_owned(),
            kind if kind.is_calico() => "a name has no slash".to_owned(),
            _ => "etcd holds none".to_owned(),
        },
    })
}

fn refused(key: &ObjectKey, outcome: &Outcome) -> StoreError {
    match outcome {
        Outcome::Otherwise(None) => StoreError::NotFound(key.clone()),
        _ => StoreError::Conflict(key.clone()),
    }
}

fn not_here(kind: Kind) -> StoreError {
    StoreError::Failed(format!("etcd holds no {}", kind.plural()))
}

fn failed(error: EtcdError) -> StoreError {
    StoreError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 19.4.
    #[test]
    fn what_is_not_calicos_api_is_not_changed() {
        for kind in [Kind::BlockAffinity, Kind::IpamBlock, Kind::Secret] {
            let key = ObjectKey::cluster(kind, "a");
            assert!(matches!(
                changeable("update", &key),
                Err(StoreError::Unsupported { .. })
            ));
        }
        let other = ObjectKey::cluster(Kind::BgpPeer, "a/b");
        assert!(changeable("create", &other).is_err());
        let peer = ObjectKey::cluster(Kind::BgpPeer, "a");
        assert!(changeable("create", &peer).is_ok());
    }
}
