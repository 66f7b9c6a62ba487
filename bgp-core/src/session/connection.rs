//! One connection to the peer, once TCP is up: the states OpenSent, OpenConfirm and Established.
//!
//! Frames and decodes received octets, and checks whether a message is allowed in the present state. The effect of a message is
//! decided in `fsm`, which also knows the other connection.

use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;

use super::config::SessionConfig;
use super::ids::{ConnId, Direction, State};
use super::negotiate::{at_rest, expected_peer};
use super::negotiated::Negotiated;
use super::stop::Outlives;
use super::timers::Timers;
use crate::types::{Family, PerFamily};
use crate::wire::frame;
use crate::wire::{Context, ErrorCode, HEADER_LEN, Message, MessageError, MessageType, Open};

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnId,
    pub(super) direction: Direction,
    /// When TCP came up.
    pub(super) since: Instant,
    /// Another connection was Established at that time.
    pub(super) during_session: bool,
    pub(super) sent_open: Open,
    pub(super) progress: Progress,
    /// Hold, Keepalive and SendHold.
    pub(super) timers: Timers,
}

/// A message that ends the connection.
#[derive(Debug)]
pub(super) struct Unacceptable {
    pub(super) error: MessageError,
    /// The OPEN, if the message was one.
    pub(super) open: Option<Open>,
}

impl From<MessageError> for Unacceptable {
    fn from(error: MessageError) -> Self {
        Self { error, open: None }
    }
}

/// The state of a connection, with the values that exist from there on.
#[derive(Debug)]
pub(super) enum Progress {
    OpenSent,
    OpenConfirm(Arc<Negotiated>),
    Established {
        negotiated: Arc<Negotiated>,
        since: Instant,
        /// Families whose first End-of-RIB is missing, from a peer that promised it with capability 64.
        unfinished: PerFamily<bool>,
    },
}

impl Connection {
    pub(super) fn state(&self) -> State {
        match self.progress {
            Progress::OpenSent => State::OpenSent,
            Progress::OpenConfirm(_) => State::OpenConfirm,
            Progress::Established { .. } => State::Established,
        }
    }

    pub(super) fn is_established(&self) -> bool {
        self.state() == State::Established
    }

    /// The negotiated capabilities, once both OPENs were exchanged.
    pub(super) fn negotiated(&self) -> Option<&Arc<Negotiated>> {
        match &self.progress {
            Progress::OpenSent => None,
            Progress::OpenConfirm(negotiated) | Progress::Established { negotiated, .. } => {
                Some(negotiated)
            }
        }
    }

    /// Records the peer's first End-of-RIB.
    pub(super) fn finish(&mut self, family: Family) {
        if let Progress::Established { unfinished, .. } = &mut self.progress {
            unfinished[family] = false;
        }
    }

    /// Whether the peer's first End-of-RIB is missing.
    pub(super) fn is_unfinished(&self, family: Family) -> bool {
        matches!(&self.progress, Progress::Established { unfinished, .. } if unfinished[family])
    }

    /// Which ends of the session our routes survive at the peer.
    pub(super) fn routes_outlive(&self) -> Outlives {
        match self.negotiated() {
            None => Outlives::Loss,
            Some(negotiated) => match negotiated.graceful_restart {
                None => Outlives::Nothing,
                Some(peer) if peer.notification => Outlives::Notification,
                Some(_) => Outlives::Loss,
            },
        }
    }

    pub(super) fn context(&self) -> Context {
        self.negotiated()
            .map_or_else(Context::default, |negotiated| negotiated.context)
    }

    /// Splits the next message off `input`; `None` if it is incomplete.
    ///
    /// # Errors
    ///
    /// The error that ends this connection.
    pub(super) fn next_message(
        &self,
        config: &SessionConfig,
        input: &mut BytesMut,
    ) -> Result<Option<Message>, Unacceptable> {
        let context = self.context();
        let Some(frame) = frame::take(input, context.max_receive_len)? else {
            return Ok(None);
        };
        self.check_expected(frame.kind)?;
        let message = if frame.kind == MessageType::OPEN {
            let open = Open::decode(&frame.bytes, Some(expected_peer(config)));
            Message::Open(open.map_err(|error| Unacceptable {
                error,
                open: Open::glance(&frame.bytes).map(at_rest),
            })?)
        } else {
            Message::decode(frame, &context)?
        };
        Ok(Some(message))
    }

    /// Refuses a message that is not allowed in this state (RFC 6608 §4), before decoding it.
    fn check_expected(&self, kind: MessageType) -> Result<(), MessageError> {
        let (subcode, expected) = match self.progress {
            Progress::OpenSent => (1, kind == MessageType::OPEN),
            Progress::OpenConfirm(_) => (2, kind == MessageType::KEEPALIVE),
            Progress::Established { .. } => (3, kind != MessageType::OPEN),
        };
        if expected || kind == MessageType::NOTIFICATION {
            return Ok(());
        }
        let reason = "a message that may come in this state";
        Err(MessageError::new(ErrorCode::FSM, subcode, TYPE_AT, reason).with_data(&[kind.0]))
    }
}

/// Offset of the message type: the last octet of the header.
const TYPE_AT: usize = HEADER_LEN - 1;
