//! Signs of change of a file or a folder, from inotify.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::state::Moved;
use crate::resources::is_document_name;

/// Limit of the remembered paths. With more of them, everything is read.
const MAX_PATHS: usize = 4096;

/// Signs of change of a path, with what is known about them.
pub(crate) struct Signs {
    seen: mpsc::Receiver<()>,
    changes: Arc<Mutex<Changes>>,
    _watcher: RecommendedWatcher,
}

/// What may have changed. Paths are named as in the watched path.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// It may be anything.
    pub(super) anything: bool,
    /// Files that do not look like documents. Links may lead to them.
    pub(super) others: bool,
    /// What was renamed and does not look like a document: it may be a folder.
    pub(super) renamed: BTreeSet<PathBuf>,
    /// Files of documents that were written and closed, or replaced by a rename.
    pub(super) finished: BTreeSet<PathBuf>,
    /// Files of documents that are being written, or are gone: perhaps only until somebody writes them again.
    pub(super) unfinished: BTreeSet<PathBuf>,
    /// Renames.
    pub(super) moved: Moved,
    /// Sources of renames without a known target, by the number of the rename.
    sources: BTreeMap<usize, PathBuf>,
}

impl Signs {
    /// Starts to watch a file or a folder, or its nearest existing parent.
    pub(crate) fn watch(path: &Path) -> notify::Result<Self> {
        let (sender, seen) = mpsc::channel(1);
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let targets = [path.to_owned(), real.clone()];
        let changes = Arc::new(Mutex::new(Changes::default()));
        let noted = Arc::clone(&changes);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let mut changes = noted.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = match event {
                Ok(event) => changes.note(&event, &targets),
                // Such as an overflow of the queue: signs were lost.
                Err(_) => changes.note_anything(),
            };
            if is_new {
                let _ = sender.try_send(());
            }
        })?;
        for target in [path, &real] {
            let mut watched = None;
            // A nearer folder may be created meanwhile.
            while let Some(folder) = nearest_folder(target).filter(|near| watched != Some(*near)) {
                watcher.watch(folder, RecursiveMode::NonRecursive)?;
                watched = Some(folder);
            }
        }
        if path.is_dir() {
            watcher.watch(path, RecursiveMode::Recursive)?;
        }
        Ok(Self {
            seen,
            changes,
            _watcher: watcher,
        })
    }

    /// Waits for a sign; an earlier one counts.
    pub(crate) async fn next(&mut self) {
        if self.seen.recv().await.is_none() {
            // The watcher is gone, which only happens at its end; the clock goes on.
            std::future::pending::<()>().await;
        }
    }

    /// Takes what changed since the last call.
    pub(super) fn take(&self) -> Changes {
        std::mem::take(&mut self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is an unread sign.
    pub(super) fn pending(&self) -> bool {
        !self.seen.is_empty()
    }

    /// Waits until there was no sign for `quiet`, at most until `end`.
    pub(crate) async fn settle(&mut self, quiet: Duration, end: Instant) {
        while Instant::now() < end && timeout(quiet, self.next()).await.is_ok() {}
    }

    /// Waits like [`Signs::settle`], but only while files are being changed.
    pub(super) async fn finish(&mut self, quiet: Duration, end: Instant) {
        let is_finished = || {
            let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            !changes.anything && changes.unfinished.is_empty()
        };
        while !is_finished() && Instant::now() < end {
            if timeout(quiet, self.seen.recv()).await.is_err() {
                return;
            }
        }
    }
}

/// The nearest existing parent of a path.
fn nearest_folder(path: &Path) -> Option<&Path> {
    path.ancestors().skip(1).find(|folder| folder.is_dir())
}

impl Changes {
    /// Adds what an event tells; returns whether documents may have changed. Our own reading also causes events, which do not count.
    fn note(&mut self, event: &Event, targets: &[PathBuf; 2]) -> bool {
        if event.need_rescan() {
            return self.note_anything();
        }
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            EventKind::Access(_) => return false,
            // Follows an event of each side.
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return false,
            _ => {}
        }
        let near: Vec<&PathBuf> = event
            .paths
            .iter()
            .filter(|it| is_near(it, targets))
            .collect();
        for path in &near {
            self.note_path(event, path, targets);
        }
        !near.is_empty()
    }

    fn note_anything(&mut self) -> bool {
        self.anything = true;
        true
    }

    fn note_path(&mut self, event: &Event, path: &Path, [target, real]: &[PathBuf; 2]) {
        let path = match path.strip_prefix(real) {
            Ok(rest) if rest.as_os_str().is_empty() => target.clone(),
            Ok(rest) => target.join(rest),
            Err(_) => path.to_owned(),
        };
        self.note_rename(event, &path);
        let inner = path.strip_prefix(target).ok();
        let is_internal = |inner: &Path| inner.iter().any(is_mount_internal);
        let known = [&self.finished, &self.unfinished, &self.renamed];
        let known = known.iter().map(|paths| paths.len()).sum::<usize>();
        let is_full = known + self.sources.len() >= MAX_PATHS;
        if is_full || inner.is_none_or(is_internal) || is_of_folder(event.kind) {
            self.anything = true;
        } else if path != *target && !is_document_name(&path) {
            self.others = true;
            if matches!(event.kind, EventKind::Modify(ModifyKind::Name(_))) {
                self.renamed.insert(path);
            }
        } else if is_finished(event.kind) {
            if let Some(source) = event.tracker().and_then(|it| self.sources.remove(&it)) {
                self.unfinished.remove(&source);
                self.finished.insert(source);
            }
            self.unfinished.remove(&path);
            self.finished.insert(path);
        } else {
            if let (Some(number), EventKind::Modify(ModifyKind::Name(RenameMode::From))) =
                (event.tracker(), event.kind)
            {
                self.sources.insert(number, path.clone());
            }
            self.finished.remove(&path);
            self.unfinished.insert(path);
        }
    }

    /// Records a rename. Moving the link of a mounted ConfigMap moves everything next to it.
    fn note_rename(&mut self, event: &Event, path: &Path) {
        let EventKind::Modify(ModifyKind::Name(mode)) = event.kind else {
            return;
        };
        let moved = &mut self.moved;
        if moved.to.len() + moved.from.len() >= MAX_PATHS {
            return;
        }
        let swapped = path.file_name().is_some_and(is_mount_internal);
        let around = path.parent().filter(|_| swapped);
        match (mode, around) {
            (RenameMode::To | RenameMode::From, Some(around)) => {
                moved.to.insert(around.to_owned());
                moved.from.insert(around.to_owned());
            }
            (RenameMode::To, None) => drop(moved.to.insert(path.to_owned())),
            (RenameMode::From, None) => drop(moved.from.insert(path.to_owned())),
            _ => {}
        }
    }
}

