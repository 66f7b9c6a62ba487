//! The socket file: made where a stale one may lie, never in the place of one that is served, removed at the end.
//!
//! A socket that is bound takes connections, and its mode is then what the umask of the process leaves of it. So it is made in a
//! folder that only its owner may enter, gets its mode and group there, and then its name.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::connect::connect;
use crate::privileges::Group;

/// Owner and group may connect.
const MODE: u32 = 0o660;
/// Whoever finds the directory missing makes it such that all find the sockets in it.
const DIRECTORY_MODE: u32 = 0o755;

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
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode: whether the file is still the one that was made here.
    identity: (u64, u64),
}

impl SocketFile {
    /// Makes the directory if it is missing, removes a stale socket, and listens.
    pub(crate) fn bind(
        path: &Path,
        group: Option<Group>,
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
        let listener = workshop.make(group).map_err(failed)?;
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
    /// Leaves the file alone if a successor has put its own there.
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove control socket");
        }
    }
}

/// A folder in which a socket is made, and which goes away with this value.
struct Workshop(PathBuf);

impl Workshop {
    /// Its name is short: that of a socket must be. A process that was killed in here may have had our number.
    fn open(directory: &Path) -> io::Result<Self> {
        let workshop = Self(directory.join(format!(".{:x}", std::process::id())));
        workshop.clean();
        DirBuilder::new().mode(0o700).create(&workshop.0)?;
        Ok(workshop)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }

    fn make(&self, group: Option<Group>) -> io::Result<UnixListener> {
        let socket = self.socket();
        let listener = UnixListener::bind(&socket)?;
        if let Some(Group(group)) = group {
            chown(&socket, None, Some(group))?;
        }
        fs::set_permissions(&socket, PermissionsExt::from_mode(MODE))?;
        Ok(listener)
    }

    /// Gives the socket its name. Unlike a rename, a link never takes the place of another socket that has come meanwhile; not all
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
        // What is not there need not go; what stays is noticed when the folder is made the next time.
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
        // A full backlog is served too, if slowly.
        Ok(_) => Err(BindError::Served(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(BindError::Served(path.to_owned()))
        }
        Err(error) => Err(failed(error)),
    }
}
