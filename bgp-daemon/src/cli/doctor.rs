//! `doctor`: why a session is down or degraded. The running daemon examines it; with `--preflight` the command examines the node
//! itself.

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::cluster::ClusterArgs;
use super::node_name::NodeArgs;
use super::run_dir::RunDirArgs;
use crate::api::client::{Client, ClientError};
use crate::datastore::{DatastoreSpec, DatastoreSpecError, Settings};
use crate::doctor::finding::Report;
use crate::doctor::preflight::Preflight;

/// Arguments of `doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// A session: its name, the address of its peer, or the name of its BGPPeer [default: all]
    #[arg(conflicts_with = "preflight")]
    peer: Option<String>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// Looks at this node before anything runs: ports, capabilities, kernel parameters, other speakers, the datastore
    #[arg(long)]
    preflight: bool,
    #[command(flatten)]
    run_dir: RunDirArgs,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// With --preflight: TCP port to listen on, instead of the one that the resources say
    #[arg(long, env = "BGP_DAEMON_LISTEN_PORT", value_name = "PORT")]
    listen_port: Option<u16>,
    /// With --preflight: the kernel's routes and interfaces are to be left alone
    #[arg(long, env = "BGP_DAEMON_NO_KERNEL", value_parser = FalseyValueParser::new())]
    no_kernel: bool,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Text,
    /// One object
    Json,
}

/// Runs `doctor`. Exits with code 1 if there is an error among the findings.
///
/// # Errors
///
/// No daemon can be asked, or the session is unknown.
pub fn execute(
    args: &DoctorArgs,
    datastore: Option<DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let report = match args.preflight {
        true => preflight(args, datastore)?,
        false => match ask(args) {
            Ok(report) => report,
            Err(error) => {
                let error = explained(&error);
                if args.output == Output::Json {
                    writeln!(out, "{}", json!({"findings": [], "error": error}))?;
                }
                bail!(error);
            }
        },
    };
    match args.output {
        Output::Text => write!(out, "{report}")?,
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
    }
    Ok(match report.has_error() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn ask(args: &DoctorArgs) -> Result<Report, ClientError> {
    let peer = args.peer.as_deref().map(|peer| ("peer", peer));
    let parameters: Vec<_> = peer.into_iter().collect();
    Client::new(&args.run_dir.run_dir).get("/v1/doctor", &parameters)
}

fn explained(error: &ClientError) -> String {
    match error {
        ClientError::NotRunning(_) => format!(
            "{error}; `bgp-daemon doctor --preflight` looks at the node before anything runs"
        ),
        _ => error.to_string(),
    }
}

fn preflight(args: &DoctorArgs, datastore: Option<DatastoreSpec>) -> anyhow::Result<Report> {
    let datastore = match DatastoreSpec::or_of_environment(datastore) {
        Ok(datastore) => Some(datastore),
        Err(DatastoreSpecError::Missing) => None,
        Err(error) => return Err(error.into()),
    };
    let resources = match datastore {
        Some(datastore) => Some((args.node.name(|name| std::env::var(name).ok())?, datastore)),
        None => None,
    };
    let preflight = Preflight {
        resources,
        settings: Settings::from_env(),
        environment: args.cluster.environment(),
        listen_port: args.listen_port,
        kernel: !args.no_kernel,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(preflight.examine());
    // A hanging file system is not awaited.
    runtime.shutdown_background();
    Ok(report)
}
