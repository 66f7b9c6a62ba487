//! A folder, or a single file, of YAML or JSON documents. A saved file takes effect at once.
//!
//! On a sign of change, the file that it names is read again and, if its meaning differs, a snapshot is sent; `state` decides which
//! objects are in force. A file that was closed or replaced is read at once, one that is being written after a pause; while changes go
//! on, the time between two readings grows. A sign that does not name one file, such as one of a folder, leads to a reading of
//! everything. So does a clock: occasionally, in case a sign was lost or a file is a link to somewhere else, and often while inotify
//! cannot watch. The watch is set up **before** each reading of everything, so no change is missed in between, and folders that are
//! replaced (the `..data` link of a mounted ConfigMap) or come back are watched again.
//!
//! A path that disappears removes no resource: the last state stays in force, and a problem reports it. A path that is missing at
//! the start is awaited.
//!
//! Files are read by a dedicated thread that is not joined at the end, because a file system may hang.

mod signs;
mod state;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::signs::Changes;
use self::state::{FolderState, Moved};
use super::snapshot::Snapshot;
use crate::resources::{Listing, Loaded, Problem, Reader, Reread};
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
    /// Time without a further sign before a file is read that is being changed, as saving often causes several.
    pub(crate) quiet: Duration,
    /// Limit of the wait after the first sign: continuous writing must not delay other changes.
    pub(crate) settle: Duration,
    /// Least time between two readings. The time doubles, up to `settle`, while changes do not wait for its end.
    pub(crate) pause: Duration,
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
    pause: Duration::from_millis(5),
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
        pause: timing.pause,
        not_before: Instant::now(),
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
    /// The time until the next reading may begin.
    pause: Duration,
    /// When that time is over.
    not_before: Instant,
}

impl Follower {
    async fn run(mut self, mut signs: Option<Signs>) {
        let closed = self.sender.clone();
        loop {
            self.log_watching(signs.is_some());
            let next = async {
                let due = tokio::select! {
                    due = wait_for_sign(signs.as_mut(), &self.timing) => due,
                    () = wait_until(self.state.deadline()) => Due::Waiting,
                };
                self.take_reading(&mut signs, due).await;
            };
            tokio::select! {
                () = closed.closed() => return,
                () = next => {}
            }
        }
    }

    /// Reads what is due.
    async fn take_reading(&mut self, signs: &mut Option<Signs>, due: Due) {
        let noticed = Instant::now();
        self.gather(noticed).await;
        let changes = match signs {
            Some(signs) => {
                let end = noticed + self.timing.settle;
                signs.finish(self.timing.quiet, end).await;
                signs.take()
            }
            None => Changes::default(),
        };
        let is_all = changes.anything
            || signs.is_none()
            || matches!(due, Due::Everything)
            || (changes.others && self.reader.has_links());
        match is_all {
            true => self.read_all(signs, noticed, changes.moved).await,
            false => self.read_some(signs, noticed, changes).await,
        }
    }

    /// Waits for the end of the pause.
    async fn gather(&mut self, noticed: Instant) {
        let timing = &self.timing;
        if noticed >= self.not_before {
            self.pause = timing.pause;
            return;
        }
        sleep_until(self.not_before).await;
        self.pause = timing.settle.min(self.pause * 2);
    }

    /// Reads the files that have changed.
    async fn read_some(&mut self, signs: &mut Option<Signs>, noticed: Instant, changes: Changes) {
        let now = Instant::now();
        let waiting = self.state.waiting().filter(|(_, at)| *at <= now);
        let mut paths: BTreeSet<PathBuf> = waiting.map(|(path, _)| path.clone()).collect();
        paths.extend(changes.finished);
        paths.extend(changes.unfinished);
        if paths.is_empty() && changes.renamed.is_empty() {
            return;
        }
        let reading = reread(paths, changes.renamed, std::mem::take(&mut self.reader));
        let (reread, reader) = self.expect(reading).await;
        self.reader = reader;
        let Some(reread) = reread.filter(|_| !self.state.is_unreadable()) else {
            return self.read_all(signs, noticed, changes.moved).await;
        };
        self.state
            .observe_some(Instant::now(), reread, &changes.moved);
        self.publish(noticed);
    }

