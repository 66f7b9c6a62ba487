//! Observes the wire next to one speaker: decodes the messages to one neighbour, and tracks the routes that the neighbour must
//! hold.
//!
//! Finds messages that are forbidden in the present state, UPDATEs with faults, and redundant ones: a repeated route, or a
//! withdrawal of a route that was never sent (RFC 4271 §9.2).

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use ipnet::IpNet;

use super::naive::NaiveRoute;
use super::trace::Violation;
use crate::types::{Family, PerFamily};
use crate::wire::notification::cease;
use crate::wire::{Context, ErrorCode, Message, Notification, Update, frame};

/// The routes that a neighbour holds, by prefix and path identifier.
pub(super) type Told = BTreeMap<(IpNet, u32), NaiveRoute>;

/// The observer of one direction of a session.
#[derive(Debug, Default)]
pub(super) struct Tap {
    /// The neighbour's codec context; `None` while the session is not up.
    reader: Option<Context>,
    pub(super) told: Told,
    /// End-of-RIB markers in this session.
    pub(super) ends_of_rib: PerFamily<usize>,
    /// UPDATEs since the observer was attached.
    pub(super) updates: usize,
}

impl Tap {
    /// The session came up; `writer` is the speaker's codec context.
    pub(super) fn up(&mut self, writer: &Context) {
        let reader = Context {
            add_path_receive: writer.add_path_send,
            add_path_send: writer.add_path_receive,
            max_receive_len: writer.max_send_len,
            ..*writer
        };
        *self = Self {
            reader: Some(reader),
            updates: self.updates,
            ..Self::default()
        };
    }

    /// The session went down.
    pub(super) fn down(&mut self) {
        *self = Self {
            updates: self.updates,
            ..Self::default()
        };
    }

    /// Checks sent octets; returns a NOTIFICATION among them.
    pub(super) fn watch(&mut self, octets: &Bytes) -> Result<Option<Notification>, Violation> {
        let broken = |text: String| Violation::new("wire", text);
        let context = self.reader.unwrap_or_default();
        let mut rest = BytesMut::from(&octets[..]);
        let mut last_words = None;
        while let Some(frame) = frame::take(&mut rest, context.max_receive_len)
            .map_err(|error| broken(format!("{error:?} in {octets:?}")))?
        {
            if last_words.is_some() {
                return Err(broken("a message follows a NOTIFICATION".to_owned()));
            }
            let message = Message::decode(frame, &context)
                .map_err(|error| broken(format!("{error:?} in {octets:?}")))?;
            match message {
                Message::Update(update) if self.reader.is_some() => self.take(&update)?,
                Message::RouteRefresh(_) if self.reader.is_some() => {}
                Message::Update(_) | Message::RouteRefresh(_) => {
                    return Err(broken(format!("{message} outside Established")));
                }
                Message::Notification(notification) => last_words = Some(notification),
                Message::Open(_) | Message::Keepalive => {}
            }
        }
        if rest.is_empty() {
            Ok(last_words)
        } else {
            Err(broken(format!("half a message: {octets:?}")))
        }
    }

    fn take(&mut self, update: &Update) -> Result<(), Violation> {
        self.updates += 1;
        let needless = |what: &str, prefix: IpNet| {
            Violation::new("needless update", format!("{what} {prefix}: {update}"))
        };
        if !update.faults().is_empty() {
            return Err(Violation::new(
                "wire",
                format!("faults in our own {update}"),
            ));
        }
        if let Some(family) = update.end_of_rib() {
            self.ends_of_rib[family] += 1;
            return Ok(());
        }
        for (path_id, prefix) in update.unreachable().flat_map(|nlri| nlri.nets()) {
            if self.told.remove(&(prefix, path_id.0)).is_none() {
                return Err(needless("withdrawal of what was not told,", prefix));
            }
        }
        let attributes = update.attributes();
        for reachable in update.reachable() {
            let route = NaiveRoute::observed(&attributes, Some(reachable.next_hop));
            for (path_id, prefix) in reachable.nlri.nets() {
                if self
                    .told
                    .insert((prefix, path_id.0), route.clone())
                    .as_ref()
                    == Some(&route)
                {
                    return Err(needless("told again as it was,", prefix));
                }
            }
        }
        Ok(())
    }

    /// Whether exactly one End-of-RIB was sent in each of the families.
    pub(super) fn is_complete(&self, families: &[Family]) -> bool {
        families.iter().all(|family| self.ends_of_rib[*family] == 1)
    }
}

/// Whether a NOTIFICATION is allowed without faults: only that of the loser of a collision (RFC 4271 §6.8).
pub(super) fn is_harmless(notification: &Notification) -> bool {
    notification.code == ErrorCode::CEASE && notification.subcode == cease::COLLISION
}
