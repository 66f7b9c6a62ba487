//! Arguments of `plan`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::cluster::ClusterArgs;
use crate::cli::node_name::NodeArgs;
use crate::cli::run_dir::RunDirArgs;

/// Arguments of `plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub(super) node: NodeArgs,
    /// File or folder of resources; may be repeated [default: the datastore, if it is a file or folder]
    #[arg(short, long = "filename", value_name = "PATH")]
    pub(super) files: Vec<PathBuf>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Output,
    /// Ends with exit code 1 if an object, or something that it says, was left out
    #[arg(long)]
    pub(super) strict: bool,
    /// Says what would change: against the resources of a file or folder, which may be repeated, or against the running
    /// daemon of this node. Ends with exit code 2 if anything would
    #[arg(long, value_name = "PATH|running")]
    pub(super) against: Vec<PathBuf>,
    /// Of all nodes of the cluster, summed up, the riskiest lines first
    #[arg(long)]
    pub(super) all_nodes: bool,
    /// Ends with exit code 3 if that is too much, as in max-withdrawn=10%,max-restarts=1,default-route=never
    #[arg(long, value_name = "LIMITS")]
    pub(super) guard: Option<String>,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    #[command(flatten)]
    pub(super) run_dir: RunDirArgs,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Table,
    /// One object
    Json,
    /// The same object
    Yaml,
}
