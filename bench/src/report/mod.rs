//! The results of all runs: as JSON, as a table in Markdown, and as a plot for each scenario.

mod plot;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::scenario::{Measure, Measures, Scenario, Size};
use crate::subject::Subject;

/// Everything that was measured, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The command line.
    pub(crate) command: String,
    /// How much work it was.
    pub(crate) size: Size,
    /// Where.
    pub(crate) machine: Machine,
    /// The version that each daemon prints.
    pub(crate) versions: BTreeMap<Subject, String>,
    /// In the order in which they ran.
    pub(crate) scenarios: Vec<ScenarioReport>,
}

/// The machine that everything ran on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// CPUs that can be used.
    pub(crate) cpus: usize,
    /// Their model.
    pub(crate) model: String,
    /// Release of the kernel.
    pub(crate) kernel: String,
    /// Load averages at the start, caused by other programs.
    pub(crate) load: String,
}

/// One scenario with all daemons.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ScenarioReport {
    /// Which.
    pub(crate) scenario: Scenario,
    /// What it is, for people.
    pub(crate) title: String,
    /// What came out.
    pub(crate) outcomes: BTreeMap<Subject, Outcome>,
}

/// What came out of one daemon in one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// Numbers.
    Done {
        /// By what they measure.
        measures: Measures,
    },
    /// Something went wrong.
    Failed {
        /// What.
        reason: String,
    },
    /// It was not tried.
    Skipped {
        /// Why.
        reason: String,
    },
}

impl Outcome {
    /// The median of each measure; a round that fails counts for all.
    pub(crate) fn median(rounds: Vec<Self>) -> Self {
        let mut values: BTreeMap<Measure, Vec<f64>> = BTreeMap::new();
        for round in rounds {
            match round {
                Self::Done { measures } => {
                    for (measure, value) in measures {
                        values.entry(measure).or_default().push(value);
                    }
                }
                other => return other,
            }
        }
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let measures = values
            .into_iter()
            .map(|(measure, values)| (measure, median(values)));
        Self::Done {
            measures: measures.collect(),
        }
    }
}

impl Machine {
    /// This one, now.
    pub(crate) fn this() -> Self {
        let read = |path: &str| {
            fs::read_to_string(path)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        let cpus = read("/proc/cpuinfo");
        let model = cpus
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        Self {
            cpus: std::thread::available_parallelism().map_or(1, Into::into),
            model: model
                .unwrap_or_default()
                .trim_start_matches([' ', '\t', ':'])
                .to_owned(),
            kernel: read("/proc/sys/kernel/osrelease"),
            load: read("/proc/loadavg")
                .split(' ')
                .take(3)
                .collect::<Vec<_>>()
                .join(" "),
        }
    }
}

impl ScenarioReport {
    /// Whether something went wrong with a daemon that is installed.
    pub(crate) fn has_failure(&self) -> bool {
        self.outcomes
            .values()
            .any(|outcome| matches!(outcome, Outcome::Failed { .. }))
    }

    /// A daemon's number.
    fn value(&self, subject: Subject, measure: Measure) -> Option<f64> {
        match self.outcomes.get(&subject)? {
            Outcome::Done { measures } => measures.get(&measure).copied(),
            Outcome::Failed { .. } | Outcome::Skipped { .. } => None,
        }
    }

    /// What was measured of any of them.
    fn measures(&self) -> Vec<Measure> {
        let done = self.outcomes.values().filter_map(|outcome| match outcome {
            Outcome::Done { measures } => Some(measures.keys().copied()),
            Outcome::Failed { .. } | Outcome::Skipped { .. } => None,
        });
        let mut all: Vec<Measure> = done.flatten().collect();
        all.sort();
        all.dedup();
        all
    }

    /// The best of the others, and how many times that ours is.
    fn ratio(&self, measure: Measure) -> Option<(Subject, f64)> {
        let rivals = self.outcomes.keys().filter(|subject| subject.is_rival());
        let values = rivals.filter_map(|subject| Some((*subject, self.value(*subject, measure)?)));
        let (best, value) = values.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let own = self.value(Subject::Own, measure)?;
        (value > 0.0).then_some((best, own / value))
    }
}

impl Report {
    /// The report as Markdown.
    pub(crate) fn table(&self) -> String {
        table::report(self)
    }

    /// Writes `results.json`, `results.md` and a plot for each scenario.
    pub(crate) fn write(&self, directory: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        fs::write(
            directory.join("results.json"),
            serde_json::to_string_pretty(self)? + "\n",
        )?;
        fs::write(directory.join("results.md"), self.table())?;
        for scenario in &self.scenarios {
            let file = directory.join(format!("{}.svg", scenario.scenario.name()));
            fs::write(file, plot::scenario(scenario))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(wall: f64) -> Outcome {
        Outcome::Done {
            measures: Measures::from([(Measure::Wall, wall)]),
        }
    }

    #[test]
    fn of_several_rounds_the_median_counts_and_a_failure_is_not_hidden() {
        assert_eq!(
            Outcome::median(vec![done(3.0), done(1.0), done(2.0)]),
            done(2.0)
        );
        let failed = Outcome::Failed {
            reason: "no time".to_owned(),
        };
        assert_eq!(
            Outcome::median(vec![done(1.0), failed.clone(), done(1.0)]),
            failed
        );
    }
}
