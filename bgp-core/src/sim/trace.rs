//! The trace of a simulation: one hash and, if requested, readable lines.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::random::mix;

/// Lines kept.
const LINES: usize = 20_000;

/// The trace of a simulation.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    hash: u64,
    lines: Option<VecDeque<String>>,
}

impl Trace {
    /// With `record`, lines are kept, which takes time.
    pub(super) fn new(record: bool) -> Self {
        Self {
            hash: 0,
            lines: record.then(VecDeque::new),
        }
    }

    /// Adds numbers to the hash.
    pub(super) fn mix(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.hash = mix(self.hash.rotate_left(5) ^ number);
        }
    }

    /// Adds octets to the hash.
    pub(super) fn mix_octets(&mut self, octets: &[u8]) {
        for chunk in octets.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(&[u64::from_le_bytes(word)]);
        }
    }

    /// Adds a line, if lines are kept.
    pub(super) fn line(&mut self, at: Duration, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back(format!("{:12.6} {}", at.as_secs_f64(), text()));
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.iter().flatten().cloned().collect()
    }
}

/// A violation found by a checker.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) checker: &'static str,
    pub(super) text: String,
}

impl Violation {
    pub(super) fn new(checker: &'static str, text: impl fmt::Display) -> Self {
        Self {
            checker,
            text: text.to_string(),
        }
    }

    /// Adds where the violation occurred.
    pub(super) fn within(self, what: impl fmt::Display) -> Self {
        Self {
            text: format!("{what}: {}", self.text),
            ..self
        }
    }
}
