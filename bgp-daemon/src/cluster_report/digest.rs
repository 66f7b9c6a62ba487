//! The Events for changes of sessions: shortly after the first change, and then less often the longer changes continue.
//! Simultaneous changes are reported together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Changes within this time after the first one are reported together: a failed router ends many sessions.
const TOGETHER: Duration = Duration::from_secs(1);
/// Time between two reports; doubled each time as long as changes continue.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(320);
/// Sessions with an Event of their own in one report; a greater number shares one.
const SINGLE: usize = 5;
/// Names listed in a shared Event.
const NAMES: usize = 10;

/// An Event to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// Whether it is a warning, rather than an all-clear.
    pub warning: bool,
    /// One word, such as `BGPSessionDown`.
    pub reason: &'static str,
    /// One sentence.
    pub message: String,
    /// The number of changes in it.
    pub count: u32,
}

/// Changes of sessions since the last report.
#[derive(Debug, Default)]
pub struct Digest {
    changed: BTreeMap<Arc<str>, Change>,
    /// Sessions that were reported as down.
    down: BTreeMap<Arc<str>, ()>,
    due: Option<Instant>,
    pause: Option<(Duration, Instant)>,
}

#[derive(Debug)]
struct Change {
    up: bool,
    text: String,
    count: u32,
}

impl Digest {
    /// A session came up or went down.
    pub fn note(&mut self, now: Instant, peer: &Arc<str>, up: bool, text: &str) {
        // The first time that a session comes up is not reported.
        let known = self.changed.contains_key(peer) || self.down.contains_key(peer);
        if up && !known {
            return;
        }
        let change = self.changed.entry(Arc::clone(peer)).or_insert(Change {
            up,
            text: String::new(),
            count: 0,
        });
        change.count += 1;
        change.up = up;
        // The reason of a failure matters more than the capabilities after the recovery.
        if !up || change.text.is_empty() {
            text.clone_into(&mut change.text);
        }
        let soon = now + TOGETHER;
        let paused = self.pause.map(|(_, until)| until);
        self.due
            .get_or_insert_with(|| paused.map_or(soon, |until| until.max(soon)));
    }

    /// When the next report is due.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The reports that are due now. Sessions that are no longer `configured` are left out: an operator removed them.
    pub fn take(&mut self, now: Instant, configured: impl Fn(&str) -> bool) -> Vec<Notice> {
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        self.due = None;
        let changed = std::mem::take(&mut self.changed);
        self.down.retain(|peer, ()| configured(peer));
        let mut down = Vec::new();
        let mut up = Vec::new();
        for (peer, change) in changed.into_iter().filter(|(peer, _)| configured(peer)) {
            if change.up {
                self.down.remove(&peer);
                up.push((peer, change));
            } else {
                self.down.insert(Arc::clone(&peer), ());
                down.push((peer, change));
            }
        }
        self.set_pause(now);
        let mut notices = told(true, "BGPSessionDown", "is down", &down);
        notices.extend(told(false, "BGPSessionUp", "is up again", &up));
        notices
    }

    fn set_pause(&mut self, now: Instant) {
        let pause = match self.pause {
            // It was quiet for as long as the pause.
            Some((pause, until)) if now < until + pause => (pause * 2).min(LONGEST_PAUSE),
            _ => PAUSE,
        };
        self.pause = Some((pause, now + pause));
    }
}

fn told(
    warning: bool,
    reason: &'static str,
    what: &str,
    sessions: &[(Arc<str>, Change)],
) -> Vec<Notice> {
    let notice = |message: String, count: u32| Notice {
        warning,
        reason,
        message,
        count,
    };
    if sessions.len() <= SINGLE {
        let single = sessions.iter().map(|(peer, change)| {
            let times = match change.count {
                0..=2 => String::new(),
                count => format!(" ({count} changes)"),
            };
            notice(
                format!("BGP session {peer} {what}: {}{times}", change.text),
                change.count,
            )
        });
        return single.collect();
    }
    let names: Vec<&str> = sessions
        .iter()
        .map(|(peer, _)| &**peer)
        .take(NAMES)
        .collect();
    let more = match sessions.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let count = sessions.iter().map(|(_, change)| change.count).sum();
    let text = sessions
        .first()
        .map_or("", |(_, change)| change.text.as_str());
    let verb = what.replace("is ", "are ");
    let message = format!(
        "{} BGP sessions {verb}: {}{more}; the first: {text}",
        sessions.len(),
        names.join(", ")
    );
    vec![notice(message, count)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(_: &str) -> bool {
        true
    }

    #[test]
    fn a_session_that_falls_and_comes_back_is_told_twice() {
        let (mut digest, start) = (Digest::default(), Instant::now());
        let tor: Arc<str> = "tor".into();
        digest.note(start, &tor, true, "established");
        assert_eq!(digest.due(), None, "the first time is no news");
        digest.note(start, &tor, false, "Hold timer expired");
        assert!(digest.take(start, all).is_empty());
        let later = start + TOGETHER;
        let notices = digest.take(later, all);
        assert_eq!(notices.len(), 1);
        assert_eq!(
            notices[0].message,
            "BGP session tor is down: Hold timer expired"
        );
        assert!(notices[0].warning);
        digest.note(later, &tor, true, "established with AS 65001");
        assert_eq!(digest.due(), Some(later + PAUSE));
        let notices = digest.take(later + PAUSE, all);
        assert_eq!(
            notices[0].message,
            "BGP session tor is up again: established with AS 65001"
        );
        assert!(!notices[0].warning);
    }

    #[test]
    fn who_flaps_all_day_is_told_ever_less_often() {
        let (mut digest, start) = (Digest::default(), Instant::now());
        let peer: Arc<str> = "tor".into();
        let day = 24 * 3600;
        let mut told = 0;
        for second in 0..day {
            let now = start + Duration::from_secs(second);
            digest.note(now, &peer, second % 2 == 1, "flap");
            told += digest.take(now, all).len();
        }
        let most = usize::try_from(day / LONGEST_PAUSE.as_secs()).expect("few") + 10;
        assert!(told <= most, "{told}");
        assert!(told > most / 2, "{told}");
        // After a quiet time, as at first.
        let quiet = start + Duration::from_secs(2 * day);
        digest.take(quiet, all);
        let later = quiet + 3 * LONGEST_PAUSE;
        digest.note(later, &peer, false, "down");
        assert_eq!(digest.due(), Some(later + TOGETHER));
    }

    #[test]
    fn a_router_that_takes_a_thousand_sessions_along_makes_one_event() {
        let (mut digest, now) = (Digest::default(), Instant::now());
        for number in 0..1000 {
            digest.note(
                now,
                &format!("peer{number:04}").into(),
                false,
                "Connection reset",
            );
        }
        let notices = digest.take(now + TOGETHER, |peer| peer != "peer0000");
        assert_eq!(notices.len(), 1);
        assert_eq!(notices[0].count, 999);
        let message = &notices[0].message;
        assert!(
            message.starts_with("999 BGP sessions are down: peer0001, "),
            "{message}"
        );
        assert!(
            message.ends_with("and 989 more; the first: Connection reset"),
            "{message}"
        );
    }
}
