//! Stories about the RIB as a whole, with peers that store what they are sent.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it expects"
)]

mod churn;
mod cost;
mod counters;
mod decision;
mod export;
mod import;
mod limits;
mod long_lived;
mod origination;
mod policy;
mod restart;
mod settings;
mod slices;
mod trace;
mod view;
mod watch;
mod world;
