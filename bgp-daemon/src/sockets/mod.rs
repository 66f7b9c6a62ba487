//! What the servers of this program share: socket files, and who has to go when there is no room for another client.

mod clients;
mod connect;
mod file;

pub(crate) use clients::{Awaited, ClientSlot, Clients};
pub(crate) use connect::connect;
pub use file::BindError;
pub(crate) use file::SocketFile;
