//! The handlers of endpoints.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::answers::{self, DoctorQuery, ExplainQuery, RoutesQuery};
use super::context::{Api, Asked, running};
use super::error::ApiError;
use super::metrics;
use super::model::{Problems, Readiness, Routes, Session, Sessions, Status};
use crate::doctor::finding::Report;
use crate::explain::Explanation;

pub(super) async fn livez() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(State(api): State<Arc<Api>>) -> (StatusCode, Json<Readiness>) {
    let readiness = api.ready.look(&api.view()).await;
    let code = match readiness.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(readiness))
}

pub(super) async fn metrics(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    metrics::answer(&api.view(), api.metrics, &headers).await
}

pub(super) async fn status(State(api): State<Arc<Api>>) -> Json<Status> {
    Json(answers::status(&api.view(), &api.ready).await)
}

pub(super) async fn sessions(State(api): State<Arc<Api>>) -> Result<Json<Sessions>, ApiError> {
    let view = api.view();
    let sessions = answers::sessions(running(&view)?).await;
    Ok(Json(Sessions { sessions }))
}

pub(super) async fn session(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<Session>, ApiError> {
    let view = api.view();
    let running = running(&view)?;
    let peer = answers::peer_named(running, &name)?;
    let session = answers::session(running, peer).await;
    session.map(Json).ok_or_else(|| ApiError::no_session(&name))
}

pub(super) async fn routes(
    State(api): State<Arc<Api>>,
    Asked(asked): Asked<RoutesQuery>,
) -> Result<Json<Routes>, ApiError> {
    let view = api.view();
    answers::routes(running(&view)?, &asked).await.map(Json)
}

pub(super) async fn explain(
    State(api): State<Arc<Api>>,
    Asked(asked): Asked<ExplainQuery>,
) -> Result<Json<Explanation>, ApiError> {
    answers::explain(&api.view(), &asked).await.map(Json)
}

pub(super) async fn doctor(
    State(api): State<Arc<Api>>,
    Asked(asked): Asked<DoctorQuery>,
) -> Result<Json<Report>, ApiError> {
    let report = api.doctor.examine(asked.peer.as_deref()).await;
    report
        .map(Json)
        .map_err(|error| ApiError::NotFound(error.to_string()))
}

pub(super) async fn problems(State(api): State<Arc<Api>>) -> Json<Problems> {
    let problems = answers::problems(&api.view());
    Json(Problems { problems })
}

pub(super) async fn plan(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    let view = api.view();
    Ok(Json(&*running(&view)?.plan).into_response())
}
