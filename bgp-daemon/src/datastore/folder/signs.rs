//! Signs of change of a file or a folder, from inotify.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::state::Moved;

/// Signs of change. Only whether there was one is stored, and the moved paths, up to a limit.
pub(crate) struct Signs {
    seen: mpsc::Receiver<()>,
    moved: Arc<Mutex<Moved>>,
    _watcher: RecommendedWatcher,
}

impl Signs {
    /// Starts to watch a file or a folder, or its nearest existing parent.
    pub(crate) fn watch(path: &Path) -> notify::Result<Self> {
        let (sender, seen) = mpsc::channel(1);
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let targets = [path.to_owned(), real.clone()];
        let moved = Arc::new(Mutex::new(Moved::default()));
        let noted = Arc::clone(&moved);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Ok(event) = &event {
                note_moved(
                    event,
                    &targets,
                    &mut noted.lock().unwrap_or_else(PoisonError::into_inner),
                );
            }
            // An error, such as an overflow of the queue, means that signs were lost.
            if event.map_or(true, |event| concerns(&event, &targets)) {
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
            moved,
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

    /// Adds the paths moved since the watch began.
    pub(super) fn add_moved(&self, to: &mut Moved) {
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        to.to.append(&mut moved.to);
        to.from.append(&mut moved.from);
    }

    /// Whether there is an unread sign.
    pub(super) fn pending(&self) -> bool {
        !self.seen.is_empty()
    }

    /// Waits until there was no sign for `quiet`, at most until `end`.
    pub(crate) async fn settle(&mut self, quiet: Duration, end: Instant) {
        while Instant::now() < end && timeout(quiet, self.next()).await.is_ok() {}
    }
}

/// The nearest existing parent of a path.
fn nearest_folder(path: &Path) -> Option<&Path> {
    path.ancestors().skip(1).find(|folder| folder.is_dir())
}

/// Whether an event may change documents. Our own reading also causes events, which do not count.
fn concerns(event: &Event, targets: &[PathBuf]) -> bool {
    let changes = match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    };
    let near = |path: &PathBuf| {
        let hidden_link = path.file_name().is_some_and(is_mount_internal);
        let mut targets = targets.iter();
        hidden_link || targets.any(|target| path.starts_with(target) || target.starts_with(path))
    };
    event.need_rescan() || (changes && event.paths.iter().any(near))
}

/// Limit of the remembered moved paths; further ones count as written.
const MAX_MOVED: usize = 4096;

/// Records moved paths, named as in the watched path. Moving the link of a mounted ConfigMap moves everything next to it.
fn note_moved(event: &Event, [target, real]: &[PathBuf; 2], moved: &mut Moved) {
    let EventKind::Modify(ModifyKind::Name(mode)) = event.kind else {
        return;
    };
    let Some(path) = event.paths.first() else {
        return;
    };
    let path = match path.strip_prefix(real) {
        Ok(rest) if rest.as_os_str().is_empty() => target.clone(),
        Ok(rest) => target.join(rest),
        Err(_) => path.clone(),
    };
    let swapped = path.file_name().is_some_and(is_mount_internal);
    let around = path.parent().filter(|_| swapped).map(Path::to_owned);
    if moved.to.len() + moved.from.len() >= MAX_MOVED {
        return;
    }
    match (mode, around) {
        (RenameMode::To, Some(around)) => {
            moved.to.insert(around.clone());
            moved.from.insert(around);
        }
        (RenameMode::To, None) => drop(moved.to.insert(path)),
        (RenameMode::From, None) => drop(moved.from.insert(path)),
        _ => {}
    }
}

/// The links and folders that hold the files of a mounted ConfigMap or Secret.
fn is_mount_internal(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_is_no_sign_of_change_and_a_lost_sign_is_one() {
        use notify::event::{CreateKind, Flag};
        let targets = [PathBuf::from("/etc/bgp")];
        let at = |kind, path: &str| Event::new(kind).add_path(path.into());
        let opened = EventKind::Access(AccessKind::Open(AccessMode::Read));
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let created = EventKind::Create(CreateKind::File);
        assert!(!concerns(&at(opened, "/etc/bgp/a.yaml"), &targets));
        assert!(concerns(&at(written, "/etc/bgp/a.yaml"), &targets));
        assert!(concerns(&at(created, "/etc/bgp"), &targets));
        assert!(concerns(&at(created, "/etc/..data"), &targets));
        assert!(!concerns(&at(created, "/etc/other"), &targets));
        assert!(concerns(
            &Event::new(EventKind::Other).set_flag(Flag::Rescan),
            &targets
        ));
    }
}
