//! A folder, or a single file, of YAML or JSON documents. A saved file takes effect at once.
//!
//! On any sign of change everything is read again and, if it means something else than before, sent. Signs come from inotify,
//! and from a clock: now and then in case a sign was lost or a file is a link to somewhere else, and often while inotify
//! cannot watch. The watch is set up anew **before** each reading, so no change falls between the two, and folders that are
//! swapped for others (the `..data` link of a mounted ConfigMap) or come back are watched again.
//!
//! A path that is gone takes no resource with it: the last state stays, with a problem that says so.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::Snapshot;
use crate::resources::{Loaded, Problem, ResourceSet};
use crate::tasks::Tasks;

/// The path cannot be read at the start.
#[derive(Debug, Error)]
#[error("datastore {path} cannot be read: {error}")]
pub struct FolderError {
    path: String,
    error: io::Error,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// After a sign of change, for no further one: a save is often several; also before a file that could not be read is read again.
    pub(crate) quiet: Duration,
    /// After the first sign, at most: whoever writes all the time does not keep others from being heard.
    pub(crate) settle: Duration,
    /// Between readings while inotify watches.
    pub(crate) watched: Duration,
    /// Between readings while it cannot.
    pub(crate) unwatched: Duration,
}

pub(crate) const TIMING: Timing = Timing {
    quiet: Duration::from_millis(50),
    settle: Duration::from_millis(500),
    watched: Duration::from_secs(30),
    unwatched: Duration::from_secs(1),
};

/// Reads `path` and follows its changes. The channel holds the initial state at once. Ends when all receivers are dropped.
/// Must be called within a tokio runtime.
///
/// # Errors
///
/// `path` is neither a folder nor a file that can be read. A bad document in it is no error, but a problem of the snapshot.
pub async fn watch(path: &Path, tasks: &Tasks) -> Result<watch::Receiver<Snapshot>, FolderError> {
    watch_with(path, TIMING, tasks).await
}

async fn watch_with(
    path: &Path,
    timing: Timing,
    tasks: &Tasks,
) -> Result<watch::Receiver<Snapshot>, FolderError> {
    let failed = |error| FolderError {
        path: path.display().to_string(),
        error,
    };
    let target = std::path::absolute(path).map_err(failed)?;
    let first = read(target.clone()).await;
    let loaded = Arc::new(first.loaded.map_err(failed)?);
    let (sender, receiver) = watch::channel(Arc::clone(&loaded));
    let follower = Follower {
        path: target,
        timing,
        sender,
        last_good: loaded,
        watching: true,
    };
    tasks.job("datastore", follower.run(first.signs));
    Ok(receiver)
}

struct Follower {
    path: PathBuf,
    timing: Timing,
    sender: watch::Sender<Snapshot>,
    /// What was read last, without the problem of a path that is gone.
    last_good: Snapshot,
    /// Whether inotify watches, as far as the log knows.
    watching: bool,
}

impl Follower {
    async fn run(mut self, mut signs: Option<Signs>) {
        loop {
            self.log_watching(signs.is_some());
            let changed = wait_for_sign(signs.as_mut(), &self.timing);
            tokio::select! {
                () = self.sender.closed() => return,
                () = changed => {}
            }
            let reading = self.read_settled(signs).await;
            self.publish(reading.loaded);
            signs = reading.signs;
        }
    }

    /// Reads until nothing changed meanwhile, or the limit of patience: a folder that is being changed may look as if some of
    /// its resources had been removed.
    async fn read_settled(&self, mut signs: Option<Signs>) -> Reading {
        let end = Instant::now() + self.timing.settle;
        loop {
            if let Some(signs) = &mut signs {
                signs.settle(self.timing.quiet, end).await;
            }
            let reading = read(self.path.clone()).await;
            let changing = reading.signs.as_ref().is_some_and(Signs::pending);
            if !changing || Instant::now() >= end {
                return reading;
            }
            signs = reading.signs;
        }
    }

