//! Error codes, and subcodes of Cease.

/// An error code (RFC 4271 §4.5 and its registry). Unknown values are preserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct ErrorCode(pub u8);

#[expect(missing_docs, reason = "the names are the registry's own")]
impl ErrorCode {
    pub const HEADER: Self = Self(1);
    pub const OPEN: Self = Self(2);
    pub const UPDATE: Self = Self(3);
    pub const HOLD_TIMER: Self = Self(4);
    pub const FSM: Self = Self(5);
    pub const CEASE: Self = Self(6);
    pub const ROUTE_REFRESH: Self = Self(7);
    pub const SEND_HOLD_TIMER: Self = Self(8);
}

/// Subcodes of [`ErrorCode::CEASE`] (RFC 4486, RFC 8538, RFC 9384).
#[expect(missing_docs, reason = "the names are the registry's own")]
pub mod cease {
    pub const MAX_PREFIXES: u8 = 1;
    pub const ADMIN_SHUTDOWN: u8 = 2;
    pub const PEER_DECONFIGURED: u8 = 3;
    pub const ADMIN_RESET: u8 = 4;
    pub const CONNECTION_REJECTED: u8 = 5;
    pub const OTHER_CONFIG_CHANGE: u8 = 6;
    pub const COLLISION: u8 = 7;
    pub const OUT_OF_RESOURCES: u8 = 8;
    pub const HARD_RESET: u8 = 9;
    pub const BFD_DOWN: u8 = 10;
}
