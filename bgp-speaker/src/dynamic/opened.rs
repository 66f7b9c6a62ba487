//! Waits for the first message of a connection.

use bgp_core::wire::{
    Context, ErrorCode, MAX_MESSAGE_LEN, Message, MessageType, Notification, Open, frame,
};
use bytes::BytesMut;
use tokio::net::TcpStream;

/// Waits for an OPEN; returns it with all octets that were read.
///
/// # Errors
///
/// The NOTIFICATION to send to the peer, if any.
pub(super) async fn opened(stream: &TcpStream) -> Result<(Open, BytesMut), Option<Notification>> {
    let mut octets = BytesMut::with_capacity(usize::from(MAX_MESSAGE_LEN));
    loop {
        // The first message is complete, as its header says.
        let frame = frame::take(&mut octets.clone(), MAX_MESSAGE_LEN);
        let frame = frame.map_err(|error| error.answerable.then_some(error.notification))?;
        if let Some(frame) = frame {
            let kind = frame.kind;
            return match Message::decode(frame, &Context::default()) {
                Ok(Message::Open(open)) => Ok((open, octets)),
                Ok(Message::Notification(_)) => Err(None),
                // RFC 6608 §4.
                Ok(_) => Err(Some(unexpected(kind))),
                Err(error) => Err(error.answerable.then_some(error.notification)),
            };
        }
        stream.readable().await.map_err(|_| None)?;
        let room = octets.capacity() - octets.len();
        let mut scrap = [0; MAX_MESSAGE_LEN as usize];
        match stream.try_read(&mut scrap[..room.min(MAX_MESSAGE_LEN.into())]) {
            Ok(0) => return Err(None),
            Ok(count) => octets.extend_from_slice(&scrap[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(None),
        }
    }
}

fn unexpected(kind: MessageType) -> Notification {
    Notification::new(ErrorCode::FSM, 1).with_data(vec![kind.0])
}
