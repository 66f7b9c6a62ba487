//! The work that daemons are put through, one file for each kind.
//!
//! A scenario starts a daemon and the clients around it, waits until all sessions are up and quiet, and only then begins to
//! measure. The result is a number for each [`Measure`]; less is better in all of them.

mod fan_out;
mod idle;
mod lab;
mod latency;
mod reflect;
mod sizes;
mod start;
mod transfer;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::subject::Subject;

pub(crate) use sizes::{Size, Sizes};

/// One kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// All routes of one sender to one receiver.
    Transfer,
    /// The sender dies, all its routes are withdrawn.
    Withdraw,
    /// Ten senders of different routes, twenty more peers.
    FanOut,
    /// Ten senders of the same prefixes, twenty more peers.
    BestPath,
    /// A route reflector, all to all.
    Reflector,
    /// A larger one.
    LargeReflector,
    /// One new route on an idle daemon.
    Latency,
    /// One new route while others change.
    LatencyUnderChurn,
    /// Sessions on which nothing happens.
    Idle,
    /// From the start of the program to a session.
    Start,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measure {
    /// From the first octet sent to the last prefix received, seconds.
    Wall,
    /// CPU time of the daemon meanwhile, seconds.
    Cpu,
    /// Most memory that was resident, octets.
    PeakMemory,
    /// Memory that is resident, octets.
    Memory,
    /// The part of it that is not pages of files, such as the program itself; octets.
    Anonymous,
    /// Median latency, seconds.
    Median,
    /// Latency that one in a hundred exceeds, seconds.
    Percentile99,
    /// Share of one CPU.
    CpuShare,
    /// How often a thread woke up, in a second.
    Wakeups,
    /// Longest time without any message on a session where KEEPALIVEs are due every three seconds, seconds.
    Silence,
}

/// What came out, by measure.
pub(crate) type Measures = BTreeMap<Measure, f64>;

/// One daemon in one scenario.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The daemon.
    pub(crate) subject: Subject,
    /// Its program.
    pub(crate) program: PathBuf,
    /// How much work.
    pub(crate) sizes: Sizes,
    /// An empty directory.
    pub(crate) directory: PathBuf,
}

impl Scenario {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 10] = [
        Self::Transfer,
        Self::Withdraw,
        Self::FanOut,
        Self::BestPath,
        Self::Reflector,
        Self::LargeReflector,
        Self::Latency,
        Self::LatencyUnderChurn,
        Self::Idle,
        Self::Start,
    ];

    /// A word for files.
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// What happens, for people.
    pub(crate) fn title(self, sizes: &Sizes) -> String {
        let Sizes {
            routes,
            routes_per_sender,
            contested,
            clients,
            many_clients,
            churn,
            ..
        } = sizes;
        match self {
            Self::Transfer => format!("{routes} IPv4 routes, 1 sender to 1 receiver"),
            Self::Withdraw => {
                format!("the sender of {routes} routes dies: last withdrawal at the receiver")
            }
            Self::FanOut => {
                format!("10 senders x {routes_per_sender} routes, 20 more peers get all")
            }
            Self::BestPath => format!(
                "10 senders of the same {contested} prefixes, 20 more peers get the best paths"
            ),
            Self::Reflector => {
                format!("route reflector, {clients} clients x 64 routes, all to all")
            }
            Self::LargeReflector => {
                format!("route reflector, {many_clients} clients x 64 routes, all to all")
            }
            Self::Latency => "one new route, idle".to_owned(),
            Self::LatencyUnderChurn => format!("one new route while {churn} routes/s change"),
            Self::Idle => "10 idle sessions".to_owned(),
            Self::Start => "exec to Established with a waiting peer".to_owned(),
        }
    }

    /// The greatest ratio of ours to the best of the others that is good enough, at full size.
    pub(crate) fn aim(self, measure: Measure) -> Option<f64> {
        let aim = match (self, measure) {
            (Self::Transfer, Measure::Wall) => 0.5,
            (Self::Transfer, Measure::Cpu) => 0.7,
            (Self::Transfer, Measure::PeakMemory) => 0.8,
            (Self::Withdraw, Measure::Wall) => 0.5,
            (Self::FanOut, Measure::Wall | Measure::Cpu) => 0.1,
            (Self::BestPath, Measure::Wall | Measure::Cpu) => 0.2,
            (Self::Reflector, Measure::Wall) => 0.1,
            (Self::Reflector, Measure::Cpu) => 1.0,
            (Self::LargeReflector, Measure::Wall) => 0.1,
            (Self::LargeReflector, Measure::Cpu) => 0.8,
            (Self::LargeReflector, Measure::PeakMemory) => 1.5,
            (Self::Latency | Self::LatencyUnderChurn, Measure::Median | Measure::Percentile99) => {
                1.2
            }
            (Self::Idle, Measure::Memory) => 1.0,
            _ => return None,
        };
        Some(aim)
    }

    /// Does it, in a network that is already there.
    pub(crate) fn run(self, run: &Run) -> anyhow::Result<Measures> {
        match self {
            Self::Transfer => transfer::transfer(run),
            Self::Withdraw => transfer::withdraw(run),
            Self::FanOut => fan_out::fan_out(run),
            Self::BestPath => fan_out::best_path(run),
            Self::Reflector => reflect::reflect(run, run.sizes.clients),
            Self::LargeReflector => reflect::reflect(run, run.sizes.many_clients),
            Self::Latency => latency::idle(run),
            Self::LatencyUnderChurn => latency::under_churn(run),
            Self::Idle => idle::idle(run),
            Self::Start => start::start(run),
        }
    }
}

impl Measure {
    /// What it is, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "CPU",
            Self::PeakMemory => "peak memory",
            Self::Memory => "memory",
            Self::Anonymous => "of it anonymous",
            Self::Median => "p50",
            Self::Percentile99 => "p99",
            Self::CpuShare => "CPU share",
            Self::Wakeups => "wake-ups",
            Self::Silence => "silence",
        }
    }

    /// A value with its unit.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Wall | Self::Cpu | Self::Silence if value >= 1.0 => format!("{value:.2} s"),
            Self::Wall | Self::Cpu | Self::Silence => format!("{:.1} ms", value * 1e3),
            Self::PeakMemory | Self::Memory | Self::Anonymous => {
                format!("{:.1} MiB", value / f64::from(1 << 20))
            }
            Self::Median | Self::Percentile99 => format!("{:.3} ms", value * 1e3),
            Self::CpuShare => format!("{:.3} %", value * 1e2),
            Self::Wakeups => format!("{value:.1} /s"),
        }
    }
}
