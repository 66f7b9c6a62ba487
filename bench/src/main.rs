//! Runs this project's daemon and the installed BGP daemons through the same work, each in the same run on the same machine, and
//! compares them.
//!
//! | module      | what it is                                                             |
//! |-------------|------------------------------------------------------------------------|
//! | `traffic`   | routes to announce, encoded ahead of time, the same in every run       |
//! | `client`    | the other side of all sessions: sends, counts what arrives             |
//! | `subject`   | the daemons: configured for the same work, started, ended              |
//! | `forwarder` | the floor: forwards bytes                                              |
//! | `scenario`  | the work                                                               |
//! | `cell`      | one daemon in one scenario, in a process and namespace of its own      |
//! | `report`    | JSON, tables, plots                                                    |
//!
//! It touches only network namespaces and processes that it creates.

mod cell;
mod client;
mod forwarder;
mod network;
mod report;
mod scenario;
mod subject;
mod usage;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use report::{Machine, Outcome, Report, ScenarioReport};
use scenario::{Scenario, Size};
use subject::{Programs, Subject};

/// Compares BGP daemons at the same work
#[derive(Debug, Parser)]
#[command(name = "bgp-bench", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    args: CompareArgs,
}

/// What this program starts itself for.
#[derive(Debug, Subcommand)]
enum Part {
    /// One daemon in one scenario, in a network namespace that is its own
    #[command(hide = true)]
    Cell(cell::CellArgs),
    /// The floor
    #[command(hide = true)]
    Forward {
        /// Connects to this peer
        #[arg(long)]
        dial: Option<Ipv4Addr>,
    },
}

#[derive(Clone, Debug, Args)]
struct CompareArgs {
    /// How much work
    #[arg(long, default_value = "small")]
    size: Size,
    /// The same as --size smoke
    #[arg(long, conflicts_with_all = ["size", "full"])]
    smoke: bool,
    /// The same as --size full
    #[arg(long, conflicts_with = "size")]
    full: bool,
    /// Only these scenarios
    #[arg(long, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Only these daemons
    #[arg(long, value_delimiter = ',')]
    subjects: Vec<Subject>,
    /// How often each is done; the report has the medians
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// This project's daemon; by default the one beside this program
    #[arg(long, value_name = "PROGRAM")]
    daemon: Option<PathBuf>,
    /// Where results go
    #[arg(long, value_name = "DIRECTORY", default_value = "target/bench-peers")]
    out: PathBuf,
    /// Fails if a daemon that is installed failed in any scenario
    #[arg(long)]
    strict: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match cli.part {
        Some(Part::Cell(args)) => cell::execute(&args)?,
        Some(Part::Forward { dial }) => forwarder::run(dial)?,
        None => return compare(&cli.args),
    }
    Ok(ExitCode::SUCCESS)
}

fn compare(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    raise_descriptor_limit()?;
    let bench = std::env::current_exe().context("the path of this program")?;
    let daemon = args
        .daemon
        .clone()
        .unwrap_or_else(|| bench.with_file_name("bgp-daemon"));
    let programs = Programs {
        bench,
        daemon: std::path::absolute(daemon)?,
    };
    let size = match (args.smoke, args.full) {
        (true, _) => Size::Smoke,
        (_, true) => Size::Full,
        _ => args.size,
    };
    let subjects = some_or_all(&args.subjects, &Subject::ALL);
    let versions = subjects
        .iter()
        .filter_map(|subject| Some((*subject, subject.version(&programs)?)));
    let mut report = Report {
        command: std::env::args().collect::<Vec<_>>().join(" "),
        size,
        machine: Machine::this(),
        versions: versions.collect(),
        scenarios: Vec::new(),
    };
    for scenario in some_or_all(&args.only, &Scenario::ALL) {
        report
            .scenarios
            .push(run(scenario, &subjects, (size, args.rounds), &programs)?);
    }
    report.write(&args.out)?;
    writeln!(
        io::stdout(),
        "\n{}\nPlots and JSON: {}",
        report.table(),
        args.out.display()
    )?;
    let failed = args.strict && report.scenarios.iter().any(ScenarioReport::has_failure);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn some_or_all<T: Copy>(some: &[T], all: &[T]) -> Vec<T> {
    if some.is_empty() {
        all.to_vec()
    } else {
        some.to_vec()
    }
}

/// Runs one daemon after the other, round by round, and reports progress on standard error.
fn run(
    scenario: Scenario,
    subjects: &[Subject],
    (size, rounds): (Size, u32),
    programs: &Programs,
) -> anyhow::Result<ScenarioReport> {
    let title = scenario.title(&size.sizes());
    writeln!(io::stderr(), "{title}")?;
    let mut outcomes: BTreeMap<Subject, Vec<Outcome>> = BTreeMap::new();
    for _ in 0..rounds {
        for subject in subjects {
            let outcome = cell::spawn(scenario, *subject, size, programs);
            writeln!(
                io::stderr(),
                "  {:<12}{}",
                subject.name(),
                summary(&outcome)
            )?;
            outcomes.entry(*subject).or_default().push(outcome);
        }
    }
    let outcomes = outcomes
        .into_iter()
        .map(|(subject, rounds)| (subject, Outcome::median(rounds)));
    Ok(ScenarioReport {
        scenario,
        title,
        outcomes: outcomes.collect(),
    })
}

fn summary(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { measures } => {
            let shown = measures
                .iter()
                .map(|(measure, value)| format!("{} {}", measure.name(), measure.show(*value)));
            shown.collect::<Vec<_>>().join(", ")
        }
        Outcome::Failed { reason } => format!("failed: {reason}"),
        Outcome::Skipped { reason } => format!("skipped: {reason}"),
    }
}

/// A thousand sessions take more than the usual limit; daemons inherit it.
fn raise_descriptor_limit() -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )
    .context("the limit of open files")
}
