//! Measured times, for metrics. All other metrics are counted elsewhere and read on demand.

use std::sync::Arc;

use prometheus_client::metrics::histogram::Histogram;

/// Upper bounds of times, in seconds.
const SECONDS: [f64; 13] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// The meters of a process. Clones share them.
#[derive(Clone, Debug)]
pub struct Meters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    change_to_update: Histogram,
    plan: Histogram,
}

impl Default for Meters {
    fn default() -> Self {
        let times = || Histogram::new(SECONDS);
        Self(Arc::new(Inner {
            change_to_update: times(),
            plan: times(),
        }))
    }
}

impl Meters {
    /// Time from a change in the datastore until its UPDATEs have been handed to TCP.
    pub fn change_to_update(&self) -> &Histogram {
        &self.0.change_to_update
    }

    /// Time to make a plan from the resources.
    pub fn plan(&self) -> &Histogram {
        &self.0.plan
    }
}
