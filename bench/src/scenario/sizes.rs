//! The amount of work of each scenario.

use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How much of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Size {
    /// Seconds for everything: shows that the benchmark works, measures nothing.
    Smoke,
    /// Minutes.
    Small,
    /// What the aims are set for.
    Full,
}

/// The numbers of a size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Routes from one sender to one receiver.
    pub(crate) routes: u32,
    /// Routes of each of ten senders, all different.
    pub(crate) routes_per_sender: u32,
    /// Prefixes that ten senders compete for.
    pub(crate) contested: u32,
    /// Clients of the smaller route reflector.
    pub(crate) clients: u32,
    /// Clients of the larger one.
    pub(crate) many_clients: u32,
    /// Single routes for measuring the latency.
    pub(crate) probes: u32,
    /// The same while other routes change.
    pub(crate) probes_under_churn: u32,
    /// Routes that change in a second.
    pub(crate) churn: u32,
    /// How long they change, at least.
    pub(crate) churn_time: Duration,
    /// How long a daemon must have been silent before a measurement.
    pub(crate) quiet: Duration,
    /// How long idle daemons are watched.
    pub(crate) idle: Duration,
    /// Starts of each daemon.
    pub(crate) starts: u32,
    /// How long any single wait may take.
    pub(crate) patience: Duration,
}

impl Size {
    /// Its numbers.
    pub(crate) fn sizes(self) -> Sizes {
        match self {
            Self::Smoke => Sizes {
                routes: 5_000,
                routes_per_sender: 100,
                contested: 200,
                clients: 8,
                many_clients: 16,
                probes: 20,
                probes_under_churn: 20,
                churn: 2_000,
                churn_time: Duration::from_secs(1),
                quiet: Duration::from_millis(200),
                idle: Duration::from_secs(1),
                starts: 1,
                patience: Duration::from_secs(30),
            },
            Self::Small => Sizes {
                routes: 200_000,
                routes_per_sender: 5_000,
                contested: 10_000,
                clients: 100,
                many_clients: 250,
                probes: 300,
                probes_under_churn: 100,
                churn: 20_000,
                churn_time: Duration::from_secs(10),
                quiet: Duration::from_millis(2000),
                idle: Duration::from_secs(5),
                starts: 1,
                patience: Duration::from_secs(60),
            },
            Self::Full => Sizes {
                routes: 1_000_000,
                routes_per_sender: 100_000,
                contested: 200_000,
                clients: 250,
                many_clients: 1_000,
                probes: 2_000,
                probes_under_churn: 1_000,
                churn: 20_000,
                churn_time: Duration::from_secs(20),
                quiet: Duration::from_millis(3000),
                idle: Duration::from_secs(30),
                starts: 3,
                patience: Duration::from_secs(300),
            },
        }
    }
}
