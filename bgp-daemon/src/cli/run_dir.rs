//! The argument `--run-dir`, which several commands share.

use std::path::PathBuf;

use clap::Args;

use crate::control::client::DEFAULT_RUN_DIR;

/// Where the control sockets are.
#[derive(Clone, Debug, Args)]
pub struct RunDirArgs {
    /// Directory of the control sockets bird.ctl and bird6.ctl
    #[arg(long, env = "BGP_DAEMON_RUN_DIR", value_name = "DIR", default_value = DEFAULT_RUN_DIR)]
    pub run_dir: PathBuf,
}
