//! A folder, or a single file, of documents, for commands that read and change them.
//!
//! A change rewrites one file by replacing it with a new file: readers, also after a crash, find the old or the new content. The
//! rest of the file keeps its octets, including comments; if that is impossible, the change is refused. A new object gets a file
//! of its own, `<kind>-<name>.yaml`.
//!
//! One command at a time changes a folder: it holds a lock from before its reading until its end. Readers take no lock. Editors
//! do not know the lock, so a file that differs from its reading is not written.
//!
//! A Node of Kubernetes is shown as Calico's. It is changed through its annotations, and neither created nor deleted.
//!
//! The version of an object is a hash of its content. Of several objects with the same name the first counts, as for the speaker,
//! and none is changed.

mod disk;
mod edit;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use self::disk::{Disk, RealDisk};
use self::source::{Loss, Slot, Source};
use super::kubernetes_node;
use super::store::{Store, StoreError, resource_version};
use crate::resources::{Kind, ObjectKey, Severity, read_text, walk};

/// The purpose of opening a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Changes are refused.
    Read,
    /// Exclusive access.
    Write,
}

/// A folder or file of documents.
pub struct FolderStore {
    root: PathBuf,
    /// In the speaker's reading order. Symbolic links are followed, so changes affect their targets.
    files: Vec<(PathBuf, Source)>,
    /// Unreadable files and folders: they are not changed, and an object that is not found elsewhere may be in them.
    unreadable: Vec<String>,
    /// Held until the store is dropped.
    lock: Option<File>,
    disk: Box<dyn Disk>,
    /// Parts of changed objects that could not be preserved, one sentence each.
    losses: Vec<String>,
}

impl FolderStore {
    /// Reads the folder or file.
    ///
    /// # Errors
    ///
    /// The folder cannot be read, or another command holds its lock for 10 s. A file in it that is unreadable, or is not YAML, is
    /// not an error: it is not changed.
    pub fn open(path: &Path, access: Access) -> Result<Self, StoreError> {
        Self::open_on(path, access, Box::new(RealDisk))
    }

    fn open_on(path: &Path, access: Access, disk: Box<dyn Disk>) -> Result<Self, StoreError> {
        let root = path
            .canonicalize()
            .map_err(|error| unreadable(path, &error))?;
        let lock = match access {
            Access::Read => None,
            Access::Write => Some(lock(folder_of(&root))?),
        };
        if lock.is_some() {
            disk::sweep(folder_of(&root));
        }
        let Files {
            readable,
            unreadable,
        } = Files::read(&root)?;
        Ok(Self {
            files: readable,
            unreadable,
            root,
            lock,
            disk,
            losses: Vec::new(),
        })
    }

    /// All locations of an object.
    fn places(&self, key: &ObjectKey) -> Vec<ObjectLocation> {
        let files = self.files.iter().enumerate();
        files
            .flat_map(|(file, (_, source))| {
                let slots = source.find(key);
                slots.map(move |slot| ObjectLocation { file, slot })
            })
            .collect()
    }

    fn object(&self, place: ObjectLocation) -> Value {
        versioned(self.files[place.file].1.object(place.slot))
    }

    fn describe(&self, place: ObjectLocation) -> String {
        let (path, source) = &self.files[place.file];
        format!("{}:{}", path.display(), source.line(place.slot))
    }

    /// The single location of an object to change.
    fn only_place(
        &self,
        operation: &'static str,
        key: &ObjectKey,
    ) -> Result<ObjectLocation, StoreError> {
        let unsupported = |reason| StoreError::Unsupported {
            operation,
            key: key.clone(),
            reason,
        };
        match self.places(key)[..] {
            [place] => Ok(place),
            [first, second, ..] => Err(unsupported(format!(
                "it is defined at {} and at {}; remove one of them first",
                self.describe(first),
                self.describe(second)
            ))),
            [] => match kubernetes_counterpart(key).map(|other| self.places(&other)) {
                Some(places) if !places.is_empty() => Err(unsupported(format!(
                    "it is the Node of Kubernetes at {}",
                    self.describe(places[0])
                ))),
                _ => Err(self.not_found(key)),
            },
        }
    }

