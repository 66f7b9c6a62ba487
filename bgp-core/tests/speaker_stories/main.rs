//! Stories of a whole speaker whose peers are played by the test, octet by octet: what the codec, the session and the RIB
//! only do right together. Tests cite requirements as those of one session do.

#[path = "../wire_support/mod.rs"]
mod wire_support;

mod node;
mod restart;
mod routes;
