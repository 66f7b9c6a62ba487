//! How a file is replaced or removed so that a crash at any moment leaves the old one or the new one.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The steps that a crash can come between.
pub(super) trait Disk: Send + Sync {
    /// Makes a new file whose content is on the disk when this returns.
    fn write(&self, path: &Path, content: &str, like: Option<Permissions>) -> io::Result<()>;
    /// Puts a file in the place of another.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Brings the names in a folder to the disk.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// Gives a file a new content, or makes it.
pub(super) fn replace(disk: &dyn Disk, path: &Path, content: &str) -> io::Result<()> {
    let permissions = match fs::metadata(path) {
        Ok(metadata) => Some(metadata.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let new = new_name(path);
    // One that a crash left behind; whoever holds the lock may clear it away.
    let _ = fs::remove_file(&new);
    let replaced = disk
        .write(&new, content, permissions)
        .and_then(|()| disk.rename(&new, path));
    if let Err(error) = replaced {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    disk.sync_folder(folder_of(path))
}

/// Removes a file for good.
pub(super) fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.remove(path)?;
    disk.sync_folder(folder_of(path))
}

/// The dot keeps it from being read as part of the folder.
fn new_name(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// The file system.
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn write(&self, path: &Path, content: &str, like: Option<Permissions>) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        if let Some(permissions) = like {
            file.set_permissions(permissions)?;
        }
        file.write_all(content.as_bytes())?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}