    fn not_found(&self, key: &ObjectKey) -> StoreError {
        match self.unreadable.first() {
            Some(problem) => StoreError::Failed(problem.clone()),
            None => StoreError::NotFound(key.clone()),
        }
    }

    fn current(
        &self,
        operation: &'static str,
        key: &ObjectKey,
        version: Option<&str>,
    ) -> Result<ObjectLocation, StoreError> {
        let place = self.only_place(operation, key)?;
        match version {
            Some(version) if version != resource_version(&self.object(place)) => {
                Err(StoreError::Conflict(key.clone()))
            }
            _ => Ok(place),
        }
    }

    /// The file for a new object.
    fn home(&self, key: &ObjectKey) -> PathBuf {
        match self.root.is_dir() {
            true => self.root.join(file_name(key)),
            false => self.root.clone(),
        }
    }

    fn add(&mut self, path: PathBuf, object: &Value) -> Result<(), StoreError> {
        let existing = self.files.iter().position(|(file, _)| *file == path);
        let Some(file) = existing else {
            let source = Source::new(&path.display().to_string(), "")
                .appended(object)
                .map_err(|error| unchanged(&path, &error))?;
            self.expect_on_disk(&path, None)?;
            self.disk_do(&path, |disk| disk::replace(disk, &path, source.text()))?;
            self.files.push((path, source));
            return Ok(());
        };
        let changed = self.files[file]
            .1
            .appended(object)
            .map_err(|error| unchanged(&path, &error))?;
        self.write(file, changed)
    }

    /// Writes a file in which one object has changed or was removed.
    fn write_change(
        &mut self,
        place: ObjectLocation,
        key: &ObjectKey,
        changed: Source,
    ) -> Result<(), StoreError> {
        let lost = match changed.loss() {
            Loss::Nothing => None,
            Loss::Comments => Some("comments inside of what was changed are gone"),
            Loss::Form => Some(
                "was written anew: its comments, the order of its fields and its style are not kept",
            ),
        };
        let lost = lost.map(|lost| format!("{}: {key}: {lost}", self.describe(place)));
        self.write(place.file, changed)?;
        self.losses.extend(lost);
        Ok(())
    }

    /// Changes the annotations with Calico's settings on a Node of Kubernetes.
    fn update_kubernetes_node(
        &mut self,
        key: &ObjectKey,
        wanted: &Value,
        version: &str,
    ) -> Result<Value, StoreError> {
        let place = self.current("update", key, Some(version))?;
        let (path, source) = &self.files[place.file];
        let stored = source.object(place.slot);
        let unreadable = || StoreError::Failed(format!("{} cannot be read", self.describe(place)));
        let object = kubernetes_node::changed(stored, wanted).ok_or_else(unreadable)?;
        if *stored != object {
            let changed = source
                .replaced(place.slot, &object)
                .map_err(|error| unchanged(path, &error))?;
            self.write_change(place, key, changed)?;
        }
        kubernetes_node::calico_view(&versioned(&object))
            .map(|(_, view)| view)
            .ok_or_else(|| self.not_found(key))
    }

    fn write(&mut self, file: usize, changed: Source) -> Result<(), StoreError> {
        let (path, source) = &self.files[file];
        self.expect_on_disk(path, Some(source.text()))?;
        self.disk_do(path, |disk| disk::replace(disk, path, changed.text()))?;
        self.files[file].1 = changed;
        Ok(())
    }

    fn remove_file(&mut self, file: usize) -> Result<(), StoreError> {
        let (path, source) = &self.files[file];
        self.expect_on_disk(path, Some(source.text()))?;
        self.disk_do(path, |disk| disk::remove(disk, path))?;
        self.files.remove(file);
        Ok(())
    }

