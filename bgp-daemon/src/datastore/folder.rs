//! A folder, or a single file, of YAML or JSON documents. A saved file takes effect at once.
//!
//! On any sign of change, changed files are read again and, if their meaning differs, a snapshot is sent; `state` decides which
//! objects are in force. Signs come from inotify, and from a clock: occasionally, in case a sign was lost or a file is a link to
//! somewhere else, and often while inotify cannot watch. The watch is set up **before** each reading, so no change is missed in
//! between, and folders that are replaced (the `..data` link of a mounted ConfigMap) or come back are watched again.
//!
//! A path that disappears removes no resource: the last state stays in force, and a problem reports it. A path that is missing at
//! the start is awaited.
//!
//! Files are read by a dedicated thread that is not joined at the end, because a file system may hang.

mod signs;
mod state;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::state::{FolderState, Moved};
use super::snapshot::Snapshot;
use crate::resources::{Listing, Loaded, Problem, Reader};
use bgp_speaker::tasks::Tasks;

pub(crate) use self::signs::Signs;

/// The path is invalid.
#[derive(Debug, Error)]
#[error("datastore {path} cannot be read: {error}")]
pub struct FolderError {
    path: String,
    error: io::Error,
}

/// Wait times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// Time without a further sign after a sign of change, as saving often causes several; also before another attempt to read an
    /// unreadable file.
    pub(crate) quiet: Duration,
    /// Limit of the wait after the first sign: continuous writing must not delay other changes.
    pub(crate) settle: Duration,
    /// Time without a change of a file before its lost content is removed: it may be in the middle of a write.
    pub(crate) loss: Duration,
    /// Time before a problem reports that a reading hangs.
    pub(crate) patience: Duration,
    /// Interval of readings while inotify watches.
    pub(crate) watched: Duration,
    /// Interval of readings while inotify cannot watch.
    pub(crate) unwatched: Duration,
}

pub(crate) const TIMING: Timing = Timing {
    quiet: Duration::from_millis(50),
    settle: Duration::from_millis(500),
    loss: Duration::from_secs(2),
    patience: Duration::from_secs(10),
    watched: Duration::from_secs(30),
    unwatched: Duration::from_secs(1),
};

/// Reads `path` and watches it. Returns after the first successful reading; the channel then holds the initial state. Ends when
/// all receivers are dropped. Must be called within a tokio runtime.
///
/// # Errors
///
/// `path` is empty. An invalid document is not an error, but a problem of the snapshot.
pub async fn watch(path: &Path, tasks: &Tasks) -> Result<watch::Receiver<Snapshot>, FolderError> {
    watch_with(path, TIMING, tasks).await
}

async fn watch_with(
    path: &Path,
    timing: Timing,
    tasks: &Tasks,
) -> Result<watch::Receiver<Snapshot>, FolderError> {
    let path = std::path::absolute(path).map_err(|error| FolderError {
        path: path.display().to_string(),
        error,
    })?;
    let mut state = FolderState::new(timing.loss);
    let (signs, reader) = first(&path, &timing, &mut state).await;
    let (sender, receiver) = watch::channel(Arc::new(state.snapshot()));
    let follower = Follower {
        path,
        timing,
        sender,
        state,
        reader,
        watching: true,
    };
    tasks.job("datastore", follower.run(signs));
    Ok(receiver)
}

/// Reads until it succeeds.
async fn first(path: &Path, timing: &Timing, state: &mut FolderState) -> (Option<Signs>, Reader) {
    let mut told = String::new();
    let mut tell = |reason: String| {
        if told != reason {
            tracing::warn!("waiting for the datastore: {} {reason}", path.display());
            told = reason;
        }
    };
    let mut reader = Reader::default();
    loop {
        let reading = read(path.to_owned(), reader);
        tokio::pin!(reading);
        let reading = match timeout(timing.patience, &mut reading).await {
            Ok(reading) => reading,
            Err(_) => {
                tell("does not answer".to_owned());
                reading.await
            }
        };
        let mut signs = reading.signs;
        reader = reading.reader;
        match reading.listing {
            Ok(listing) => {
                state.observe(Instant::now(), listing, &Moved::default());
                return (signs, reader);
            }
            Err(error) => tell(format!("cannot be read: {error}")),
        }
        wait_for_sign(signs.as_mut(), timing).await;
    }
}

