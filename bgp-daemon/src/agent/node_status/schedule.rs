//! The schedule of CalicoNodeStatus objects. Pure: time comes in as an argument.
//!
//! An object is due as soon as it is seen or its spec changes, and then once per period, measured from report to report. A failed
//! write is retried sooner. An unchanged status is not written again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::status::NodeStatus;
use crate::resources::{CalicoNodeStatusSpec, ResourceSet};

/// Delay of the retry after a failure, unless the period is shorter.
const RETRY: Duration = Duration::from_secs(10);

/// The objects of one node.
#[derive(Debug, Default)]
pub struct Schedule {
    objects: BTreeMap<String, Object>,
}

#[derive(Debug)]
struct Object {
    spec: CalicoNodeStatusSpec,
    due: Instant,
    written: Option<NodeStatus>,
    failing: bool,
}

impl Object {
    fn period(&self) -> Duration {
        Duration::from_secs(self.spec.update_period_seconds.into())
    }
}

impl Schedule {
    /// Takes over the objects of `node`. An object with a period of zero gets no report.
    pub fn follow(&mut self, resources: &ResourceSet, node: &str, now: Instant) {
        let wanted: BTreeMap<&str, &CalicoNodeStatusSpec> = resources
            .calico_node_statuses()
            .filter(|object| object.spec.node == node && object.spec.update_period_seconds > 0)
            .map(|object| (object.metadata.name.as_str(), &object.spec))
            .collect();
        self.objects
            .retain(|name, object| wanted.get(name.as_str()) == Some(&&object.spec));
        for (name, spec) in wanted {
            self.objects
                .entry(name.to_owned())
                .or_insert_with(|| Object {
                    spec: spec.clone(),
                    due: now,
                    written: None,
                    failing: false,
                });
        }
    }

    /// When the next object is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.objects.values().map(|object| object.due).min()
    }

    /// The objects that are due, with their specs.
    pub fn due(&self, now: Instant) -> Vec<(String, CalicoNodeStatusSpec)> {
        let due = self.objects.iter().filter(|(_, object)| object.due <= now);
        due.map(|(name, object)| (name.clone(), object.spec.clone()))
            .collect()
    }

    /// Whether `status` differs from that of the object.
    pub fn is_news(&self, name: &str, status: &NodeStatus) -> bool {
        let object = self.objects.get(name);
        object.is_some_and(|object| object.written.as_ref() != Some(status))
    }

    /// `status` was written to an object.
    pub fn written(&mut self, name: &str, status: NodeStatus, now: Instant) {
        if let Some(object) = self.objects.get_mut(name) {
            object.due = now + object.period();
            object.written = Some(status);
            object.failing = false;
        }
    }

    /// An object could not be written. Returns whether the previous attempt had succeeded.
    pub fn failed(&mut self, name: &str, now: Instant) -> bool {
        let Some(object) = self.objects.get_mut(name) else {
            return false;
        };
        object.due = now + object.period().min(RETRY);
        !std::mem::replace(&mut object.failing, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{StatusClass, parse};

    fn resources(objects: &[(&str, &str, u32)]) -> ResourceSet {
        let documents = objects.iter().map(|(name, node, period)| {
            format!(
                "{{apiVersion: projectcalico.org/v3, kind: CalicoNodeStatus, metadata: {{name: {name}}}, \
                 spec: {{node: {node}, classes: [BGP], updatePeriodSeconds: {period}}}}}\n"
            )
        });
        let parsed = parse("test.yaml", &documents.collect::<Vec<_>>().join("---\n"));
        assert_eq!(parsed.problems, []);
        ResourceSet::from_documents(parsed.documents).set
    }

    fn due(schedule: &Schedule, now: Instant) -> Vec<String> {
        schedule
            .due(now)
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    /// Promise 15.1.
    #[test]
    fn objects_of_this_node_are_due_at_once_and_then_once_in_each_period() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut schedule = Schedule::default();
        let objects = [("a", "me", 10), ("b", "me", 0), ("c", "another", 10)];
        schedule.follow(&resources(&objects), "me", start);
        assert_eq!(due(&schedule, start), ["a"]);
        schedule.written("a", NodeStatus::default(), start);
        assert_eq!(due(&schedule, after(9)), [] as [&str; 0]);
        assert_eq!(schedule.next_due(), Some(after(10)));
        assert_eq!(due(&schedule, after(10)), ["a"]);
        schedule.follow(&resources(&objects[1..]), "me", after(10));
        assert_eq!(schedule.next_due(), None);
    }

    /// Promise 15.1.
    #[test]
    fn another_wish_is_due_at_once_and_the_same_one_is_not() {
        let start = Instant::now();
        let mut schedule = Schedule::default();
        schedule.follow(&resources(&[("a", "me", 10)]), "me", start);
        schedule.written("a", NodeStatus::default(), start);
        schedule.follow(&resources(&[("a", "me", 10)]), "me", start);
        assert_eq!(due(&schedule, start), [] as [&str; 0]);
        schedule.follow(&resources(&[("a", "me", 20)]), "me", start);
        assert_eq!(due(&schedule, start), ["a"]);
    }

    /// Promises 15.1, 15.5.
    #[test]
    fn what_has_not_changed_is_no_news_and_a_failure_is_tried_again_sooner() {
        let start = Instant::now();
        let mut schedule = Schedule::default();
        schedule.follow(&resources(&[("a", "me", 3600)]), "me", start);
        let status = NodeStatus::default();
        assert!(schedule.is_news("a", &status));
        assert!(schedule.failed("a", start));
        assert!(!schedule.failed("a", start), "said before");
        assert!(schedule.is_news("a", &status));
        assert_eq!(schedule.next_due(), Some(start + RETRY));
        schedule.written("a", status.clone(), start);
        assert!(!schedule.is_news("a", &status));
        assert!(!schedule.is_news("gone", &status));
        assert_eq!(
            schedule.due(start + Duration::from_secs(3600))[0].1.classes,
            [StatusClass::BGP]
        );
    }
}
