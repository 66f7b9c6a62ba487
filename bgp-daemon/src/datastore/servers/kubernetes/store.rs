//! Reads and changes single objects of the Kubernetes API, for commands.
//!
//! Nodes are those of Kubernetes, shown as Calico's; they are changed through their annotations, and neither created nor deleted.

use kube::Error;
use kube::core::Request;
use kube::core::params::{DeleteParams, GetParams, PostParams, Preconditions};
use serde_json::Value;

use super::client::{Kubernetes, Settings, code};
use super::object::{held, shown};
use crate::datastore::kubernetes_node;
use crate::datastore::servers::blocking::Blocking;
use crate::datastore::settings::Settings as DatastoreSettings;
use crate::datastore::store::{Store, StoreError, resource_version};
use crate::resources::{Kind, ObjectKey};

/// The API server for commands.
pub(in crate::datastore) struct KubernetesStore {
    server: Kubernetes,
    runtime: Blocking,
}

impl KubernetesStore {
    /// For the server in the settings. Does not connect yet.
    ///
    /// # Errors
    ///
    /// The settings name no server, or are unusable.
    pub(in crate::datastore) fn open(settings: &DatastoreSettings) -> Result<Self, StoreError> {
        let settings = Settings::from_lookup(|name| settings.get(name));
        let failed = |error: String| StoreError::Failed(format!("datastore kubernetes: {error}"));
        let runtime = Blocking::new().map_err(|error| failed(error.to_string()))?;
        let server = runtime
            .wait_for(Kubernetes::new(&settings))
            .map_err(failed)?;
        Ok(Self { server, runtime })
    }

    /// The path of a kind, in the group of commands.
    async fn path(&self, kind: Kind) -> Result<String, Error> {
        if kind.is_calico() {
            self.server.group_of_commands().await?;
        }
        self.server.path(kind, "").await
    }

    async fn all(&self, kind: Kind) -> Result<Vec<Value>, Error> {
        let path = self.path(held_as(kind)).await?;
        let mut objects = Vec::new();
        let listed = self.server.list(&path, None, |object| objects.push(object));
        match listed.await {
            // A kind that is not served has no objects.
            Err(error) if code(&error) == Some(404) => {}
            listed => drop(listed?),
        }
        Ok(objects)
    }

    /// An object in the server's form.
    async fn raw(&self, key: &ObjectKey) -> Result<Value, Error> {
        let path = self.path(held_as(key.kind)).await?;
        let request = Request::new(path).get(&key.name, &GetParams::default());
        self.server.ask(request).await
    }

    async fn add(&self, kind: Kind, object: &Value) -> Result<Value, Error> {
        let path = self.path(kind).await?;
        let object = held(self.server.group_of_commands().await?, object, None);
        let request = Request::new(path).create(&PostParams::default(), octets(&object));
        self.server.ask(request).await
    }

    async fn put(&self, key: &ObjectKey, object: &Value, version: &str) -> Result<Value, Error> {
        let path = self.path(key.kind).await?;
        let object = held(
            self.server.group_of_commands().await?,
            object,
            Some(version),
        );
        let request =
            Request::new(path).replace(&key.name, &PostParams::default(), octets(&object));
        self.server.ask(request).await
    }

    /// Writes an object through its status subresource, which is the only permitted way for some.
    async fn put_status(&self, key: &ObjectKey, object: &Value) -> Result<Value, Error> {
        let path = self.path(held_as(key.kind)).await?;
        let request = Request::new(path).replace_subresource(
            "status",
            &key.name,
            &PostParams::default(),
            octets(object),
        );
        self.server.ask(request).await
    }

    async fn put_node(
        &self,
        key: &ObjectKey,
        object: &Value,
        version: &str,
    ) -> Result<Result<Value, StoreError>, Error> {
        let raw = self.raw(key).await?;
        if resource_version(&raw) != version {
            return Ok(Err(StoreError::Conflict(key.clone())));
        }
        match kubernetes_node::changed(&raw, object) {
            Some(changed) => Ok(Ok(self.put_status(key, &changed).await?)),
            None => Ok(Err(StoreError::NotFound(key.clone()))),
        }
    }

    async fn remove(&self, key: &ObjectKey, version: Option<&str>) -> Result<(), Error> {
        let path = self.path(key.kind).await?;
        let of_version = |version: &str| Preconditions {
            resource_version: Some(version.to_owned()),
            uid: None,
        };
        let parameters = DeleteParams {
            preconditions: version.map(of_version),
            ..DeleteParams::default()
        };
        let request = Request::new(path).delete(&key.name, &parameters);
        self.server.ask::<Value>(request).await.map(drop)
    }

