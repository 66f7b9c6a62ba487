//! Arguments that several commands have.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::datastore::DatastoreSpec;
use crate::log::COMMON;

/// Arguments that calicoctl takes with every command.
#[derive(Clone, Debug, Args)]
pub struct CompatibilityArgs {
    /// Accepted as calicoctl does; these commands do not ask for the version of the cluster
    #[arg(long, global = true, help_heading = COMMON)]
    allow_version_mismatch: bool,
    /// Accepted as calicoctl does; the Kubernetes context is taken from the environment
    #[arg(long, global = true, help_heading = COMMON)]
    context: Option<String>,
}

/// The level that calicoctl logs at. These commands log nothing.
#[derive(Clone, Debug, Args)]
pub struct LogLevelArgs {
    /// Accepted as calicoctl does; these commands log nothing
    #[arg(
        short,
        long,
        global = true,
        value_name = "LEVEL",
        default_value = "panic",
        help_heading = COMMON
    )]
    log_level: String,
}

const LOG_LEVELS: [&str; 6] = ["panic", "fatal", "error", "warn", "info", "debug"];

impl LogLevelArgs {
    /// Checks that calicoctl knows the level.
    ///
    /// # Errors
    ///
    /// The level is unknown.
    pub fn check(&self) -> anyhow::Result<()> {
        if LOG_LEVELS.contains(&self.log_level.as_str()) {
            return Ok(());
        }
        let (level, known) = (&self.log_level, LOG_LEVELS.join(", "));
        bail!("unknown log level: {level}, expected one of: {known}");
    }
}

/// A command of `bgp-daemon` that is also one of calicoctl.
#[derive(Clone, Debug, Args)]
pub struct WithCompatibility<A: Args> {
    /// Its own arguments.
    #[command(flatten)]
    pub args: A,
    #[command(flatten)]
    compatibility: CompatibilityArgs,
}

/// The datastore, for `calicoctl`.
#[derive(Clone, Debug, Args)]
pub struct DatastoreArgs {
    /// Where resources are: a folder or file of YAML or JSON documents, etcd, or kubernetes [default: as DATASTORE_TYPE says]
    #[arg(
        long,
        env = "BGP_DAEMON_DATASTORE",
        value_name = "SPEC",
        global = true,
        help_heading = COMMON
    )]
    pub datastore: Option<DatastoreSpec>,
}

/// The files with objects.
#[derive(Clone, Debug, Args)]
pub struct FileArgs {
    /// File, `-` for standard input, or folder whose .yaml, .yml and .json files are read; may be repeated
    #[arg(short, long = "filename", value_name = "FILENAME")]
    pub files: Vec<String>,
    /// Read the folders in folders too
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Nothing in a file or folder is no error
    #[arg(long)]
    pub skip_empty: bool,
}

/// The datastore and namespace of objects.
#[derive(Clone, Debug, Args)]
pub struct PlaceArgs {
    /// File that names the datastore, unless --datastore or the environment do [default: /etc/calico/calicoctl.cfg]
    #[arg(short, long, value_name = "CONFIG")]
    pub config: Option<PathBuf>,
    /// Namespace; none of the kinds here has one
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
}

/// Objects by kind and name.
#[derive(Clone, Debug, Args)]
pub struct NamedArgs {
    /// Kind, in any of its forms: bgppeer, bgppeers, bgpp, ...
    #[arg(required_unless_present = "files", conflicts_with = "files")]
    pub kind: Option<String>,
    /// Names
    pub names: Vec<String>,
}
