//! One connection to the peer, from the moment TCP is up: the states OpenSent, OpenConfirm and Established.
//!
//! Cuts and decodes what arrives, and checks whether a message may come in the present state at all. What a message then
//! leads to is decided in `fsm`, where the other connection is known too.

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
    /// Another connection was Established when this one came up.
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
    /// The OPEN, if it was one.
    pub(super) open: Option<Open>,
}

impl From<MessageError> for Unacceptable {
    fn from(error: MessageError) -> Self {
        Self { error, open: None }
    }
}

/// How far a connection has come, with what is known only from there on.
#[derive(Debug)]
pub(super) enum Progress {
    OpenSent,
    OpenConfirm(Arc<Negotiated>),
    Established {
        negotiated: Arc<Negotiated>,
        since: Instant,
        /// Families whose first End-of-RIB has not come from a peer that promised it with capability 64.
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

    /// What the OPENs agreed on, once both are there.
    pub(super) fn negotiated(&self) -> Option<&Arc<Negotiated>> {
        match &self.progress {
            Progress::OpenSent => None,
            Progress::OpenConfirm(negotiated) | Progress::Established { negotiated, .. } => {
                Some(negotiated)
            }
        }
    }

    /// The peer has sent its whole table.
    pub(super) fn finish(&mut self, family: Family) {
        if let Progress::Established { unfinished, .. } = &mut self.progress {
            unfinished[family] = false;
        }
    }

    /// Whether the peer's first table is still on its way.
    pub(super) fn is_unfinished(&self, family: Family) -> bool {
        matches!(&self.progress, Progress::Established { unfinished, .. } if unfinished[family])
    }

    /// What our routes at the peer outlive.
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

    /// Takes the next message off `input`; `None` when it is not complete yet.
    ///
    /// # Errors
    ///
    /// What ends this connection.
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

    /// Refuses what must not come in this state (RFC 6608 §4), before looking into it.
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

/// Where the type of a message is: the last octet of its header.
const TYPE_AT: usize = HEADER_LEN - 1;
