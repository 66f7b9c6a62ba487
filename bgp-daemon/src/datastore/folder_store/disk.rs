//! Replaces or removes a file so that a crash at any moment leaves the old or the new state.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Steps between which a crash can occur.
pub(super) trait Disk: Send + Sync {
    /// Creates a file; its content is on the disk when this returns.
    fn write(&self, path: &Path, content: &str, like: Option<Permissions>) -> io::Result<()>;
    /// Renames a file over another.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Syncs the names in a folder to the disk.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// Creates a file or replaces its content.
pub(super) fn replace(disk: &dyn Disk, path: &Path, content: &str) -> io::Result<()> {
    let permissions = match fs::metadata(path) {
        Ok(metadata) => Some(metadata.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let new = new_name(path);
    // A leftover of a crash; the holder of the lock may remove it.
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

/// Removes a file for good. It is renamed first: a plain removal could be that of an editor that is about to write the file, for
/// which a reader would wait.
pub(super) fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let away = new_name(path);
    disk.rename(path, &away)?;
    disk.remove(&away)?;
    disk.sync_folder(folder_of(path))
}

/// Removes the leftovers of interrupted commands in a folder. Only for the holder of its lock.
pub(super) fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = [".yaml.new", ".yml.new", ".json.new"];
        if name.starts_with('.') && ours.iter().any(|end| name.ends_with(end)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The dot excludes the file from the folder's documents.
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
