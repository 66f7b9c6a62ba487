//! The socket file: made where a stale one may lie, never in the place of one that is served, removed at the end.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::client;

/// Owner and group may connect.
const MODE: u32 = 0o660;

/// Why a control socket could not be made.
#[derive(Debug, Error)]
pub enum BindError {
    /// Another daemon runs with the same run directory.
    #[error("control socket {0} is served by another process")]
    Served(PathBuf),
    /// It is not ours to remove.
    #[error("{0} is in the place of a control socket, and is no socket")]
    NotASocket(PathBuf),
    /// Something the operating system says.
    #[error("control socket {path}: {error}")]
    Io {
        /// Of the socket.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

/// A listening socket and its file, which goes away with this value.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: whether the file is still the one that was made here.
    identity: (u64, u64),
}

impl SocketFile {
    /// Makes the directory if it is missing, removes a stale socket, and listens.
    pub(super) fn bind(path: &Path) -> Result<(Self, UnixListener), BindError> {
        let failed = |error| BindError::Io {
            path: path.to_owned(),
            error,
        };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        remove_stale(path)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        let identity = identity(path).map_err(failed)?;
        let file = Self {
            path: path.to_owned(),
            identity,
        };
        std::fs::set_permissions(path, PermissionsExt::from_mode(MODE)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok((file, listener))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    /// Leaves the file alone if a successor has put its own there.
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove control socket");
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |error| BindError::Io {
        path: path.to_owned(),
        error,
    };
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match client::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed)
        }
        // A full backlog is served too, if slowly.
        Ok(_) => Err(BindError::Served(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(BindError::Served(path.to_owned()))
        }
        Err(error) => Err(failed(error)),
    }
}
