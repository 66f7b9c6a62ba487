//! Which peers have series of their own, and other names for series.

use clap::ValueEnum;

/// Sessions of the mesh beyond which they are summed up, unless the operator says otherwise.
const MANY: usize = 100;

/// How metrics are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Of the sessions of the node-to-node mesh.
    pub mesh: MeshMetrics,
    /// Names of another program, beside our own.
    pub aliases: Option<Aliases>,
}

/// Whether each session of the node-to-node mesh has series of its own. In a full mesh, all nodes together have as many of these as
/// the square of the number of nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum MeshMetrics {
    /// Up to 100 sessions of the mesh have; more are summed up
    #[default]
    Auto,
    /// All sessions of the mesh are one: `peer="mesh"`
    Aggregate,
    /// Each has
    Each,
}

impl MeshMetrics {
    /// Whether so many sessions of the mesh are summed up.
    pub(super) fn sums_up(self, sessions: usize) -> bool {
        match self {
            Self::Auto => sessions > MANY,
            Self::Aggregate => true,
            Self::Each => false,
        }
    }
}

/// Names of another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Aliases {
    /// Those of bird_exporter with `-format.new`
    Bird,
}
