//! `plan --against running`: asks the daemon of this node what other resources would change. The daemon compares, because its
//! plan holds secrets.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::api::client::Client;
use crate::api::model::{Proposal, Proposed, ProposedFile};
use crate::resources::{read_text, walk};

/// The effect of the resources of files and folders.
pub(super) fn ask(run_dir: &Path, files: &[PathBuf]) -> anyhow::Result<Proposed> {
    let mut proposal = Proposal::default();
    for path in files {
        let named = || format!("{} cannot be read", path.display());
        let below = walk(path).with_context(named)?;
        if let Some(problem) = below.problems.first() {
            bail!("{problem}");
        }
        for file in below.files {
            let named = || format!("{} cannot be read", file.display());
            let (text, _) = read_text(&file).with_context(named)?;
            let name = file.display().to_string();
            proposal.files.push(ProposedFile { name, text });
        }
    }
    Ok(Client::new(run_dir).post("/v1/change", &proposal)?)
}
