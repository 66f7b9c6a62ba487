//! The implementations of the fuzz targets, so that tests can replay the corpora without a fuzzer.
//!
//! A target accepts any octets and panics if a property is violated. It never reads a clock, a file or anything else that would
//! make the same input behave differently the next time.

mod bfd_input;
mod choices;
mod handover_input;
mod open_negotiation;
mod rib_operations;
mod session_input;
mod wire;

pub use bfd_input::bfd_input;
pub use handover_input::handover_input;
pub use open_negotiation::open_negotiation;
pub use rib_operations::rib_operations;
pub use session_input::session_input;
pub use wire::{decode_message, decode_stream, roundtrip};

/// The function of a target.
pub type Target = fn(&[u8]);

/// Every target with its name, which is that of its program and of its seed folder.
pub const TARGETS: [(&str, Target); 8] = [
    ("bfd_input", bfd_input),
    ("decode_message", decode_message),
    ("decode_stream", decode_stream),
    ("handover_input", handover_input),
    ("open_negotiation", open_negotiation),
    ("rib_operations", rib_operations),
    ("roundtrip", roundtrip),
    ("session_input", session_input),
];