    fn publish(&mut self, loaded: io::Result<Loaded>) {
        let snapshot = match loaded {
            Ok(loaded) => {
                self.last_good = Arc::new(loaded);
                Arc::clone(&self.last_good)
            }
            Err(error) => Arc::new(self.without_source(&error)),
        };
        let changed = self.sender.send_if_modified(|current| {
            let changed = *current != snapshot;
            *current = snapshot;
            changed
        });
        if changed {
            let current = self.sender.borrow();
            let (objects, problems) = (current.set.len(), current.problems.len());
            tracing::info!(path = %self.path.display(), objects, problems, "datastore changed");
        }
    }

    fn without_source(&self, error: &io::Error) -> Loaded {
        let reason = format!("cannot be read: {error}; the last state of its resources is kept");
        let mut loaded = Loaded::clone(&self.last_good);
        loaded
            .problems
            .push(Problem::error(self.path.display(), reason));
        loaded
    }

    fn log_watching(&mut self, watching: bool) {
        if std::mem::replace(&mut self.watching, watching) == watching {
            return;
        }
        let path = self.path.display();
        if watching {
            tracing::info!(%path, "datastore is watched again");
        } else {
            let period = self.timing.unwatched;
            tracing::warn!(%path, ?period, "datastore cannot be watched, it is read periodically");
        }
    }
}

async fn wait_for_sign(signs: Option<&mut Signs>, timing: &Timing) {
    match signs {
        Some(signs) => {
            // Elapsed is a sign of its own: time to look.
            let _ = timeout(timing.watched, signs.next()).await;
        }
        None => sleep(timing.unwatched).await,
    }
}

/// A reading, and the signs of change since just before it.
struct Reading {
    loaded: io::Result<Loaded>,
    /// `None` if inotify cannot watch.
    signs: Option<Signs>,
}

async fn read(path: PathBuf) -> Reading {
    let read = move || {
        let signs = Signs::watch(&path).ok();
        let loaded = probe(&path).map(|()| ResourceSet::load(&[path]));
        Reading { loaded, signs }
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(reading) => reading,
        Err(error) => Reading {
            loaded: Err(io::Error::other(error)),
            signs: None,
        },
    }
}

/// A path that cannot be read at all is not the same as one that holds nothing.
fn probe(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.is_dir() {
        std::fs::read_dir(path).map(drop)
    } else {
        std::fs::File::open(path).map(drop)
    }
}

/// Signs of change. Only whether there was one is kept, so any number of them takes no room.
pub(crate) struct Signs {
    seen: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Signs {
    /// Starts to watch a file or a folder, or the nearest folder above it that is there.
    pub(crate) fn watch(path: &Path) -> notify::Result<Self> {
        let (sender, seen) = mpsc::channel(1);
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let targets = [path.to_owned(), real.clone()];
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error, such as an overflow of the queue, means that signs were lost.
            if event.map_or(true, |event| concerns(&event, &targets)) {
                let _ = sender.try_send(());
            }
        })?;
        for target in [path, &real] {
            let mut watched = None;
            // One that is made meanwhile is nearer.
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
            _watcher: watcher,
        })
    }

    /// Waits for a sign; one that came before counts.
    pub(crate) async fn next(&mut self) {
        if self.seen.recv().await.is_none() {
            // The watcher is gone, which only its end can cause; the clock goes on.
            std::future::pending::<()>().await;
        }
    }

    fn pending(&self) -> bool {
        !self.seen.is_empty()
    }

    /// Waits until there was no sign for `quiet`, but not past `end`.
    pub(crate) async fn settle(&mut self, quiet: Duration, end: Instant) {
        while Instant::now() < end && timeout(quiet, self.next()).await.is_ok() {}
    }
}

/// The nearest folder above a path that is there.
fn nearest_folder(path: &Path) -> Option<&Path> {
    path.ancestors().skip(1).find(|folder| folder.is_dir())
}

/// Whether an event may mean that other documents are there now. Our own reading causes events too, which do not.
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

/// The links and folders behind the files of a mounted ConfigMap or Secret.
fn is_mount_internal(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"..")
}

#[cfg(test)]
mod tests;
