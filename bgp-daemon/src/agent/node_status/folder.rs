//! Writes statuses into a folder of documents, by way of its store: one file takes the place of another, and all that it
//! holds besides the object keeps its octets.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use super::{NodeStatus, StatusSink};
use crate::datastore::folder_store::{Access, FolderStore};
use crate::datastore::store::{Store, StoreError, resource_version};
use crate::resources::{Kind, ObjectKey};

/// A folder or file of documents.
#[derive(Clone, Debug)]
pub struct FolderSink(PathBuf);

impl FolderSink {
    /// For the folder or file that the datastore is.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

impl StatusSink for FolderSink {
    async fn write(&mut self, name: &str, status: &NodeStatus) -> anyhow::Result<()> {
        let mut status = serde_json::to_value(status)?;
        // Whole seconds, as Kubernetes writes times.
        let now = Timestamp::from_second(Timestamp::now().as_second())?;
        status["lastUpdated"] = now.to_string().into();
        let key = ObjectKey::cluster(Kind::CalicoNodeStatus, name);
        let path = self.0.clone();
        let written = tokio::task::spawn_blocking(move || replace(&path, &key, status)).await?;
        match written {
            Ok(()) | Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn replace(path: &Path, key: &ObjectKey, status: Value) -> Result<(), StoreError> {
    let mut store = FolderStore::open(path, Access::Write)?;
    let mut object = store.read(key)?;
    let version = resource_version(&object).to_owned();
    object["status"] = status;
    store.update(key, &object, &version)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::node_status::BgpStatus;
    use crate::resources::ResourceSet;

    const OTHERS: &str = "# a comment\nkind: BGPPeer   # with blanks\napiVersion: projectcalico.org/v3\n\
                          metadata: {name: tor}\nspec: {peerIP: 192.0.2.1,   asNumber: 65001}\n---\n";
    const OURS: &str = "apiVersion: projectcalico.org/v3\nkind: CalicoNodeStatus\nmetadata:\n  name: mine\n\
                        spec:\n  node: a\n  classes: [BGP]\n  updatePeriodSeconds: 10\n";

    /// Promise 15.6.
    #[tokio::test]
    async fn only_the_status_of_the_object_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("cluster.yaml");
        std::fs::write(&file, format!("{OTHERS}{OURS}")).expect("a file");
        let paths = [folder.path().to_owned()];
        let before = ResourceSet::load(&paths);
        let mut sink = FolderSink::new(folder.path().to_owned());
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
        let mut sink = FolderSink::new("/nonexistent".into());
        let failed = sink.write("mine", &NodeStatus::default()).await;
        assert!(failed.is_err());
    }
}