/// Whether a path is a target, below one, or around one.
fn is_near(path: &Path, targets: &[PathBuf]) -> bool {
    let hidden_link = path.file_name().is_some_and(is_mount_internal);
    let mut targets = targets.iter();
    hidden_link || targets.any(|target| path.starts_with(target) || target.starts_with(path))
}

/// Whether an event is about a folder, or may be.
fn is_of_folder(kind: EventKind) -> bool {
    match kind {
        EventKind::Any | EventKind::Other => true,
        EventKind::Create(kind) => kind != CreateKind::File,
        EventKind::Remove(kind) => kind != RemoveKind::File,
        EventKind::Access(_) | EventKind::Modify(_) => false,
    }
}

/// Whether a file is complete after this event.
fn is_finished(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(RenameMode::To))
    )
}

/// The links and folders that hold the files of a mounted ConfigMap or Secret.
fn is_mount_internal(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"..")
}

#[cfg(test)]
mod tests {
    use super::*;

    use notify::event::{DataChange, Flag};

    const OPENED: EventKind = EventKind::Access(AccessKind::Open(AccessMode::Read));
    const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
    const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    const CREATED: EventKind = EventKind::Create(CreateKind::File);
    const FROM: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::From));
    const BOTH: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
    const TO: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::To));

    fn at(kind: EventKind, path: &str) -> Event {
        Event::new(kind).add_path(path.into())
    }

    /// What is known after these events, and whether the last one was a sign.
    fn after(events: &[Event]) -> (Changes, bool) {
        let targets = ["/etc/bgp", "/real"].map(PathBuf::from);
        let mut changes = Changes::default();
        let signs = events.iter().map(|event| changes.note(event, &targets));
        let last = signs.last().unwrap_or_default();
        (changes, last)
    }

    fn names(paths: &BTreeSet<PathBuf>) -> Vec<&str> {
        paths.iter().filter_map(|path| path.to_str()).collect()
    }

    #[test]
    fn reading_is_no_sign_of_change_and_a_lost_sign_is_one() {
        for (event, is_sign) in [
            (at(OPENED, "/etc/bgp/a.yaml"), false),
            (at(CLOSED, "/etc/bgp/a.yaml"), true),
            (at(CREATED, "/etc/bgp"), true),
            (at(CREATED, "/etc/..data"), true),
            (at(CREATED, "/etc/other"), false),
            (Event::new(EventKind::Other).set_flag(Flag::Rescan), true),
        ] {
            assert_eq!(after(std::slice::from_ref(&event)).1, is_sign, "{event:?}");
        }
    }

    #[test]
    fn a_file_is_finished_once_it_is_closed() {
        let path = "/real/sub/a.yaml";
        let (changes, _) = after(&[at(CREATED, path), at(WRITTEN, path)]);
        assert_eq!(names(&changes.unfinished), ["/etc/bgp/sub/a.yaml"]);
        let (changes, _) = after(&[at(CREATED, path), at(WRITTEN, path), at(CLOSED, path)]);
        assert_eq!(names(&changes.unfinished), [""; 0]);
        assert_eq!(names(&changes.finished), ["/etc/bgp/sub/a.yaml"]);
        assert!(!changes.anything && !changes.others);
    }

    #[test]
    fn a_file_that_is_moved_aside_may_be_written_again() {
        let from = |path| at(FROM, path).set_tracker(7);
        let to = |path| at(TO, path).set_tracker(7);
        let (changes, _) = after(&[from("/etc/bgp/a.yaml"), to("/etc/bgp/a.yaml~")]);
        assert_eq!(names(&changes.unfinished), ["/etc/bgp/a.yaml"]);
        assert!(changes.others);
        assert_eq!(names(&changes.renamed), ["/etc/bgp/a.yaml~"]);
        let both = at(BOTH, "/etc/bgp/a.yaml").add_path("/etc/bgp/b.yaml".into());
        let (changes, _) = after(&[from("/etc/bgp/a.yaml"), to("/etc/bgp/b.yaml"), both]);
        assert_eq!(names(&changes.unfinished), [""; 0]);
        assert_eq!(
            names(&changes.finished),
            ["/etc/bgp/a.yaml", "/etc/bgp/b.yaml"]
        );
    }

    #[test]
    fn what_is_no_single_file_may_be_anything() {
        let folder = EventKind::Create(CreateKind::Folder);
        for event in [
            at(folder, "/etc/bgp/more.yaml"),
            at(TO, "/etc/bgp/..data"),
            at(CLOSED, "/etc/bgp/..2026/a.yaml"),
            at(CREATED, "/etc"),
        ] {
            assert!(after(std::slice::from_ref(&event)).0.anything, "{event:?}");
        }
        let paths = (0..=MAX_PATHS).map(|number| at(CLOSED, &format!("/etc/bgp/{number}.yaml")));
        assert!(after(&paths.collect::<Vec<_>>()).0.anything);
    }
}
