//! Which lines of a summary might hurt most.

use std::fmt;

use serde::Serialize;

use super::change::RouteAction;
use super::default_route::{Way, is_default};
use super::summary::{KernelLine, SessionLine, SettingLine, Summary, Times};
use crate::resources::Severity;

/// What kind of harm a line may do, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// A node has sessions no more.
    NodeCutOff,
    /// Sessions end for good.
    SessionRemoved,
    /// A default route comes or goes.
    DefaultRoute,
    /// A block of addresses of workloads is withdrawn.
    BlockWithdrawn,
    /// Another prefix is withdrawn.
    RouteWithdrawn,
    /// Sessions start anew.
    SessionRestarted,
    /// An object, or a part of it, is left out.
    NewError,
    /// Peers are told other attributes.
    RouteChanged,
    /// What is written into the kernel.
    Kernel,
    /// Settings of a speaker.
    Setting,
    /// Sessions are new.
    SessionAdded,
    /// A prefix is announced.
    RouteAnnounced,
    /// Sessions go on with other settings.
    SessionChanged,
    /// Something has no effect.
    NewWarning,
}

/// Something that might hurt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RiskLine {
    /// In which way.
    pub risk: Risk,
    /// What happens, for people.
    pub text: String,
    /// How often.
    #[serde(flatten)]
    pub times: Times,
}

impl Risk {
    /// All lines of a summary, the worst first, and of one kind those that happen most often.
    pub(super) fn lines(summary: &Summary) -> Vec<RiskLine> {
        let mut lines = Vec::new();
        let mut add = |risk, times: &Times, text: String| {
            let times = times.clone();
            lines.push(RiskLine { risk, text, times });
        };
        let cut_off = &summary.groups.cut_off;
        if cut_off.nodes > 0 {
            add(Self::NodeCutOff, cut_off, "no session is left".into());
        }
        let sessions = &summary.sessions;
        for (risk, what, lines) in [
            (Self::SessionRemoved, "end", &sessions.removed),
            (Self::SessionRestarted, "start anew", &sessions.restarted),
            (Self::SessionAdded, "are new", &sessions.added),
            (Self::SessionChanged, "go on", &sessions.changed),
        ] {
            for line in lines {
                add(risk, &line.times, session_text(line, what));
            }
        }
        for line in &summary.routes {
            let (risk, what) = match line.change {
                RouteAction::Withdrawn if line.block => (Self::BlockWithdrawn, "withdrawn"),
                RouteAction::Withdrawn => (Self::RouteWithdrawn, "withdrawn"),
                RouteAction::Changed => (Self::RouteChanged, "told with other attributes"),
                RouteAction::Announced => (Self::RouteAnnounced, "announced"),
            };
            let risk = match is_default(line.prefix) {
                true => Self::DefaultRoute,
                false => risk,
            };
            let block = if line.block { "block " } else { "" };
            add(
                risk,
                &line.times,
                format!("{block}{} is {what}", line.prefix),
            );
        }
        for line in &summary.default_routes {
            let what = match (line.direction, line.passes) {
                (Way::Import, true) => "is accepted from now on from",
                (Way::Import, false) => "is no longer accepted from",
                (Way::Export, true) => "may be announced from now on to",
                (Way::Export, false) => "may no longer be announced to",
            };
            let text = format!("{} {what} {}", line.prefix, line.from);
            add(Self::DefaultRoute, &line.times, text);
        }
        for KernelLine { change, times } in &summary.kernel {
            let text = becoming(&change.prefix, &change.was, &change.becomes);
            add(Self::Kernel, times, text);
        }
        for SettingLine { change, times } in &summary.settings {
            let text = becoming(&change.field, &change.was, &change.becomes);
            add(Self::Setting, times, text);
        }
        for line in &summary.problems {
            let risk = match line.problem.severity {
                Severity::Error => Self::NewError,
                Severity::Warning => Self::NewWarning,
            };
            add(risk, &line.times, line.problem.to_string());
        }
        // Lines that are otherwise equal stay in the order of their kinds.
        lines.sort_by(|a, b| {
            let by_size = (b.times.times, b.times.nodes).cmp(&(a.times.times, a.times.nodes));
            a.risk.cmp(&b.risk).then(by_size)
        });
        lines
    }
}

fn becoming(what: &dyn fmt::Display, was: &Option<String>, becomes: &Option<String>) -> String {
    let [was, becomes] = [was, becomes].map(|it| it.as_deref().unwrap_or("nothing"));
    format!("{what}: {was} -> {becomes}")
}

fn session_text(line: &SessionLine, what: &str) -> String {
    let from = match line.from.as_str() {
        "" => "nobody",
        from => from,
    };
    match line.because.as_slice() {
        [] => format!("sessions of {from} {what}"),
        because => format!("sessions of {from} {what}: {}", because.join(", ")),
    }
}