    fn expect_on_disk(&self, path: &Path, expected: Option<&str>) -> Result<(), StoreError> {
        if self.lock.is_none() {
            let reason = format!("{} was opened for reading", self.root.display());
            return Err(StoreError::Failed(reason));
        }
        let found = match read_text(path) {
            Ok((text, _)) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(path, &error)),
        };
        if found.as_deref() == expected {
            return Ok(());
        }
        let path = path.display();
        Err(StoreError::Failed(format!(
            "{path} was changed by somebody else meanwhile and is left alone; try again"
        )))
    }

    fn disk_do(
        &self,
        path: &Path,
        act: impl FnOnce(&dyn Disk) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        act(self.disk.as_ref()).map_err(|error| {
            StoreError::Failed(format!("{} cannot be written: {error}", path.display()))
        })
    }
}

impl Store for FolderStore {
    fn losses(&mut self) -> Vec<String> {
        std::mem::take(&mut self.losses)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Value>, StoreError> {
        let mut objects = BTreeMap::new();
        for (_, source) in &self.files {
            for (key, slot) in source.of(kind) {
                objects
                    .entry(key.name)
                    .or_insert_with(|| versioned(source.object(slot)));
            }
        }
        if kind == Kind::Node {
            for node in self.list(Kind::KubernetesNode)? {
                if let Some((name, view)) = kubernetes_node::calico_view(&node) {
                    objects.entry(name).or_insert(view);
                }
            }
        }
        Ok(objects.into_values().collect())
    }

    fn read(&self, key: &ObjectKey) -> Result<Value, StoreError> {
        if let Some(place) = self.places(key).first() {
            return Ok(self.object(*place));
        }
        kubernetes_counterpart(key)
            .and_then(|other| self.places(&other).first().copied())
            .and_then(|place| kubernetes_node::calico_view(&self.object(place)))
            .map(|(_, view)| view)
            .ok_or_else(|| self.not_found(key))
    }

    fn create(&mut self, key: &ObjectKey, object: &Value) -> Result<Value, StoreError> {
        let others = kubernetes_counterpart(key);
        let keys = std::iter::once(key).chain(&others);
        if let Some(place) = keys.flat_map(|key| self.places(key)).next() {
            return Err(StoreError::AlreadyExists {
                key: key.clone(),
                place: self.describe(place),
            });
        }
        if let Some(problem) = self.unreadable.first() {
            return Err(StoreError::Failed(problem.clone()));
        }
        let object = unversioned(object);
        self.add(self.home(key), &object)?;
        Ok(versioned(&object))
    }

    fn update(
        &mut self,
        key: &ObjectKey,
        object: &Value,
        version: &str,
    ) -> Result<Value, StoreError> {
        let counterpart = kubernetes_counterpart(key).filter(|_| self.places(key).is_empty());
        if let Some(other) = counterpart.filter(|other| !self.places(other).is_empty()) {
            return self.update_kubernetes_node(&other, object, version);
        }
        let place = self.current("update", key, Some(version))?;
        let object = unversioned(object);
        let (path, source) = &self.files[place.file];
        if unversioned(source.object(place.slot)) != object {
            let changed = source
                .replaced(place.slot, &object)
                .map_err(|error| unchanged(path, &error))?;
            self.write_change(place, key, changed)?;
        }
        Ok(versioned(&object))
    }

    fn delete(&mut self, key: &ObjectKey, version: Option<&str>) -> Result<(), StoreError> {
        let place = self.current("delete", key, version)?;
        let (path, source) = &self.files[place.file];
        let changed = source
            .removed(place.slot)
            .map_err(|error| unchanged(path, &error))?;
        match changed {
            Some(changed) => self.write_change(place, key, changed),
            // The datastore itself stays, empty.
            None if *path == self.root => {
                let empty = Source::new(&path.display().to_string(), "");
                self.write(place.file, empty)
            }
            None => self.remove_file(place.file),
        }
    }
}

/// The location of an object.
#[derive(Clone, Copy, Debug)]
struct ObjectLocation {
    file: usize,
    slot: Slot,
}

/// Attempts and waits for the lock.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// The files of a folder.
#[derive(Default)]
struct Files {
    readable: Vec<(PathBuf, Source)>,
    /// A sentence about each unreadable one.
    unreadable: Vec<String>,
}

impl Files {
    fn read(root: &Path) -> Result<Self, StoreError> {
        let walk = walk(root).map_err(|error| unreadable(root, &error))?;
        let mut files = Self::default();
        let errors = walk
            .problems
            .iter()
            .filter(|p| p.severity == Severity::Error);
        files.unreadable.extend(errors.map(ToString::to_string));
        let mut seen = BTreeSet::new();
        for path in walk.files {
            let read = path
                .canonicalize()
                .and_then(|real| read_text(&real).map(|(text, _)| (real, text)));
            match read {
                // A second name of the same file adds nothing.
                Ok((real, _)) if !seen.insert(real.clone()) => {}
                Ok((real, text)) => {
                    let source = Source::new(&real.display().to_string(), &text);
                    files.readable.push((real, source));
                }
                Err(error) => files.unreadable.push(unreadable(&path, &error).to_string()),
            }
        }
        Ok(files)
    }
}

fn folder_of(root: &Path) -> &Path {
    match root.is_dir() {
        true => root,
        false => root.parent().unwrap_or(root),
    }
}

/// Locks a folder against other commands.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let file = File::open(folder).map_err(|error| unreadable(folder, &error))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => {
                let folder = folder.display();
                let reason = format!("{folder} cannot be locked: {error}");
                return Err(StoreError::Failed(reason));
            }
        }
    }
    let folder = folder.display();
    let reason = format!("{folder} is being changed by another command; try again");
    Err(StoreError::Failed(reason))
}

