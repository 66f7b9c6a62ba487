//! The control sockets from outside: a real server in a temporary directory, an owner that answers from fixtures, and clients
//! that know only what BIRD's readers know.

mod fixtures;
mod grammar;
mod lifecycle;
mod limits;
mod node_status;
mod peer;
mod transcripts;
