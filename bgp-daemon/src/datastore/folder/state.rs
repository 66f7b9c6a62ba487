//! The objects in force from a folder whose files are read while others write them. Pure: readings and instants come in,
//! snapshots and the next deadline come out.
//!
//! | state of a file                | its objects                                                                            |
//! |--------------------------------|----------------------------------------------------------------------------------------|
//! | new                            | take effect at once                                                                    |
//! | renamed over another           | take effect at once; those of the other are gone                                       |
//! | written                        | additions and new values take effect at once; missing objects, missing fields, and a last object without line end, after a quiet time without changes of the file |
//! | renamed away                   | are gone at once                                                                       |
//! | removed                        | are gone after the quiet time, because some editors remove a file and write it again   |
//! | not YAML, empty, or unreadable | stay, and new ones are added, until the file is valid again                            |
//!
//! An object that has moved to another file is in force there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::resources::{Combiner, Content, Document, Listing, Loaded, Problem, Reread};

/// Paths moved since the previous reading, as far as known.
#[derive(Clone, Debug, Default)]
pub(super) struct Moved {
    /// Their targets.
    pub(super) to: BTreeSet<PathBuf>,
    /// Their sources.
    pub(super) from: BTreeSet<PathBuf>,
}

impl Moved {
    /// Adds later ones.
    pub(super) fn add(&mut self, mut later: Self) {
        self.to.append(&mut later.to);
        self.from.append(&mut later.from);
    }
}

/// A folder, or a file by itself.
#[derive(Debug)]
pub(super) struct FolderState {
    files: BTreeMap<PathBuf, FileState>,
    /// Problems of the folder itself.
    problems: Vec<Problem>,
    /// The folder itself cannot be read.
    is_unreadable: bool,
    /// Something may differ from the last snapshot.
    is_changed: bool,
    quiet: Duration,
    combiner: Combiner,
}

#[derive(Debug)]
struct FileState {
    /// The last content read; `None` if the file is missing or unreadable.
    seen: Option<Arc<Content>>,
    /// When that content changed.
    changed: Instant,
    /// The objects in force, in order.
    in_force: Vec<InForce>,
    problems: Vec<Problem>,
    /// Part of `in_force` will be removed later.
    is_waiting: bool,
}

#[derive(Clone, Debug)]
struct InForce {
    document: Arc<Document>,
    /// The file no longer has the object.
    is_lost: bool,
}

impl PartialEq for InForce {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&self.document, &other.document);
        self.is_lost == other.is_lost && (Arc::ptr_eq(a, b) || a == b)
    }
}

impl FolderState {
    /// An empty state. Content that a file loses is removed when the file has not changed for `quiet`.
    pub(super) fn new(quiet: Duration) -> Self {
        Self {
            files: BTreeMap::new(),
            problems: Vec::new(),
            is_unreadable: false,
            is_changed: false,
            quiet,
            combiner: Combiner::default(),
        }
    }

    /// Takes in a reading of everything.
    pub(super) fn observe(&mut self, now: Instant, listing: Listing, moved: &Moved) {
        self.problems = listing.problems;
        self.is_unreadable = false;
        self.is_changed = true;
        let unlisted = listing.unlisted;
        let present: BTreeSet<PathBuf> =
            listing.files.iter().map(|(path, _)| path.clone()).collect();
        for (path, content) in listing.files {
            self.observe_file(now, path, content, moved);
        }
        let quiet = self.quiet;
        self.files.retain(|path, file| {
            if present.contains(path) {
                return true;
            }
            if unlisted.iter().any(|hidden| path.starts_with(hidden)) {
                file.is_waiting = false;
                return true;
            }
            !covers(&moved.from, path) && file.is_still_missed(now, quiet)
        });
    }

    /// Takes in a reading of some files.
    pub(super) fn observe_some(&mut self, now: Instant, reread: Reread, moved: &Moved) {
        for (path, content) in reread {
            match content {
                Some(content) => self.observe_file(now, path, content, moved),
                None if !self.files.contains_key(&path) => {}
                None if covers(&moved.from, &path) => {
                    self.files.remove(&path);
                    self.is_changed = true;
                }
                None => {
                    let quiet = self.quiet;
                    self.is_changed = true;
                    let is_over = |file: &mut FileState| !file.is_still_missed(now, quiet);
                    if self.files.get_mut(&path).is_some_and(is_over) {
                        self.files.remove(&path);
                    }
                }
            }
        }
    }

    fn observe_file(
        &mut self,
        now: Instant,
        path: PathBuf,
        content: Result<Arc<Content>, Problem>,
        moved: &Moved,
    ) {
        if let (Some(file), Ok(content)) = (self.files.get(&path), &content)
            && file.is_as_in(content)
        {
            return;
        }
        let was_moved = covers(&moved.to, &path);
        let before = self.files.remove(&path);
        let in_force = before
            .as_ref()
            .map(|file| (file.in_force.clone(), file.problems.clone()));
        let file = match content {
            Ok(content) => FileState::read(before, &path, &content, (now, self.quiet), was_moved),
            Err(problem) => FileState::unreadable(before, &path, problem, now),
        };
        self.is_changed |= in_force.is_none_or(|(in_force, problems)| {
            in_force != file.in_force || problems != file.problems
        });
        self.files.insert(path, file);
    }

    /// The folder itself cannot be read: everything stays in force.
    pub(super) fn unreadable(&mut self, problem: Problem) {
        self.is_changed = true;
        self.problems = vec![problem];
        self.is_unreadable = true;
        for file in self.files.values_mut() {
            file.is_waiting = false;
        }
    }