/// The file name of a new object. A very long or unusual one is shortened and ends with a hash of the whole.
fn file_name(key: &ObjectKey) -> String {
    let kind = key.kind.name().to_ascii_lowercase();
    let stem = match key.namespace.as_str() {
        "" => format!("{kind}-{}", key.name),
        namespace => format!("{kind}-{namespace}-{}", key.name),
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if stem.len() <= MAX_STEM && stem.chars().all(is_plain) {
        return format!("{stem}.yaml");
    }
    let plain = stem.chars().filter(|c| is_plain(*c));
    let kept: String = plain.take(MAX_STEM - 17).collect();
    format!("{kept}-{:016x}.yaml", hash(stem.as_bytes()))
}

/// File names have at most 255 octets, and that of the temporary file has a few more.
const MAX_STEM: usize = 240;

/// The user sees Calico's Node and that of Kubernetes as one object.
fn kubernetes_counterpart(key: &ObjectKey) -> Option<ObjectKey> {
    let is_node = key.kind == Kind::Node;
    is_node.then(|| ObjectKey::cluster(Kind::KubernetesNode, key.name.as_str()))
}

/// The object without its version and empty fields.
fn unversioned(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
        metadata.retain(|_, field| !field.is_null());
    }
    object
}

fn versioned(object: &Value) -> Value {
    let mut object = unversioned(object);
    // The top bit is cleared: some readers parse the version as a signed number.
    let version = hash(object.to_string().as_bytes()) >> 1;
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".into(), version.to_string().into());
    }
    object
}

fn hash(octets: &[u8]) -> u64 {
    let digest = Sha256::digest(octets);
    let first = digest.first_chunk().expect("a digest has 32 octets");
    u64::from_be_bytes(*first)
}

fn unreadable(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Failed(format!("{} cannot be read: {error}", path.display()))
}

fn unchanged(path: &Path, error: &source::EditError) -> StoreError {
    StoreError::Failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
