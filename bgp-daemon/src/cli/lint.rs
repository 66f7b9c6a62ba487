//! `lint`: finds valid resources that are probably wrong.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::cluster::ClusterArgs;
use super::plan::source;
use crate::datastore::{DatastoreSpec, Settings};
use crate::lint::{Finding, lint};
use crate::resources::Severity;

/// Arguments of `lint`.
#[derive(Clone, Debug, Args)]
pub struct LintArgs {
    /// File or folder of resources; may be repeated [default: the datastore]
    #[arg(short, long = "filename", value_name = "PATH")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Table,
    /// One object
    Json,
}

#[derive(Serialize)]
struct Answer<'a> {
    findings: &'a [Finding],
}

/// Runs `lint`. Exits with code 1 if there is an error among the findings, and with 0 if there are only warnings.
///
/// # Errors
///
/// A path cannot be read.
pub fn execute(
    args: &LintArgs,
    datastore: Option<&DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let environment = args.cluster.environment();
    let loaded = match (&args.files[..], datastore) {
        ([], Some(spec)) => source::of_cluster(spec, &Settings::from_env(), &environment)?,
        ([], None) => bail!("nothing to look at: give -f PATH"),
        (files, _) => source::from_files(files)?,
    };
    let findings = lint(&loaded, &environment);
    match args.output {
        Output::Table => table(&findings, out)?,
        Output::Json => {
            let answer = Answer {
                findings: &findings,
            };
            let text = serde_json::to_string_pretty(&answer);
            writeln!(
                out,
                "{}",
                text.context("the findings cannot be printed as JSON")?
            )?;
        }
    }
    let is_error = |finding: &Finding| finding.severity == Severity::Error;
    Ok(match findings.iter().any(is_error) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn table(findings: &[Finding], out: &mut dyn Write) -> std::io::Result<()> {
    if findings.is_empty() {
        return writeln!(out, "nothing found");
    }
    for finding in findings {
        writeln!(out, "{finding}")?;
    }
    let is_error = |finding: &&Finding| finding.severity == Severity::Error;
    let errors = findings.iter().filter(is_error).count();
    let counted =
        |count: usize, what| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    writeln!(
        out,
        "\n{}, {}",
        counted(errors, "error"),
        counted(findings.len() - errors, "warning")
    )
}
