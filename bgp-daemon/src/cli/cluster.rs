//! The argument `--standalone`, and the environment of a plan of which it is a part.

use clap::Args;
use clap::builder::FalseyValueParser;

use crate::plan::Environment;

/// Which kind of cluster this is.
#[derive(Clone, Debug, Default, Args)]
pub struct ClusterArgs {
    /// A cluster without Calico: the kinds of bgp-daemon.io are read, pod CIDRs announced, the mesh is off by default
    #[arg(long, env = "BGP_DAEMON_STANDALONE", value_parser = FalseyValueParser::new())]
    pub standalone: bool,
}

impl ClusterArgs {
    /// The environment of this process, in such a cluster.
    pub(super) fn environment(&self) -> Environment {
        Environment {
            standalone: self.standalone,
            ..Environment::from_env()
        }
    }
}
