//! Converts the agent's state to the values of [`model`](super::model).

mod bfd;
mod doctor;
mod explain;
mod problems;
mod readiness;
mod routes;
mod sessions;
mod status;

pub(super) use doctor::DoctorQuery;
pub(super) use explain::{ExplainQuery, explain};
pub(super) use problems::problems;
pub(super) use readiness::Ready;
pub(super) use routes::{RoutesQuery, entry, peer_named, routes, session_names};
pub(super) use sessions::{Known, kind, look, session, sessions};
pub(super) use status::status;
