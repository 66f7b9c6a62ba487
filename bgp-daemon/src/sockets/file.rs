//! The socket file: replaces a stale one, never one that is served, and is removed at the end.
//!
//! A bound socket accepts connections at once, with a mode that depends on the umask. So it is created in a private folder, gets
//! its mode and group there, and then its final path.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use super::connect::connect;
use crate::privileges::Group;

/// Owner and group may connect.
const MODE: u32 = 0o660;
/// Only the owner may connect.
const MODE_FOR_OWNER: u32 = 0o600;
/// The mode of a directory created by us: everyone may look up the sockets in it.
const DIRECTORY_MODE: u32 = 0o755;

/// Why a control socket could not be created.
#[derive(Debug, Error)]
pub enum BindError {
    /// Another daemon runs with the same run directory.
    #[error("control socket {0} is served by another process")]
    Served(PathBuf),
    /// The existing file is not a socket, so it is not removed.
    #[error("{0} is in the place of a control socket, and is no socket")]
    NotASocket(PathBuf),
    /// An error of the operating system.
    #[error("control socket {path}: {error}")]
    Io {
        /// The path of the socket.
        path: PathBuf,
        /// The error.
        error: io::Error,
    },
}

/// A listening socket and its file, which is removed when this value is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode, to recognise the file that was created here.
    identity: (u64, u64),
}

impl SocketFile {
    /// Creates the directory if it is missing, removes a stale socket, and listens.
    pub(crate) fn bind(
        path: &Path,
        group: Option<Group>,
    ) -> Result<(Self, UnixListener), BindError> {
        Self::bind_with_mode(path, group, MODE)
    }

    /// As [`SocketFile::bind`], for a socket to which only the owner may connect.
    pub(crate) fn bind_for_owner(path: &Path) -> Result<(Self, UnixListener), BindError> {
        Self::bind_with_mode(path, None, MODE_FOR_OWNER)
    }

    fn bind_with_mode(
        path: &Path,
        group: Option<Group>,
        mode: u32,
    ) -> Result<(Self, UnixListener), BindError> {
        let failed = |error| BindError::Io {
            path: path.to_owned(),
            error,
        };
        let directory = path.parent().unwrap_or(path);
        let mut builder = DirBuilder::new();
        let builder = builder.recursive(true).mode(DIRECTORY_MODE);
        builder.create(directory).map_err(failed)?;
        remove_stale(path)?;
        let workshop = Workshop::open(directory).map_err(failed)?;
        let listener = workshop.make(group, mode).map_err(failed)?;
        let identity = identity(&workshop.socket()).map_err(failed)?;
        match workshop.publish(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(BindError::Served(path.to_owned()));
            }
            done => done.map_err(failed)?,
        }
        let file = Self {
            path: path.to_owned(),
            identity,
        };
        listener.set_nonblocking(true).map_err(failed)?;
        Ok((file, listener))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    /// Leaves the file alone if a successor has replaced it.
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove control socket");
        }
    }
}

/// A folder in which a socket is created, removed when this value is dropped.
struct Workshop(PathBuf);

impl Workshop {
    /// The name is short because paths of sockets must be. A killed process may have had the same process ID.
    fn open(directory: &Path) -> io::Result<Self> {
        // Several sockets may be made at the same time.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let (process, number) = (std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let workshop = Self(directory.join(format!(".{process:x}.{number:x}")));
        workshop.clean();
        DirBuilder::new().mode(0o700).create(&workshop.0)?;
        Ok(workshop)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }

    fn make(&self, group: Option<Group>, mode: u32) -> io::Result<UnixListener> {
        let socket = self.socket();
        let listener = UnixListener::bind(&socket)?;
        if let Some(Group(group)) = group {
            chown(&socket, None, Some(group))?;
        }
        fs::set_permissions(&socket, PermissionsExt::from_mode(mode))?;
        Ok(listener)
    }

    /// Gives the socket its path. Unlike a rename, a link never replaces another socket that appeared in the meantime; not all
    /// file systems have links.
    fn publish(&self, path: &Path) -> io::Result<()> {
        use io::ErrorKind::{PermissionDenied, Unsupported};
        match fs::hard_link(self.socket(), path) {
            Err(error) if matches!(error.kind(), PermissionDenied | Unsupported) => {
                fs::rename(self.socket(), path)
            }
            done => done,
        }
    }

    fn clean(&self) {
        // A missing file is fine; a remaining one is noticed when the folder is created the next time.
        fs::remove_file(self.socket()).ok();
        fs::remove_dir(&self.0).ok();
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        self.clean();
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |error| BindError::Io {
        path: path.to_owned(),
        error,
    };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        // A full backlog means that the socket is served, if slowly.
        Ok(_) => Err(BindError::Served(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(BindError::Served(path.to_owned()))
        }
        Err(error) => Err(failed(error)),
    }
}