struct Follower {
    path: PathBuf,
    timing: Timing,
    sender: watch::Sender<Snapshot>,
    state: FolderState,
    reader: Reader,
    /// Whether inotify watches, as last logged.
    watching: bool,
}

impl Follower {
    async fn run(mut self, mut signs: Option<Signs>) {
        let closed = self.sender.clone();
        loop {
            self.log_watching(signs.is_some());
            let next = async {
                tokio::select! {
                    () = wait_for_sign(signs.as_mut(), &self.timing) => {}
                    () = wait_until(self.state.deadline()) => {}
                }
                self.take_reading(&mut signs).await;
            };
            tokio::select! {
                () = closed.closed() => return,
                () = next => {}
            }
        }
    }

    /// Reads until nothing changed meanwhile, up to a limit: a folder that is being changed may look as if resources had been
    /// removed.
    async fn take_reading(&mut self, signs: &mut Option<Signs>) {
        let noticed = Instant::now();
        let end = noticed + self.timing.settle;
        let mut moved = Moved::default();
        let listing = loop {
            if let Some(signs) = signs {
                signs.settle(self.timing.quiet, end).await;
            }
            let reading = self.read().await;
            self.reader = reading.reader;
            let before = std::mem::replace(signs, reading.signs);
            if let Some(before) = before {
                before.add_moved(&mut moved);
            }
            let changing = signs.as_ref().is_some_and(Signs::pending);
            if !changing || Instant::now() >= end {
                break reading.listing;
            }
        };
        match listing {
            Ok(listing) => self.state.observe(Instant::now(), listing, &moved),
            Err(error) => self.keep_last_state(&format!("cannot be read: {error}")),
        }
        self.publish(noticed);
    }

    /// Reads once. A hanging reading is reported meanwhile.
    async fn read(&mut self) -> Reading {
        let reading = read(self.path.clone(), std::mem::take(&mut self.reader));
        tokio::pin!(reading);
        if let Ok(reading) = timeout(self.timing.patience, &mut reading).await {
            return reading;
        }
        self.keep_last_state("does not answer");
        self.publish(Instant::now());
        reading.await
    }

    fn keep_last_state(&mut self, what: &str) {
        let reason = format!("{what}; the last state of its resources is kept");
        let problem = Problem::error(self.path.display(), reason);
        self.state.unreadable(problem);
    }

    fn publish(&mut self, noticed: Instant) {
        let mut snapshot = Loaded {
            noticed: Some(noticed.into_std()),
            ..self.state.snapshot()
        };
        snapshot.set.share_unchanged(&self.sender.borrow().set);
        let snapshot = Arc::new(snapshot);
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

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn wait_for_sign(signs: Option<&mut Signs>, timing: &Timing) {
    match signs {
        Some(signs) => {
            // A timeout counts as a sign of change.
            let _ = timeout(timing.watched, signs.next()).await;
        }
        None => sleep(timing.unwatched).await,
    }
}

/// A reading, and the signs of change since just before it.
struct Reading {
    listing: io::Result<Listing>,
    reader: Reader,
    /// `None` if inotify cannot watch.
    signs: Option<Signs>,
}

/// Stack for documents of the greatest allowed depth, with a large reserve.
const STACK: usize = 8 << 20;

/// Reads on a dedicated thread, because the threads of the runtime are joined at the end.
async fn read(path: PathBuf, mut reader: Reader) -> Reading {
    let (done, reading) = oneshot::channel();
    let read = move || {
        let signs = Signs::watch(&path).ok();
        let listing = reader.read(&path);
        let reading = Reading {
            listing,
            reader,
            signs,
        };
        // The caller may be gone.
        done.send(reading).ok();
    };
    let spawned = std::thread::Builder::new()
        .stack_size(STACK)
        .name("datastore".into())
        .spawn(read);
    let failed = |error| Reading {
        listing: Err(error),
        reader: Reader::default(),
        signs: None,
    };
    match spawned {
        Ok(_) => reading
            .await
            .unwrap_or_else(|ended| failed(io::Error::other(ended))),
        Err(error) => failed(error),
    }
}

#[cfg(test)]
mod tests;
