//! Why a source cannot be followed.

use thiserror::Error;

use super::folder::FolderError;
use super::spec::Server;

/// Why a source cannot be followed.
#[derive(Debug, Error)]
pub enum DatastoreError {
    /// The folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The server is not known, or what is known of it cannot be used.
    #[error("datastore {0}: {1}")]
    Settings(Server, String),
    /// The server does not give something.
    #[error("datastore: {0}")]
    Unreadable(String),
    /// Left out when the program was built.
    #[error("this program was built without the datastore {0}")]
    NotBuilt(Server),
}
