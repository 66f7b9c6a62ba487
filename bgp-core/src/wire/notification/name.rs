//! Names of error codes and subcodes, as shown to operators.

use super::code::ErrorCode;

/// The registered name of a code with a subcode; for subcode 0, of the code alone.
pub(super) fn name(code: ErrorCode, subcode: u8) -> Option<&'static str> {
    let names: &[&str] = match code {
        ErrorCode::HEADER => &HEADER,
        ErrorCode::OPEN => &OPEN,
        ErrorCode::UPDATE => &UPDATE,
        ErrorCode::HOLD_TIMER => &["Hold timer expired"],
        ErrorCode::FSM => &FSM,
        ErrorCode::CEASE => &CEASE,
        ErrorCode::ROUTE_REFRESH => &ROUTE_REFRESH,
        ErrorCode::SEND_HOLD_TIMER => &["Send hold timer expired"],
        _ => return None,
    };
    let name = names.get(usize::from(subcode))?;
    (!name.is_empty()).then_some(name)
}

/// RFC 4271 §6.1. The subcode is the index in all of these tables; unassigned subcodes are empty.
const HEADER: [&str; 4] = [
    "Message header error",
    "Connection not synchronized",
    "Bad message length",
    "Bad message type",
];

/// RFC 4271 §6.2, RFC 5492 §5, RFC 9234 §4.2.
const OPEN: [&str; 12] = [
    "OPEN message error",
    "Unsupported version number",
    "Bad peer AS",
    "Bad BGP identifier",
    "Unsupported optional parameter",
    "Authentication failure",
    "Unacceptable hold time",
    "Unsupported capability",
    "",
    "",
    "",
    "Role mismatch",
];

/// RFC 4271 §6.3.
const UPDATE: [&str; 12] = [
    "UPDATE message error",
    "Malformed attribute list",
    "Unrecognized well-known attribute",
    "Missing well-known attribute",
    "Attribute flags error",
    "Attribute length error",
    "Invalid ORIGIN attribute",
    "AS routing loop",
    "Invalid NEXT_HOP attribute",
    "Optional attribute error",
    "Invalid network field",
    "Malformed AS_PATH",
];

/// RFC 6608 §3.
const FSM: [&str; 4] = [
    "Finite state machine error",
    "Unexpected message in OpenSent state",
    "Unexpected message in OpenConfirm state",
    "Unexpected message in Established state",
];

/// RFC 4486 §3, RFC 8538 §3, RFC 9384 §3.
const CEASE: [&str; 11] = [
    "Cease",
    "Maximum number of prefixes reached",
    "Administrative shutdown",
    "Peer de-configured",
    "Administrative reset",
    "Connection rejected",
    "Other configuration change",
    "Connection collision resolution",
    "Out of resources",
    "Hard reset",
    "BFD down",
];

/// RFC 7313 §5.
const ROUTE_REFRESH: [&str; 2] = ["ROUTE-REFRESH message error", "Invalid message length"];
