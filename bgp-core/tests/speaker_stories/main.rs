//! Stories about a whole speaker with peers played by the test, octet by octet: behaviour that needs the codec, the session and
//! the RIB together. Tests cite requirements like those of a single session.

#[path = "../wire_support/mod.rs"]
mod wire_support;

mod node;
mod restart;
mod routes;