    /// Whether the last reading of the folder itself failed.
    pub(super) fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }

    /// When it must be read again, at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting().map(|(_, at)| at).min()
    }

    /// The files that must be read again, and when.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&PathBuf, Instant)> {
        let waiting = self.files.iter().filter(|(_, file)| file.is_waiting);
        waiting.map(|(path, file)| (path, file.changed + self.quiet))
    }

    /// The resources in force, unless they are certainly those of the last snapshot.
    pub(super) fn next_snapshot(&mut self) -> Option<Loaded> {
        std::mem::take(&mut self.is_changed).then(|| self.snapshot())
    }

    /// The resources in force.
    pub(super) fn snapshot(&mut self) -> Loaded {
        let all = || self.files.values().flat_map(|file| &file.in_force);
        let (there, lost): (Vec<_>, Vec<_>) = all().partition(|it| !it.is_lost);
        let mut documents: Vec<_> = there.iter().map(|it| Arc::clone(&it.document)).collect();
        if !lost.is_empty() {
            let keys: BTreeSet<_> = there.iter().map(|it| &it.document.key).collect();
            let lost = lost.iter().map(|it| &it.document);
            documents.extend(lost.filter(|lost| !keys.contains(&lost.key)).cloned());
        }
        let mut loaded = self.combiner.combine(documents.into_iter());
        let of_files = self.files.values().flat_map(|file| &file.problems);
        loaded.problems = self
            .problems
            .iter()
            .chain(of_files)
            .cloned()
            .chain(loaded.problems)
            .collect();
        loaded.unreachable = self.is_unreadable;
        loaded
    }
}

/// Whether a path or one of its parents is among these.
fn covers(paths: &BTreeSet<PathBuf>, path: &Path) -> bool {
    path.ancestors().any(|around| paths.contains(around))
}

impl FileState {
    /// Whether reading the file again with this content changes nothing.
    fn is_as_in(&self, content: &Arc<Content>) -> bool {
        let seen = self.seen.as_ref();
        !self.is_waiting && seen.is_some_and(|seen| Arc::ptr_eq(seen, content))
    }

    fn read(
        before: Option<Self>,
        path: &Path,
        content: &Arc<Content>,
        (now, quiet): (Instant, Duration),
        was_moved: bool,
    ) -> Self {
        let parsed = content.parsed.clone();
        let mut file = Self {
            seen: Some(Arc::clone(content)),
            changed: now,
            in_force: Vec::new(),
            problems: parsed.problems,
            is_waiting: false,
        };
        let there = |document| InForce {
            document,
            is_lost: false,
        };
        let Some(before) = before else {
            file.in_force = parsed.documents.into_iter().map(there).collect();
            return file;
        };
        let seen = before.seen.as_ref().map(|seen| (seen.id, seen.digest));
        if seen == Some((content.id, content.digest)) {
            file.changed = before.changed;
        }
        let is_replaced = was_moved && seen.map(|(id, _)| id) != Some(content.id);
        let is_whole = !parsed.is_broken && (is_replaced || !content.is_empty);
        if is_whole && (is_replaced || now >= file.changed + quiet) {
            file.in_force = parsed.documents.into_iter().map(there).collect();
            return file;
        }
        let kept = file.merge(before.in_force, parsed.documents, parsed.may_go_on);
        file.is_waiting = is_whole && kept > 0;
        if !is_whole && kept > 0 {
            let what = if content.is_empty {
                "is empty"
            } else {
                "cannot be read as a whole"
            };
            file.keep(path, what, kept);
        }
        file
    }

    /// Merges the new objects with the old ones that are missing now. Returns how many objects differ from the file.
    fn merge(&mut self, old: Vec<InForce>, new: Vec<Arc<Document>>, may_go_on: bool) -> usize {
        // Of several with the same name the first counts.
        let old = old.into_iter().rev();
        let mut old: BTreeMap<_, _> = old.map(|it| (it.document.key.clone(), it)).collect();
        let mut kept = 0;
        let last = new.len().saturating_sub(1);
        for (at, document) in new.into_iter().enumerate() {
            let may_be_cut = may_go_on && at == last;
            let document = match old.remove(&document.key).map(|before| before.document) {
                Some(before) if before.resource == document.resource => document,
                Some(before) if may_be_cut || document.shape.lacks_something_of(&before.shape) => {
                    kept += 1;
                    before
                }
                None if may_be_cut => {
                    kept += 1;
                    continue;
                }
                _ => document,
            };
            self.in_force.push(InForce {
                document,
                is_lost: false,
            });
        }
        kept += old.len();
        self.in_force.extend(old.into_values().map(|it| InForce {
            is_lost: true,
            ..it
        }));
        kept
    }

    fn unreadable(before: Option<Self>, path: &Path, problem: Problem, now: Instant) -> Self {
        let mut file = Self {
            seen: None,
            changed: now,
            in_force: before.map(|before| before.in_force).unwrap_or_default(),
            problems: vec![problem],
            is_waiting: false,
        };
        if !file.in_force.is_empty() {
            file.keep(path, "cannot be read", file.in_force.len());
        }
        file
    }

    fn keep(&mut self, path: &Path, what: &str, kept: usize) {
        let reason = format!("{what}: what it held before stays in force ({kept} objects)");
        self.problems.push(Problem::error(path.display(), reason));
    }

    /// Handles a missing file; `false` once it is time to forget it.
    fn is_still_missed(&mut self, now: Instant, quiet: Duration) -> bool {
        if self.seen.take().is_some() || !self.is_waiting {
            self.changed = now;
        }
        self.is_waiting = true;
        self.problems.clear();
        for it in &mut self.in_force {
            it.is_lost = true;
        }
        now < self.changed + quiet
    }
}

#[cfg(test)]
mod tests;
