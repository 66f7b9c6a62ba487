//! `schema`: the JSON schema of a kind of document.

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use crate::schema;

/// Arguments of `schema`.
#[derive(Clone, Debug, Args)]
pub struct SchemaArgs {
    /// Kind, such as bgppeer; kubernetesnode is the Node of Kubernetes [default: all kinds in one schema]
    kind: Option<String>,
}

/// Runs `schema`.
///
/// # Errors
///
/// The kind is unknown.
pub fn execute(args: &SchemaArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let schema = match &args.kind {
        None => schema::of_all(),
        Some(kind) => {
            let asked = kind.to_lowercase();
            let Some((_, kind)) = schema::kinds().find(|(name, _)| *name == asked) else {
                let known: Vec<_> = schema::kinds().map(|(name, _)| name).collect();
                bail!("there is no kind {kind}, but {}", known.join(", "));
            };
            schema::of_kind(kind)
        }
    };
    writeln!(out, "{}", serde_json::to_string_pretty(&schema)?)?;
    Ok(ExitCode::SUCCESS)
}