    /// Reads everything until nothing changed meanwhile, up to a limit: a folder that is being changed may look as if resources had
    /// been removed.
    async fn read_all(&mut self, signs: &mut Option<Signs>, noticed: Instant, mut moved: Moved) {
        let end = noticed + self.timing.settle;
        let listing = loop {
            let reading = read(self.path.clone(), std::mem::take(&mut self.reader));
            let reading = self.expect(reading).await;
            self.reader = reading.reader;
            let before = std::mem::replace(signs, reading.signs);
            if let Some(before) = before {
                moved.add(before.take().moved);
            }
            match signs {
                Some(signs) if signs.pending() && Instant::now() < end => {
                    signs.settle(self.timing.quiet, end).await;
                    moved.add(signs.take().moved);
                }
                _ => break reading.listing,
            }
        };
        match listing {
            Ok(listing) => self.state.observe(Instant::now(), listing, &moved),
            Err(error) => self.keep_last_state(&format!("cannot be read: {error}")),
        }
        self.publish(noticed);
    }

    /// Waits for a reading. Meanwhile, one that hangs is reported.
    async fn expect<T>(&mut self, reading: impl Future<Output = T>) -> T {
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
        self.not_before = Instant::now() + self.pause;
        let Some(snapshot) = self.state.next_snapshot() else {
            return;
        };
        let mut snapshot = Loaded {
            noticed: Some(noticed.into_std()),
            ..snapshot
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

/// Why it is time to read.
enum Due {
    /// There is a sign.
    Sign,
    /// The time of files is over that the state waits for.
    Waiting,
    /// Nothing was heard for a time.
    Everything,
}

async fn wait_for_sign(signs: Option<&mut Signs>, timing: &Timing) -> Due {
    match signs {
        Some(signs) => match timeout(timing.watched, signs.next()).await {
            Ok(()) => Due::Sign,
            Err(_) => Due::Everything,
        },
        None => {
            sleep(timing.unwatched).await;
            Due::Everything
        }
    }
}

/// A reading of everything, and the signs of change since just before it.
struct Reading {
    listing: io::Result<Listing>,
    reader: Reader,
    /// `None` if inotify cannot watch.
    signs: Option<Signs>,
}

async fn read(path: PathBuf, mut reader: Reader) -> Reading {
    let reading = on_thread(move || {
        let signs = Signs::watch(&path).ok();
        Reading {
            listing: reader.read(&path),
            reader,
            signs,
        }
    });
    reading.await.unwrap_or_else(|error| Reading {
        listing: Err(error),
        reader: Reader::default(),
        signs: None,
    })
}

/// Reads some files again; `None` if everything must be read, because something that was renamed is a folder, for example.
async fn reread(
    paths: BTreeSet<PathBuf>,
    renamed: BTreeSet<PathBuf>,
    mut reader: Reader,
) -> (Option<Reread>, Reader) {
    let reading = on_thread(move || {
        let moves_folder = renamed.iter().any(|path| reader.is_folder(path));
        let reread = (!moves_folder).then(|| reader.reread(paths.iter()));
        (reread.flatten(), reader)
    });
    reading.await.unwrap_or_default()
}

/// Stack for documents of the greatest allowed depth, with a large reserve.
const STACK: usize = 8 << 20;

/// Works on a dedicated thread, because the threads of the runtime are joined at the end.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    let work = move || {
        // The caller may be gone.
        done.send(work()).ok();
    };
    let thread = std::thread::Builder::new().stack_size(STACK);
    thread.name("datastore".into()).spawn(work)?;
    result.await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
