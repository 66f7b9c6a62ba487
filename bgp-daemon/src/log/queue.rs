//! Lines of the log on the way to standard error. Logging never blocks: a terminal, pipe or journal that takes nothing costs
//! lines, which are counted, but not time.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// Waiting lines; beyond this number, lines are dropped and counted.
pub(super) const LINES: usize = 4096;
/// Longest line, octets.
const LINE_LEN: usize = 16 * 1024;

thread_local! {
    /// This is the writing thread; its own log lines are written directly.
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

/// The waiting lines. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    /// Lines dropped since the last one was written.
    dropped: u64,
    /// A line is being written.
    writing: bool,
}

impl Queue {
    /// Starts the writing thread.
    pub(super) fn start(&self) -> io::Result<()> {
        let queue = self.clone();
        let thread = std::thread::Builder::new().name("log".to_owned());
        thread.spawn(move || queue.write_out(&mut io::stderr()))?;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.state();
        if state.lines.len() < LINES {
            state.lines.push_back(cut(line));
        } else {
            state.dropped += 1;
        }
        drop(state);
        self.0.changed.notify_all();
    }

    fn write_out(&self, out: &mut impl Write) {
        WRITES.set(true);
        loop {
            let line = self.next();
            // If standard error is closed, the line is lost.
            out.write_all(&line).ok();
            let dropped = std::mem::take(&mut self.state().dropped);
            if dropped > 0 {
                warn!(
                    dropped,
                    "the log is not read fast enough: lines are missing here"
                );
            }
        }
    }

    /// The next line, after the previous one was written.
    fn next(&self) -> Vec<u8> {
        let mut state = self.state();
        loop {
            state.writing = false;
            if let Some(line) = state.lines.pop_front() {
                state.writing = true;
                return line;
            }
            self.0.changed.notify_all();
            state = self
                .0
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until everything is written, up to a limit.
    pub(super) fn flush(&self, limit: Duration) {
        let unfinished = |state: &mut State| state.writing || !state.lines.is_empty();
        // However it ends, nothing is left to do.
        drop(
            self.0
                .changed
                .wait_timeout_while(self.state(), limit, unfinished),
        );
    }
}

fn cut(line: &[u8]) -> Vec<u8> {
    match line.get(..LINE_LEN) {
        Some(kept) if line.len() > LINE_LEN => [kept, b"...\n"].concat(),
        _ => line.to_owned(),
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Entry<'a>;

    fn make_writer(&'a self) -> Entry<'a> {
        Entry(self)
    }
}

/// Takes one line, which arrives in one piece.
#[derive(Debug)]
pub(super) struct Entry<'a>(&'a Queue);

impl Write for Entry<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if WRITES.get() {
            return io::stderr().write(line);
        }
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let queue = Queue::default();
        for _ in 0..LINES + 3 {
            queue.push(b"a line\n");
        }
        assert_eq!(queue.state().lines.len(), LINES);
        assert_eq!(queue.state().dropped, 3);
        // Nothing is writing.
        queue.flush(Duration::from_millis(1));
        for _ in 0..LINES {
            assert_eq!(queue.next(), b"a line\n");
        }
        assert!(queue.state().writing);
    }

    #[test]
    fn a_long_line_is_cut() {
        assert_eq!(cut(b"short\n"), b"short\n");
        let long = cut(&[b'x'; 3 * LINE_LEN]);
        assert_eq!(long.len(), LINE_LEN + 4);
        assert!(long.ends_with(b"x...\n"));
    }
}
