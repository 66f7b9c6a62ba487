//! Why a source cannot be watched.

use thiserror::Error;

use super::folder::FolderError;
use super::spec::Server;

/// Why a source cannot be watched.
#[derive(Debug, Error)]
pub enum DatastoreError {
    /// The folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The settings of the server are missing or unusable.
    #[error("datastore {0}: {1}")]
    Settings(Server, String),
    /// The server does not return something.
    #[error("datastore: {0}")]
    Unreadable(String),
    /// Support was left out of this build.
    #[error("this program was built without the datastore {0}")]
    NotBuilt(Server),
}
