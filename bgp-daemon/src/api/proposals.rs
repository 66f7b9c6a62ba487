//! `POST /v1/change`: compares the plan in force with that of other resources; changes nothing. Answered by the daemon because
//! the whole plan includes passwords, which must not leave the daemon.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use bgp_speaker::tasks::work_aside;

use super::context::{Api, running};
use super::error::ApiError;
use super::model::{Proposal, Proposed};
use crate::agent::View;
use crate::outlook::{self, Change, Totals};
use crate::plan::{Plan, plan};
use crate::resources::{Loaded, ResourceSet, Severity, parse};

/// Limit of the size of a proposal, octets.
const PROPOSAL_LEN: usize = 16 << 20;
/// A client that does not send all of its proposal within this time gets an error, and the next one is read.
const READ_WITHIN: Duration = Duration::from_secs(3);

pub(super) async fn change(
    State(api): State<Arc<Api>>,
    body: Body,
) -> Result<Json<Proposed>, ApiError> {
    let room = api.proposals.read.acquire().await;
    let _room = room.map_err(|_| ApiError::NotRunning)?;
    let body = read(body).await?;
    let turn = api.proposals.compare.acquire().await;
    let _turn = turn.map_err(|_| ApiError::NotRunning)?;
    let proposal = serde_json::from_slice(&body);
    let proposal = proposal.map_err(|error| {
        // The text of the error could quote the resources, which may hold secrets.
        let (line, column) = (error.line(), error.column());
        ApiError::Unreadable(format!("expected resources at line {line} column {column}"))
    })?;
    let view = api.view();
    work_aside(|| compare(&view, &proposal)).map(Json)
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    let unreadable = |reason| ApiError::Unreadable(format!("the resources: {reason}"));
    match tokio::time::timeout(READ_WITHIN, to_bytes(body, PROPOSAL_LEN)).await {
        Ok(read) => read.map_err(|error| unreadable(error.to_string())),
        Err(_) => Err(unreadable(format!(
            "they did not come within {} s",
            READ_WITHIN.as_secs()
        ))),
    }
}

fn compare(view: &View, proposal: &Proposal) -> Result<Proposed, ApiError> {
    let mut old = Plan::clone(&running(view)?.plan);
    old.problems.clone_from(&view.problems);
    let loaded = parsed(proposal);
    let mut new = plan(&loaded.set, &view.node, &view.environment);
    let found = std::mem::take(&mut new.problems).into_iter();
    let found = found.map(|problem| loaded.located(problem));
    new.problems = found.chain(loaded.problems.iter().cloned()).collect();
    let change = Change::between(&old, &new);
    let json = serde_json::to_value(&change).ok();
    let serde_json::Value::Object(json) = json.unwrap_or_default() else {
        return Err(ApiError::Unreadable("the change cannot be told".into()));
    };
    Ok(Proposed {
        node: view.node.clone(),
        different: !change.is_empty(),
        change: json,
        totals: Totals::of(&change, |_| 1),
        table: outlook::table(&change, &view.node),
        left_out: new.problems.iter().any(|it| it.severity == Severity::Error),
    })
}

fn parsed(proposal: &Proposal) -> Loaded {
    let files = proposal.files.iter();
    let parsed: Vec<_> = files.map(|file| parse(&file.name, &file.text)).collect();
    let documents = parsed
        .iter()
        .flat_map(|parsed| parsed.documents.iter().cloned());
    let mut loaded = ResourceSet::from_documents(documents.collect::<Vec<_>>());
    let problems = parsed
        .iter()
        .flat_map(|parsed| parsed.problems.iter().cloned());
    loaded.problems = problems.chain(loaded.problems).collect();
    loaded
}
