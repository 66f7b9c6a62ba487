//! Writes statuses into the datastore, through its store.

use jiff::Timestamp;

use super::report::StatusSink;
use super::status::NodeStatus;
use crate::datastore::folder_store::Access;
use crate::datastore::store::{Store, StoreError};
use crate::datastore::{self, DatastoreSpec, Settings};
use crate::resources::{Kind, ObjectKey};

/// The datastore.
pub struct StoreSink {
    spec: DatastoreSpec,
    settings: Settings,
    /// The connection to a server. A folder is read again each time.
    open: Option<OpenStore>,
}

type OpenStore = Box<dyn Store + Send>;

impl StoreSink {
    /// A sink for a datastore.
    pub fn new(spec: DatastoreSpec, settings: Settings) -> Self {
        Self {
            spec,
            settings,
            open: None,
        }
    }
}

impl StatusSink for StoreSink {
    async fn write(&mut self, name: &str, status: &NodeStatus) -> anyhow::Result<()> {
        let mut status = serde_json::to_value(status)?;
        // Whole seconds, as Kubernetes writes times.
        let now = Timestamp::from_second(Timestamp::now().as_second())?;
        status["lastUpdated"] = now.to_string().into();
        let key = ObjectKey::cluster(Kind::CalicoNodeStatus, name);
        let (spec, settings) = (self.spec.clone(), self.settings.clone());
        let open = self.open.take();
        let write = move || -> Result<OpenStore, StoreError> {
            let mut store = match open {
                Some(store) => store,
                None => datastore::open(&spec, Access::Write, &settings)?,
            };
            match store.write_status(&key, status) {
                Ok(()) | Err(StoreError::NotFound(_)) => Ok(store),
                Err(error) => Err(error),
            }
        };
        let store = tokio::task::spawn_blocking(write).await??;
        if !matches!(self.spec, DatastoreSpec::Folder(_)) {
            self.open = Some(store);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::agent::node_status::BgpStatus;
    use crate::resources::ResourceSet;

    const OTHERS: &str = "# a comment\nkind: BGPPeer   # with blanks\napiVersion: projectcalico.org/v3\n\
                          metadata: {name: tor}\nspec: {peerIP: 192.0.2.1,   asNumber: 65001}\n---\n";
    const OURS: &str = "apiVersion: projectcalico.org/v3\nkind: CalicoNodeStatus\nmetadata:\n  name: mine\n\
                        spec:\n  node: a\n  classes: [BGP]\n  updatePeriodSeconds: 10\n";

    fn sink_of(path: &Path) -> StoreSink {
        StoreSink::new(DatastoreSpec::Folder(path.to_owned()), Settings::default())
    }

    /// Promise 15.6.
    #[tokio::test]
    async fn only_the_status_of_the_object_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("cluster.yaml");
        std::fs::write(&file, format!("{OTHERS}{OURS}")).expect("a file");
        let paths = [folder.path().to_owned()];
        let before = ResourceSet::load(&paths);
        let mut sink = sink_of(folder.path());
        let status = NodeStatus {
            bgp: Some(BgpStatus::default()),
            ..NodeStatus::default()
        };
        sink.write("mine", &status).await.expect("it is written");
        let text = std::fs::read_to_string(&file).expect("a file");
        assert!(text.starts_with(OTHERS), "{text}");
        assert!(text.contains("numberEstablishedV4: 0"), "{text}");
        assert!(text.contains("lastUpdated: "), "{text}");
        assert_eq!(
            before,
            ResourceSet::load(&paths),
            "the resources are the same"
        );
        sink.write("gone", &status).await.expect("nothing to do");
    }

    /// Promise 15.5.
    #[tokio::test]
    async fn a_folder_that_is_gone_is_an_error() {
        let mut sink = sink_of(Path::new("/nonexistent"));
        let failed = sink.write("mine", &NodeStatus::default()).await;
        assert!(failed.is_err());
    }
}
