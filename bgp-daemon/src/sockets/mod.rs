//! Shared by the servers of this program: socket files, and the choice of the client to disconnect when there is no room for
//! another.

mod clients;
mod connect;
mod file;

pub(crate) use clients::{Awaited, ClientSlot, Clients};
pub(crate) use connect::connect;
pub use file::BindError;
pub(crate) use file::SocketFile;
