//! `explain`: why a prefix is advertised to a peer or not. The running daemon answers or, with files, this process. Any answer is
//! a success.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};

use super::cluster::ClusterArgs;
use super::node_name::NodeArgs;
use super::plan::{draw, source};
use super::run_dir::RunDirArgs;
use crate::api::client::{Client, ClientError};
use crate::explain::{Explanation, Target, offline, text};
use crate::plan::load_workloads;

/// Arguments of `explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// A prefix, or an address: then the prefix is meant that leads to it
    #[arg(value_name = "PREFIX|ADDRESS", value_parser = question)]
    target: String,
    /// Only this peer: name of a session, address, or name of a BGPPeer
    #[arg(long, value_name = "NAME|ADDRESS")]
    peer: Option<String>,
    /// File or folder of resources; may be repeated. Tells what would be announced by them, without a daemon
    #[arg(short, long = "filename", value_name = "PATH")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    run_dir: RunDirArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
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

/// Checks that a text is a valid question, and returns it unchanged.
fn question(text: &str) -> Result<String, crate::explain::QuestionError> {
    let text = text.trim();
    text.parse::<Target>().map(|_| text.to_owned())
}

/// Runs `explain`.
///
/// # Errors
///
/// The peer does not exist, the files cannot be read, or the daemon does not answer.
pub fn execute(args: &ExplainArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let explanation = match args.files.is_empty() {
        true => ask(args)?,
        false => from_files(args)?,
    };
    match args.output {
        Output::Text => write!(out, "{}", text(&explanation))?,
        Output::Json => {
            let json = serde_json::to_string_pretty(&explanation);
            writeln!(
                out,
                "{}",
                json.context("the answer cannot be printed as JSON")?
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the running daemon.
fn ask(args: &ExplainArgs) -> anyhow::Result<Explanation> {
    let peer = args.peer.as_deref().map(|peer| ("peer", peer));
    let parameters: Vec<(&str, &str)> = [("prefix", args.target.as_str())]
        .into_iter()
        .chain(peer)
        .collect();
    let client = Client::new(&args.run_dir.run_dir);
    client
        .get("/v1/explain", &parameters)
        .map_err(|error| match error {
            ClientError::NotRunning(_) => {
                anyhow!("{error}; `-f PATH --node NAME` tells what would be without a daemon")
            }
            error => error.into(),
        })
}

/// Answers from files.
fn from_files(args: &ExplainArgs) -> anyhow::Result<Explanation> {
    let node = args.node.name(|name| std::env::var(name).ok())?;
    let mut environment = args.cluster.environment();
    let loaded = source::from_files(&args.files)?;
    let (workloads, _) = load_workloads(Path::new(&environment.endpoint_status_dir()));
    environment.workloads = workloads;
    if args.output == Output::Text {
        // An object that was left out may be the missing one.
        draw(&loaded.problems)?;
    }
    let peer = args.peer.as_deref();
    Ok(offline(
        &loaded.set,
        &node,
        &environment,
        &args.target,
        peer,
    )?)
}
