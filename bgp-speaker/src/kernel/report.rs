//! Alarms about the kernel: netlink failures, refused routes, a missing capability.
//!
//! Refused routes are summed up by reason, with one example and a count, at most once in [`SUMMARY`]: a table of refused routes
//! makes one log line, not one for each route.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::capability;
use super::operation::Refusals;
use super::pace::LONGEST_PAUSE;
use super::route::InstallError;
use super::table::KernelTable;
use crate::alarms::Alarms;

/// The object of all of these alarms.
const OBJECT: &str = "kernel routes";
const OUT_OF_REACH: &str = "netlink";
const REFUSED: &str = "refused";
const OCCUPIED: &str = "occupied";
const CONTESTED: &str = "contested";
const CAPABILITY: &str = "capability";

/// Least time between summaries, and how long a refusal may last before it is reported.
const SUMMARY: Duration = Duration::from_secs(1);
/// How long the alarm about another program with our protocol number lasts after such a route was last seen.
const CONTEST: Duration = Duration::from_secs(60);
/// Reasons that a summary names.
const REASONS: usize = 3;

/// Raises the alarms.
#[derive(Debug)]
pub(super) struct Report {
    alarms: Alarms,
    due: Option<Instant>,
    /// Routes of another program with our protocol number: how many are known, and when the alarm ends.
    contest: (u64, Option<Instant>),
}

impl Report {
    pub(super) fn new(alarms: Alarms) -> Self {
        Self {
            alarms,
            due: None,
            contest: (0, None),
        }
    }

    /// Netlink failed.
    pub(super) fn out_of_reach(&self, error: &io::Error) {
        let reason = format!(
            "netlink fails ({error}): routes in the kernel stay as they are; its sockets are opened anew every {} s or sooner",
            LONGEST_PAUSE.as_secs()
        );
        self.alarms.raise(OUT_OF_REACH, OBJECT, &reason);
    }

    /// Netlink works.
    pub(super) fn within_reach(&self) {
        self.alarms.clear(OUT_OF_REACH, OBJECT);
    }

    /// Something to report may have changed.
    pub(super) fn ask(&mut self) {
        let soon = Instant::now() + SUMMARY;
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// When the next report is due.
    pub(super) fn due(&self) -> Instant {
        self.due.unwrap_or_else(|| Instant::now() + LONGEST_PAUSE)
    }

    /// Updates the alarms, if a report is due.
    pub(super) fn tell_if_due(&mut self, table: &KernelTable) {
        if self.due.is_none_or(|due| due > Instant::now()) {
            return;
        }
        self.due = None;
        self.tell_contest(table);
        let refusals = table.refusals().into_iter();
        let (occupied, mut refusals): (Refusals<'_>, Refusals<'_>) =
            refusals.partition(|(error, _)| matches!(error, InstallError::Occupied { .. }));
        let before = refusals.len();
        refusals.retain(|error, _| !is_for_want_of_a_right(error));
        let missing = refusals.len() < before || capability::is_missing();
        let wrong = "routes cannot be written to the kernel: the process needs the capability CAP_NET_ADMIN";
        self.alarms
            .set(CAPABILITY, OBJECT, missing.then_some(wrong));
        let summary = summary(&refusals);
        self.alarms.set(REFUSED, OBJECT, summary.as_deref());
        let in_the_way = self::summary(&occupied);
        self.alarms.set(OCCUPIED, OBJECT, in_the_way.as_deref());
    }

    /// Raises the alarm about another program with our protocol number, or clears it after a while.
    fn tell_contest(&mut self, table: &KernelTable) {
        let now = Instant::now();
        let (count, last) = table.intruders();
        if let Some(prefix) = last.filter(|_| count > self.contest.0) {
            let reason = format!(
                "another program writes routes with our protocol number, such as {prefix}; they are removed, or ours take their place"
            );
            self.alarms.raise(CONTESTED, OBJECT, &reason);
            self.contest = (count, Some(now + CONTEST));
        }
        match self.contest.1 {
            Some(until) if until <= now => {
                self.alarms.clear(CONTESTED, OBJECT);
                self.contest.1 = None;
            }
            until => self.due = until,
        }
    }
}

fn is_for_want_of_a_right(error: &InstallError) -> bool {
    matches!(error, InstallError::Refused { errno, .. } if [libc::EPERM, libc::EACCES].contains(errno))
}

/// The most frequent reasons as text.
fn summary(refusals: &Refusals<'_>) -> Option<String> {
    let mut reasons: Vec<_> = refusals.iter().collect();
    reasons.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let total: usize = reasons.iter().map(|(_, (count, _))| count).sum();
    let shown = reasons.iter().take(REASONS);
    let shown: Vec<String> = shown
        .map(|(error, (count, example))| match count {
            1 => format!("{example}: {error}"),
            _ => format!("{count} such as {example}: {error}"),
        })
        .collect();
    let more = match reasons.len().saturating_sub(REASONS) {
        0 => String::new(),
        more => format!("; and {more} more reasons"),
    };
    let subject = match total {
        0 => return None,
        1 => "one route is".to_owned(),
        _ => format!("{total} routes are"),
    };
    Some(format!(
        "{subject} not in the kernel ({}{more})",
        shown.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;

    use super::*;

    #[test]
    fn a_summary_names_the_most_frequent_reasons() {
        let errors = [101, 95, 22, 19].map(|errno| InstallError::Refused {
            errno,
            detail: None,
        });
        let prefix: IpNet = "10.1.0.0/26".parse().unwrap();
        let counts = [1, 4, 2, 1];
        let refusals: Refusals<'_> = errors
            .iter()
            .zip(counts.map(|count| (count, prefix)))
            .collect();
        assert_eq!(
            summary(&refusals).unwrap(),
            "8 routes are not in the kernel (4 such as 10.1.0.0/26: Operation not supported; \
             2 such as 10.1.0.0/26: Invalid argument; 10.1.0.0/26: No such device; and 1 more reasons)"
        );
        let one: Refusals<'_> = [(&errors[0], (1, prefix))].into();
        assert_eq!(
            summary(&one).unwrap(),
            "one route is not in the kernel (10.1.0.0/26: Network is unreachable)"
        );
        assert_eq!(summary(&Refusals::new()), None);
    }
}
