//! The list of endpoints.

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::answers::{DoctorQuery, ExplainQuery, RoutesQuery};
use super::context::Api;
use super::endpoint::{Answer, Endpoint, Scope, parameters, schema};
use super::error::ApiError;
use super::events::{self, EventsQuery};
use super::handlers;
use super::model::{Problems, Proposal, Proposed, Readiness, Routes, Session, Sessions, Status};
use super::openapi;
use super::proposals;
use crate::doctor::finding::Report;
use crate::explain::Explanation;

const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/livez",
        summary: "Whether the process works",
        description: "Answers 200 for as long as the process works, whatever its peers do.",
        query: None,
        answer: Answer::Text("text/plain"),
        summary_scope: true,
        handler: || get(handlers::livez),
    },
    Endpoint {
        path: "/readyz",
        summary: "Whether the speaker does its work",
        description: "200 once the resources are read and each family's routes are exchanged with all peers, or were waited for \
                      long enough; otherwise 503 and what is missing.",
        query: None,
        answer: Answer::Probe(schema::<Readiness>),
        summary_scope: true,
        handler: || get(handlers::readyz),
    },
    Endpoint {
        path: "/metrics",
        summary: "Metrics for Prometheus",
        description: "In the text format of Prometheus, or in OpenMetrics where the header Accept names that.",
        query: None,
        answer: Answer::Text("text/plain"),
        summary_scope: true,
        handler: || get(handlers::metrics),
    },
    Endpoint {
        path: "/v1/status",
        summary: "The speaker as a whole",
        description: "",
        query: None,
        answer: Answer::Json(schema::<Status>),
        summary_scope: true,
        handler: || get(handlers::status),
    },
    Endpoint {
        path: "/v1/sessions",
        summary: "All sessions",
        description: "",
        query: None,
        answer: Answer::Json(schema::<Sessions>),
        summary_scope: false,
        handler: || get(handlers::sessions),
    },
    Endpoint {
        path: "/v1/sessions/{name}",
        summary: "A session, by its name or the address of its peer",
        description: "",
        query: None,
        answer: Answer::Json(schema::<Session>),
        summary_scope: false,
        handler: || get(handlers::session),
    },
    Endpoint {
        path: "/v1/routes",
        summary: "Routes, a page at a time",
        description: "A route that changes between two pages may come twice or not at all.",
        query: Some(parameters::<RoutesQuery>),
        answer: Answer::Json(schema::<Routes>),
        summary_scope: false,
        handler: || get(handlers::routes),
    },
    Endpoint {
        path: "/v1/explain",
        summary: "Why a prefix is told to peers or not",
        description: "The whole way from the objects of the cluster to each peer and the kernel, as `bgp-daemon explain` prints it.",
        query: Some(parameters::<ExplainQuery>),
        answer: Answer::Json(schema::<Explanation>),
        summary_scope: false,
        handler: || get(handlers::explain),
    },
    Endpoint {
        path: "/v1/doctor",
        summary: "Why sessions are not up, or not well",
        description: "Looks at the sessions, the kernel, the network and the datastore, which takes up to some seconds; one examination \
                      at a time. The ids of findings do not change.",
        query: Some(parameters::<DoctorQuery>),
        answer: Answer::Json(schema::<Report>),
        summary_scope: false,
        handler: || get(handlers::doctor),
    },
    Endpoint {
        path: "/v1/problems",
        summary: "What is wrong at the moment",
        description: "",
        query: None,
        answer: Answer::Json(schema::<Problems>),
        summary_scope: false,
        handler: || get(handlers::problems),
    },
    Endpoint {
        path: "/v1/plan",
        summary: "What the speaker is to be",
        description: "The plan in force, as `bgp-daemon plan -o json` prints one.",
        query: None,
        answer: Answer::Json(schema::<serde_json::Map<String, serde_json::Value>>),
        summary_scope: false,
        handler: || get(handlers::plan),
    },
    Endpoint {
        path: "/v1/change",
        summary: "What other resources would change",
        description: "Compares the plan in force with that of the resources in the question, and changes nothing.",
        query: None,
        answer: Answer::ToBody {
            body: schema::<Proposal>,
            answer: schema::<Proposed>,
        },
        summary_scope: false,
        handler: || post(proposals::change),
    },
    Endpoint {
        path: "/v1/events",
        summary: "What happens, as it happens",
        description: "Server-sent events: `session`, `plan`, `problem`, with `routes` also `route`, and `lagged` if the client was \
                      too slow for some. Problems that last are told at the beginning.",
        query: Some(parameters::<EventsQuery>),
        answer: Answer::Text("text/event-stream"),
        summary_scope: false,
        handler: || get(events::events),
    },
    Endpoint {
        path: "/v1/openapi.json",
        summary: "This description",
        description: "",
        query: None,
        answer: Answer::Json(schema::<serde_json::Map<String, serde_json::Value>>),
        summary_scope: true,
        handler: || get(description),
    },
];

/// Serves the endpoints of a scope.
pub(super) fn router(api: Arc<Api>, scope: Scope) -> Router {
    let mut router = Router::new();
    let answered = |endpoint: &&Endpoint| scope == Scope::All || endpoint.summary_scope;
    for endpoint in ENDPOINTS.iter().filter(answered) {
        router = router.route(endpoint.path, (endpoint.handler)());
    }
    router
        .fallback(nothing_there)
        .method_not_allowed_fallback(only_reads)
        .with_state(api)
}

async fn nothing_there(uri: Uri) -> ApiError {
    ApiError::NotFound(format!(
        "there is nothing at {}: see /v1/openapi.json",
        uri.path()
    ))
}

async fn only_reads(uri: Uri) -> Response {
    let mut endpoints = ENDPOINTS.iter();
    let endpoint = endpoints.find(|endpoint| endpoint.path == uri.path());
    let (methods, reason) = match endpoint.map(|endpoint| &endpoint.answer) {
        Some(Answer::ToBody { .. }) => ("POST", "this question has a body: use POST"),
        _ => ("GET, HEAD", "this API only reads: use GET"),
    };
    let allow = (header::ALLOW, HeaderValue::from_static(methods));
    let error = ApiError::Unreadable(reason.into());
    let mut response = error.into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(allow.0, allow.1);
    response
}

/// The description of the API as an OpenAPI 3.1 document.
pub fn document() -> serde_json::Value {
    openapi::document(ENDPOINTS)
}

async fn description() -> Json<serde_json::Value> {
    Json(document())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lists_every_question_and_no_other() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md");
        let page = std::fs::read_to_string(page).expect("the page");
        let rows = page.lines().filter(|line| line.starts_with("| `"));
        let mut listed = Vec::new();
        for row in rows {
            let cells: Vec<&str> = row.split(" | ").collect();
            let questions = cells[0].split('`').filter(|text| text.contains(" /"));
            let over_tcp = cells[2].starts_with("yes");
            listed.extend(questions.map(|question| {
                let path = question.split('?').next().unwrap_or_default();
                (path.to_owned(), over_tcp)
            }));
        }
        let method = |endpoint: &Endpoint| match endpoint.answer {
            Answer::ToBody { .. } => "POST",
            Answer::Json(_) | Answer::Probe(_) | Answer::Text(_) => "GET",
        };
        let there = ENDPOINTS.iter().map(|endpoint| {
            let question = format!("{} {}", method(endpoint), endpoint.path);
            (question, endpoint.summary_scope)
        });
        assert_eq!(listed, there.collect::<Vec<_>>());
    }
}
