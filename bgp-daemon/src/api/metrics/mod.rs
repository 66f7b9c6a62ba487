//! `GET /metrics`: the text format of Prometheus, or OpenMetrics where the client asks for that.
//!
//! | module     | what it is                                                                       |
//! |------------|----------------------------------------------------------------------------------|
//! | [`config`] | which peers have series of their own, and other names for series                 |
//! | `gather`   | asks the speaker: a copy of plain values                                         |
//! | `families` | pure: these values as metrics                                                    |
//! | `bird`     | pure: the same under the names of bird_exporter                                  |
//! | `process`  | what the operating system knows of the process                                   |
//! | `text`     | pure: the two formats                                                            |
//!
//! Nothing is kept for metrics but a few counters in the sessions. There is never a series for each prefix.

mod bird;
pub mod config;
mod families;
mod gather;
mod process;
#[cfg(test)]
mod tests;
mod text;

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use self::config::{Aliases, MetricsConfig};
use self::gather::Scrape;
use self::text::{Form, Text};
use super::error::ApiError;
use crate::agent::View;

/// Octets of the samples of a session, about.
const OF_A_SESSION: usize = 3 << 10;

/// All metrics, in the form that the client wants.
pub(super) async fn answer(
    view: &View,
    config: MetricsConfig,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let scrape = Scrape::take(view, config).await;
    let wanted = headers.get_all(header::ACCEPT).iter();
    let is_open = |value: &header::HeaderValue| {
        let value = value.to_str().unwrap_or_default();
        value.contains("application/openmetrics-text")
    };
    let open = wanted.into_iter().any(is_open);
    // A thread of its own: a scrape of thousands of peers is milliseconds of work.
    let form = match open {
        true => Form::OpenMetrics,
        false => Form::Prometheus,
    };
    let written = tokio::task::spawn_blocking(move || write(&scrape, config, form)).await;
    let metrics = written.map_err(|_| ApiError::Unreadable("cannot write the metrics".into()))?;
    Ok(([(header::CONTENT_TYPE, form.media_type())], metrics).into_response())
}

fn write(scrape: &Scrape, config: MetricsConfig, form: Form) -> String {
    let mut to = Text::new(form, scrape.sessions.len() * OF_A_SESSION);
    families::write(scrape, &mut to);
    process::write(&mut to);
    match config.aliases {
        Some(Aliases::Bird) => bird::write(scrape, &mut to),
        None => {}
    }
    to.finish()
}