    /// Writes a status through its subresource; in older clusters, and where only that is permitted, with the whole object.
    async fn write_only_status(&self, key: &ObjectKey, status: Value) -> Result<(), Error> {
        let mut object = self.raw(key).await?;
        object["status"] = status;
        let refused = match self.put_status(key, &object).await {
            Err(error) if matches!(code(&error), Some(403 | 404)) => error,
            done => return done.map(drop),
        };
        let path = self.path(key.kind).await?;
        let request =
            Request::new(path).replace(&key.name, &PostParams::default(), octets(&object));
        let stored: Value = self.server.ask(request).await?;
        // A server with a status subresource accepts the object and ignores the status.
        match stored["status"] == object["status"] {
            true => Ok(()),
            false => Err(refused),
        }
    }

    fn error(&self, key: &ObjectKey, error: &Error) -> StoreError {
        let reason = match error {
            Error::Api(status) => status.reason.as_str(),
            _ => "",
        };
        match (code(error), reason) {
            (Some(404), _) => StoreError::NotFound(key.clone()),
            (Some(409), "AlreadyExists") => StoreError::AlreadyExists {
                key: key.clone(),
                place: "the Kubernetes API".to_owned(),
            },
            (Some(409), _) => StoreError::Conflict(key.clone()),
            _ => StoreError::Failed(self.server.describe(error)),
        }
    }

    fn node_is_kubernetes(operation: &'static str, key: &ObjectKey) -> Result<(), StoreError> {
        match key.kind {
            Kind::Node => Err(StoreError::Unsupported {
                operation,
                key: key.clone(),
                reason: "it is the Node of Kubernetes".to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

impl Store for KubernetesStore {
    fn list(&self, kind: Kind) -> Result<Vec<Value>, StoreError> {
        let objects = self
            .runtime
            .wait_for(self.all(kind))
            .map_err(|error| StoreError::Failed(self.server.describe(&error)))?;
        let mut views: Vec<Value> = objects
            .iter()
            .filter_map(|object| view(kind, object))
            .collect();
        views.sort_by(|a, b| name(a).cmp(name(b)));
        Ok(views)
    }

    fn read(&self, key: &ObjectKey) -> Result<Value, StoreError> {
        let object = self.runtime.wait_for(self.raw(key));
        let object = object.map_err(|error| self.error(key, &error))?;
        view(key.kind, &object).ok_or_else(|| StoreError::NotFound(key.clone()))
    }

    fn create(&mut self, key: &ObjectKey, object: &Value) -> Result<Value, StoreError> {
        if key.kind == Kind::Node {
            self.read(key).map_or_else(
                |_| Self::node_is_kubernetes("create", key),
                |_| {
                    Err(StoreError::AlreadyExists {
                        key: key.clone(),
                        place: "the Kubernetes API".to_owned(),
                    })
                },
            )?;
        }
        let stored = self.runtime.wait_for(self.add(key.kind, object));
        let stored = stored.map_err(|error| self.error(key, &error))?;
        Ok(shown(key.kind, &stored))
    }

    fn update(
        &mut self,
        key: &ObjectKey,
        object: &Value,
        version: &str,
    ) -> Result<Value, StoreError> {
        let stored = match key.kind {
            Kind::Node => self.runtime.wait_for(self.put_node(key, object, version)),
            _ => self
                .runtime
                .wait_for(self.put(key, object, version))
                .map(Ok),
        };
        let stored = stored.map_err(|error| self.error(key, &error))??;
        view(key.kind, &stored).ok_or_else(|| StoreError::NotFound(key.clone()))
    }

    fn delete(&mut self, key: &ObjectKey, version: Option<&str>) -> Result<(), StoreError> {
        Self::node_is_kubernetes("delete", key)?;
        let removed = self.runtime.wait_for(self.remove(key, version));
        removed.map_err(|error| self.error(key, &error))
    }

    fn write_status(&mut self, key: &ObjectKey, status: Value) -> Result<(), StoreError> {
        let written = self.runtime.wait_for(self.write_only_status(key, status));
        written.map_err(|error| self.error(key, &error))
    }
}

/// The kind under which the server stores objects of a kind.
fn held_as(kind: Kind) -> Kind {
    match kind {
        Kind::Node => Kind::KubernetesNode,
        kind => kind,
    }
}

/// An object in the form of Calico's API.
fn view(kind: Kind, object: &Value) -> Option<Value> {
    match kind {
        Kind::Node => kubernetes_node::calico_view(object).map(|(_, view)| view),
        kind => Some(shown(kind, object)),
    }
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn octets(object: &Value) -> Vec<u8> {
    object.to_string().into_bytes()
}
