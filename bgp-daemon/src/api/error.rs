//! Errors of requests, as a status code and one sentence.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::model::ErrorAnswer;

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiError {
    /// The request is invalid.
    #[error("{parameter}: {reason}")]
    Wrong {
        /// A parameter of the query.
        parameter: String,
        /// The expected value.
        reason: String,
    },
    /// The request as a whole cannot be parsed.
    #[error("{0}")]
    Unreadable(String),
    /// The requested object does not exist.
    #[error("{0}")]
    NotFound(String),
    /// There is no plan for this node, or the speaker is ending.
    #[error("no speaker runs: there is no plan for this node yet, or the process ends")]
    NotRunning,
    /// The speaker does not answer in time.
    #[error("the speaker did not answer in time")]
    TimedOut,
    /// Too many event streams.
    #[error("too many clients follow events already")]
    Busy,
}

impl ApiError {
    pub(super) fn wrong(parameter: &str, reason: impl Into<String>) -> Self {
        Self::Wrong {
            parameter: parameter.to_owned(),
            reason: reason.into(),
        }
    }

    pub(super) fn no_session(name: &str) -> Self {
        Self::NotFound(format!("there is no session with name or address {name}"))
    }

    fn code(&self) -> StatusCode {
        match self {
            Self::Wrong { .. } | Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::NotRunning | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = self.to_string();
        (self.code(), Json(ErrorAnswer { error })).into_response()
    }
}
