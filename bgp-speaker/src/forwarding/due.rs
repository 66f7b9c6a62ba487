//! Pending kernel changes, in order of arrival. A prefix is listed once, and its route is decided when its turn comes.

use std::collections::{HashSet, VecDeque};

use foldhash::fast::RandomState;
use ipnet::IpNet;

/// One pending step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Write or remove the route to a prefix.
    Route(IpNet),
    /// Remove leftovers of the last run.
    FinishRecovery,
    /// The RIB has ended its deferral, and the kernel has all routes decided by then.
    DeferralEnded,
}

/// All pending steps.
#[derive(Debug, Default)]
pub(super) struct Due {
    steps: VecDeque<Step>,
    prefixes: HashSet<IpNet, RandomState>,
}

impl Due {
    /// Appends a step; a prefix that is already waiting keeps its place.
    pub(super) fn push(&mut self, step: Step) {
        let is_new = match step {
            Step::Route(prefix) => self.prefixes.insert(prefix),
            Step::FinishRecovery | Step::DeferralEnded => true,
        };
        if is_new {
            self.steps.push_back(step);
        }
    }

    /// The oldest step.
    pub(super) fn pop(&mut self) -> Option<Step> {
        let step = self.steps.pop_front()?;
        if let Step::Route(prefix) = &step {
            self.prefixes.remove(prefix);
        }
        if self.steps.is_empty() {
            // Frees the memory of a long list.
            *self = Self::default();
        }
        Some(step)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Extend<IpNet> for Due {
    fn extend<T: IntoIterator<Item = IpNet>>(&mut self, prefixes: T) {
        let steps = prefixes.into_iter().map(Step::Route);
        steps.for_each(|step| self.push(step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_waits_once_and_what_follows_comes_after_it() {
        let [a, b]: [IpNet; 2] =
            ["192.0.2.0/24", "2001:db8::/48"].map(|net| net.parse().expect("a prefix"));
        let mut due = Due::default();
        due.extend([a, b]);
        due.push(Step::FinishRecovery);
        due.extend([a]);
        let steps = Vec::from_iter(std::iter::from_fn(|| due.pop()));
        assert_eq!(
            steps,
            [Step::Route(a), Step::Route(b), Step::FinishRecovery]
        );
        due.extend([a]);
        assert_eq!(due.pop(), Some(Step::Route(a)));
        assert!(due.is_empty());
    }
}
