//! The riskiest lines of a summary.

use std::fmt;

use super::change::RouteAction;
use super::default_route::{RouteDirection, is_default};
use super::risk::{Risk, RiskLine};
use super::summary::{KernelLine, ProblemLine, SessionLine, SettingLine, Summary};
use super::times::Times;
use crate::resources::{Problem, Severity};

impl Summary {
    /// Fills in the risks: all lines, the worst first, and within a kind the most frequent first.
    pub(super) fn find_risks(&mut self) {
        self.risks = lines(self);
    }

    /// Adds problems from reading the resources, and sets the locations of all problems.
    pub fn add_problems(
        &mut self,
        problems: impl IntoIterator<Item = Problem>,
        locate: impl Fn(Problem) -> Problem,
    ) {
        for line in &mut self.problems {
            line.problem = locate(line.problem.clone());
        }
        for problem in problems {
            let times = Times::default();
            self.totals.problems += 1;
            self.problems.push(ProblemLine { problem, times });
        }
        self.find_risks();
    }
}

fn lines(summary: &Summary) -> Vec<RiskLine> {
    let mut lines = Vec::new();
    let mut add = |risk, times: &Times, text: String| {
        let times = times.clone();
        lines.push(RiskLine { risk, text, times });
    };
    let cut_off = &summary.groups.cut_off;
    if cut_off.nodes > 0 {
        add(Risk::NodeCutOff, cut_off, "no session is left".into());
    }
    let sessions = &summary.sessions;
    for (risk, what, lines) in [
        (Risk::SessionRemoved, "end", &sessions.removed),
        (Risk::SessionRestarted, "start anew", &sessions.restarted),
        (Risk::SessionAdded, "are new", &sessions.added),
        (Risk::SessionChanged, "go on", &sessions.changed),
    ] {
        for line in lines {
            add(risk, &line.times, session_text(line, what));
        }
    }
    for line in &summary.routes {
        let (risk, what) = match line.change {
            RouteAction::Withdrawn if line.block => (Risk::BlockWithdrawn, "withdrawn"),
            RouteAction::Withdrawn => (Risk::RouteWithdrawn, "withdrawn"),
            RouteAction::Changed => (Risk::RouteChanged, "told with other attributes"),
            RouteAction::Announced => (Risk::RouteAnnounced, "announced"),
        };
        let risk = match is_default(line.prefix) {
            true => Risk::DefaultRoute,
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
            (RouteDirection::Import, true) => "is accepted from now on from",
            (RouteDirection::Import, false) => "is no longer accepted from",
            (RouteDirection::Export, true) => "may be announced from now on to",
            (RouteDirection::Export, false) => "may no longer be announced to",
        };
        let text = format!("{} {what} {}", line.prefix, line.from);
        add(Risk::DefaultRoute, &line.times, text);
    }
    for KernelLine { change, times } in &summary.kernel {
        let text = becoming(&change.prefix, &change.was, &change.becomes);
        add(Risk::Kernel, times, text);
    }
    for SettingLine { change, times } in &summary.settings {
        let text = becoming(&change.field, &change.was, &change.becomes);
        add(Risk::Setting, times, text);
    }
    for line in &summary.problems {
        let risk = match line.problem.severity {
            Severity::Error => Risk::NewError,
            Severity::Warning => Risk::NewWarning,
        };
        add(risk, &line.times, line.problem.to_string());
    }
    // Otherwise equal lines stay in the order of their kinds.
    lines.sort_by(|a, b| {
        let by_size = (b.times.times, b.times.nodes).cmp(&(a.times.times, a.times.nodes));
        a.risk.cmp(&b.risk).then(by_size)
    });
    lines
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
