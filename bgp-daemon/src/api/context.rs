//! The data behind answers, and the parsing of queries.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, watch};

use super::answers::Ready;
use super::error::ApiError;
use super::metrics::config::MetricsConfig;
use crate::agent::{RunningView, View};
use crate::doctor::online::Doctor;

/// Concurrent event streams of all clients.
const STREAMS: usize = 32;
/// Proposals read at a time, so that clients cannot fill the memory.
const PROPOSALS: usize = 4;

/// The data behind answers.
#[derive(Debug)]
pub(super) struct Api {
    views: watch::Receiver<Arc<View>>,
    pub(super) doctor: Doctor,
    pub(super) ready: Ready,
    pub(super) metrics: MetricsConfig,
    pub(super) streams: Arc<Semaphore>,
    pub(super) proposals: Proposals,
}

/// Permits to read and to compare proposals.
#[derive(Debug)]
pub(super) struct Proposals {
    pub(super) read: Semaphore,
    pub(super) compare: Semaphore,
}

impl Default for Proposals {
    fn default() -> Self {
        Self {
            read: Semaphore::new(PROPOSALS),
            compare: Semaphore::new(1),
        }
    }
}

impl Api {
    pub(super) fn new(
        views: watch::Receiver<Arc<View>>,
        doctor: Doctor,
        metrics: MetricsConfig,
    ) -> Self {
        Self {
            views,
            doctor,
            ready: Ready::default(),
            metrics,
            streams: Arc::new(Semaphore::new(STREAMS)),
            proposals: Proposals::default(),
        }
    }

    /// The agent's current view.
    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.views.borrow())
    }

    /// The agent's views, now and later.
    pub(super) fn views(&self) -> watch::Receiver<Arc<View>> {
        self.views.clone()
    }
}

/// The parameters of a query; parse errors are reported like other errors.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(asked)| Self(asked)).map_err(|rejection| {
            let text = rejection.body_text();
            // The text before it only says that there is a query.
            let reason = text
                .split_once(": ")
                .map_or(text.as_str(), |(_, reason)| reason);
            ApiError::Unreadable(reason.to_owned())
        })
    }
}

/// The speaker of a view.
pub(super) fn running(view: &View) -> Result<&RunningView, ApiError> {
    view.running.as_ref().ok_or(ApiError::NotRunning)
}
