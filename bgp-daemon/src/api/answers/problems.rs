//! Current problems.

use bgp_speaker::alarms::Alarm;

use crate::agent::View;
use crate::api::model::ProblemEntry;
use crate::resources::{Problem, Severity};

/// Problems of the resources, then active alarms.
pub(in crate::api) fn problems(view: &View) -> Vec<ProblemEntry> {
    let of_resources = view.problems.iter().map(of_resource);
    let alarms = view.all_alarms();
    of_resources.chain(alarms.iter().map(of_alarm)).collect()
}

fn of_resource(problem: &Problem) -> ProblemEntry {
    ProblemEntry {
        kind: "resource".into(),
        object: problem.object.clone(),
        severity: match problem.severity {
            Severity::Error => "error".into(),
            Severity::Warning => "warning".into(),
        },
        reason: problem.reason.clone(),
        field: problem.field.clone(),
        location: problem.location.as_ref().map(ToString::to_string),
    }
}

fn of_alarm(alarm: &Alarm) -> ProblemEntry {
    ProblemEntry {
        kind: alarm.kind.to_owned(),
        object: alarm.object.clone(),
        severity: "error".into(),
        reason: alarm.reason.to_string(),
        field: None,
        location: None,
    }
}
