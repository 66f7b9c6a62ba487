//! Codes of the known capabilities, and the size limit of a value.

pub(super) const MULTIPROTOCOL: u8 = 1;
pub(super) const ROUTE_REFRESH: u8 = 2;
pub(super) const EXTENDED_NEXT_HOP: u8 = 5;
pub(super) const EXTENDED_MESSAGE: u8 = 6;
pub(super) const ROLE: u8 = 9;
pub(super) const GRACEFUL_RESTART: u8 = 64;
pub(super) const FOUR_OCTET_AS: u8 = 65;
pub(super) const ADD_PATH: u8 = 69;
pub(super) const ENHANCED_ROUTE_REFRESH: u8 = 70;
pub(super) const LONG_LIVED_GRACEFUL_RESTART: u8 = 71;
pub(super) const FQDN: u8 = 73;
pub(super) const SOFTWARE_VERSION: u8 = 75;
pub(super) const KNOWN: [u8; 12] = [
    MULTIPROTOCOL,
    ROUTE_REFRESH,
    EXTENDED_NEXT_HOP,
    EXTENDED_MESSAGE,
    ROLE,
    GRACEFUL_RESTART,
    FOUR_OCTET_AS,
    ADD_PATH,
    ENHANCED_ROUTE_REFRESH,
    LONG_LIVED_GRACEFUL_RESTART,
    FQDN,
    SOFTWARE_VERSION,
];

/// Largest value of a capability, octets (RFC 5492 §4).
pub(super) const MAX_VALUE_LEN: usize = 255;
