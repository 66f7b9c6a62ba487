//! The progress of a long command, on a terminal only.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Least time between updates of the line.
const PAUSE: Duration = Duration::from_millis(100);

/// A line on standard error that is overwritten.
pub(super) struct Progress {
    /// When it was last written; `None` if nobody looks at it.
    shown: Option<Mutex<Option<Instant>>>,
}

impl Progress {
    /// Prints nothing unless standard error is a terminal.
    pub(super) fn new() -> Self {
        let looks = io::stderr().is_terminal();
        Self {
            shown: looks.then(|| Mutex::new(None)),
        }
    }

    /// Shows `done` of `all`.
    pub(super) fn note(&self, done: usize, all: usize) {
        let Some(mut shown) = self.shown.as_ref().and_then(|shown| shown.try_lock().ok()) else {
            return;
        };
        if shown.is_none_or(|at| at.elapsed() >= PAUSE) {
            *shown = Some(Instant::now());
            // If standard error is closed, the message is lost.
            let _ = write!(io::stderr(), "\r{done} of {all} nodes");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
