//! `GET /metrics`: the text format of Prometheus, or OpenMetrics where the client asks for that.
//!
//! | module     | what it is                                                                       |
//! |------------|----------------------------------------------------------------------------------|
//! | [`config`] | which peers have series of their own, and other names for series                 |
//! | `gather`   | asks the speaker: a copy of plain values                                         |
//! | `families` | pure: these values as metrics                                                    |
//! | `bird`     | pure: the same under the names of bird_exporter                                  |
//! | `process`  | what the operating system knows of the process                                   |
//! | `text`     | pure: from OpenMetrics to the text format of Prometheus                          |
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

use std::fmt;

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use self::config::{Aliases, MetricsConfig};
use self::gather::Scrape;
use super::error::ApiError;
use crate::agent::View;

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
    let written = tokio::task::spawn_blocking(move || write(scrape, config, form)).await;
    let written = written.ok().and_then(Result::ok);
    let metrics = written.ok_or_else(|| ApiError::Unreadable("cannot write the metrics".into()))?;
    Ok(([(header::CONTENT_TYPE, form.media_type())], metrics).into_response())
}

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    OpenMetrics,
    Prometheus,
}

impl Form {
    const fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

fn write(scrape: Scrape, config: MetricsConfig, form: Form) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(All { scrape, config }));
    let mut metrics = String::new();
    encode(&mut metrics, &registry)?;
    Ok(match form {
        Form::OpenMetrics => metrics,
        Form::Prometheus => text::prometheus(&metrics),
    })
}

#[derive(Debug)]
struct All {
    scrape: Scrape,
    config: MetricsConfig,
}

impl Collector for All {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        families::encode(&self.scrape, &mut encoder)?;
        process::encode(&mut encoder)?;
        match self.config.aliases {
            Some(Aliases::Bird) => bird::encode(&self.scrape, &mut encoder),
            None => Ok(()),
        }
    }
}
