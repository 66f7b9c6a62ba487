//! The API's data, for tasks of this process.

use std::sync::Arc;

use tokio::sync::watch;

use super::answers;
use super::context::Api;
use super::model::{ProblemEntry, Readiness, Session, Status};
use crate::agent::View;

/// The API's data, for tasks of this process.
#[derive(Clone, Debug)]
pub struct Questions(Arc<Api>);

impl Questions {
    pub(super) fn new(api: Arc<Api>) -> Self {
        Self(api)
    }

    /// The agent's views, now and later.
    pub(crate) fn views(&self) -> watch::Receiver<Arc<View>> {
        self.0.views()
    }

    /// Whether the speaker is ready, as `/readyz` says.
    pub(crate) async fn readiness(&self) -> Readiness {
        self.0.ready.look(&self.0.view()).await
    }

    /// Returns once the table of routes has answered, or at once if there is no speaker.
    pub(crate) async fn table_answers(&self) {
        if let Some(running) = &self.0.view().running {
            // A speaker that has ended says so elsewhere.
            running.speaker.routes().look(|_| ()).await.ok();
        }
    }

    /// The status, all sessions, and all problems.
    pub(crate) async fn all(&self) -> (Status, Vec<Session>, Vec<ProblemEntry>) {
        let view = self.0.view();
        let sessions = match &view.running {
            Some(running) => answers::sessions(running).await,
            None => Vec::new(),
        };
        let status = answers::status(&view, &self.0.ready).await;
        (status, sessions, answers::problems(&view))
    }
}
