//! The report as Markdown: a table for each scenario, with ratios.

use super::{Outcome, Report, ScenarioReport};
use crate::scenario::Measure;
use crate::subject::Subject;

pub(super) fn report(report: &Report) -> String {
    let machine = &report.machine;
    let mut lines = vec![
        format!("Command: `{}`", report.command),
        String::new(),
        format!(
            "Machine: {} x {}, Linux {}, load {}",
            machine.cpus, machine.model, machine.kernel, machine.load
        ),
        String::new(),
    ];
    lines.extend(
        report
            .versions
            .iter()
            .map(|(subject, version)| format!("- {}: {version}", subject.name())),
    );
    for scenario in &report.scenarios {
        lines.push(String::new());
        lines.extend(table(scenario));
    }
    lines.join("\n") + "\n"
}

pub(super) fn table(report: &ScenarioReport) -> Vec<String> {
    let done: Vec<Subject> = report
        .outcomes
        .iter()
        .filter(|(_, o)| is_done(o))
        .map(|(subject, _)| *subject)
        .collect();
    let names: Vec<&str> = done.iter().map(|subject| subject.name()).collect();
    let mut lines = vec![format!("### {}", report.title), String::new()];
    if !done.is_empty() {
        lines.push(format!("| | {} | ours / best | aim |", names.join(" | ")));
        lines.push(format!("|---|{}---|---|", "---:|".repeat(done.len())));
    }
    lines.extend(
        report
            .measures()
            .into_iter()
            .map(|measure| row(report, &done, measure)),
    );
    let others = report
        .outcomes
        .iter()
        .filter_map(|(subject, outcome)| match outcome {
            Outcome::Done { .. } => None,
            Outcome::Failed { reason } => Some(format!("- {}: failed: {reason}", subject.name())),
            Outcome::Skipped { reason } => Some(format!("- {}: skipped: {reason}", subject.name())),
        });
    let others: Vec<String> = others.collect();
    if !others.is_empty() {
        lines.push(String::new());
        lines.extend(others);
    }
    lines
}

fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done { .. })
}

fn row(report: &ScenarioReport, subjects: &[Subject], measure: Measure) -> String {
    let cell = |subject: &Subject| {
        report
            .value(*subject, measure)
            .map_or_else(String::new, |value| measure.show(value))
    };
    let cells: Vec<String> = subjects.iter().map(cell).collect();
    let ratio = report.ratio(measure);
    let ratio = ratio.map_or_else(String::new, |(best, ratio)| {
        format!("{ratio:.2} ({})", best.name())
    });
    let aim = report
        .scenario
        .aim(measure)
        .map_or_else(String::new, |aim| format!("{aim:.1}"));
    format!(
        "| {} | {} | {ratio} | {aim} |",
        measure.name(),
        cells.join(" | ")
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::plot;
    use crate::scenario::{Measures, Scenario};

    fn done(wall: f64) -> Outcome {
        Outcome::Done {
            measures: Measures::from([(Measure::Wall, wall)]),
        }
    }

    #[test]
    fn ratios_are_to_the_best_of_the_others_and_the_floor_is_none_of_them() {
        let report = ScenarioReport {
            scenario: Scenario::Transfer,
            title: "a table".to_owned(),
            outcomes: BTreeMap::from([
                (Subject::Own, done(1.0)),
                (Subject::Bird, done(2.0)),
                (Subject::Frr, done(4.0)),
                (
                    Subject::GoBgp,
                    Outcome::Failed {
                        reason: "no time".to_owned(),
                    },
                ),
                (
                    Subject::OpenBgpd,
                    Outcome::Skipped {
                        reason: "not installed".to_owned(),
                    },
                ),
                (Subject::Floor, done(0.1)),
            ]),
        };
        let expected = [
            "### a table",
            "",
            "| | bgp-daemon | BIRD | FRR | floor | ours / best | aim |",
            "|---|---:|---:|---:|---:|---|---|",
            "| wall | 1.00 s | 2.00 s | 4.00 s | 100.0 ms | 0.50 (BIRD) | 0.5 |",
            "",
            "- GoBGP: failed: no time",
            "- OpenBGPD: skipped: not installed",
        ];
        assert_eq!(table(&report), expected);
        let bars = plot::scenario(&report).matches("<rect").count();
        assert_eq!(bars, 1 + 4, "a background, and a bar for each that is done");
    }
}
