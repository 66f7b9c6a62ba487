//! The codec: BGP messages to octets and back. Knows nothing of sessions.
//!
//! Input: a byte stream per connection (a [`bytes::BytesMut`] that a reader fills) and a [`Context`] with the negotiated
//! properties. Output: [`Message`] values, or a [`MessageError`] that *is* the NOTIFICATION to send. A malformed attribute is not
//! an error: the parser applies RFC 7606, see [`Update`].

pub mod attribute;
pub mod capability;
mod context;
pub mod frame;
mod header;
mod message;
mod next_hop;
pub mod nlri;
pub mod notification;
pub mod open;
mod read;
pub mod route_refresh;
mod text;
pub mod update;
mod write;

pub use attribute::{AttributeView, Attributes};
pub use capability::{
    AddPathDirection, Capability, ExtraCapability, GracefulRestartFamily, InvalidCapability,
    LongLivedFamily,
};
pub use context::{Context, MAX_EXTENDED_MESSAGE_LEN, MAX_MESSAGE_LEN};
pub use frame::Frame;
pub use header::{HEADER_LEN, MessageType};
pub use message::Message;
pub use next_hop::NextHop;
pub use nlri::Nlri;
pub use notification::{ErrorCode, MessageError, Notification};
pub use open::Open;
pub use route_refresh::{RefreshKind, RouteRefresh};
pub use update::{Fault, OpaqueRoutes, Reachable, Update};
