use super::*;
use crate::wire::{Frame, Message};

fn received(octets: &'static [u8]) -> Notification {
    let mut message = BytesMut::new();
    write::message(&mut message, MessageType::NOTIFICATION, |out| {
        out.put_slice(octets)
    });
    Notification::decode(&message.freeze())
}

/// R4271-6.4-01: whatever a NOTIFICATION contains, reading it succeeds.
#[test]
fn r4271_6_4_01_unknown_codes_are_kept() {
    let odd = received(&[99, 7, 1, 2]);
    assert_eq!((odd.code, odd.subcode), (ErrorCode(99), 7));
    assert_eq!(odd.to_string(), "Unknown error 99.7 (0102)");
    assert_eq!(received(&[6, 99]).to_string(), "Cease, subcode 99");
}

#[test]
fn names_are_those_that_operators_know() {
    for (code, subcode, name) in [
        (2, 2, "Bad peer AS"),
        (4, 0, "Hold timer expired"),
        (6, 0, "Cease"),
        (6, 2, "Administrative shutdown"),
        (6, 3, "Peer de-configured"),
        (6, 7, "Connection collision resolution"),
    ] {
        assert_eq!(Notification::new(ErrorCode(code), subcode).name(), name);
    }
}

/// R9003-2-01.
#[test]
fn r9003_2_01_text_of_a_shutdown() {
    let sent = Notification::shutdown(cease::ADMIN_SHUTDOWN, "maintenance until 18:00");
    assert_eq!(sent.data[0], 23);
    assert_eq!(
        sent.shutdown_communication().as_deref(),
        Some("maintenance until 18:00")
    );
    assert_eq!(
        sent.to_string(),
        "Administrative shutdown (\"maintenance until 18:00\")"
    );
    let long = Notification::shutdown(cease::ADMIN_RESET, &"ä".repeat(200));
    assert_eq!(long.data.len(), 255, "254 octets, cut between characters");
    assert_eq!(long.shutdown_communication(), Some("ä".repeat(127)));
}

/// R9003-2-02, RP-15: bad text is shown as hex, control characters are escaped.
#[test]
fn r9003_2_02_odd_text_never_hurts() {
    let not_utf8 = received(&[6, 2, 2, 0xc3, 0x28]);
    assert_eq!(not_utf8.shutdown_communication(), None);
    assert_eq!(not_utf8.to_string(), "Administrative shutdown (02c328)");
    let too_short = received(&[6, 2, 9, b'a']);
    assert_eq!(too_short.shutdown_communication(), None);
    let trailing = received(&[6, 4, 1, b'a', b'b']);
    assert_eq!(trailing.shutdown_communication().as_deref(), Some("a"));
    assert_eq!(trailing.to_string(), "Administrative reset (016162)");
    let control = received(&[6, 2, 3, b'a', b'\n', 0x1b]);
    assert_eq!(
        control.to_string(),
        "Administrative shutdown (\"a\\n\\u{1b}\")"
    );
    assert_eq!(received(&[6, 2]).to_string(), "Administrative shutdown");
    assert_eq!(
        received(&[6, 3, 1, b'a']).shutdown_communication(),
        None,
        "only shutdown and reset carry a text"
    );
}

/// R8538-3.1-01, R8538-3.2-01.
#[test]
fn r8538_3_hard_reset_wraps_the_reason() {
    let reason = Notification::shutdown(cease::ADMIN_SHUTDOWN, "bye");
    let sent = reason.clone().into_hard_reset();
    assert!(sent.is_hard_reset());
    assert_eq!(&sent.data[..], [6, 2, 3, b'b', b'y', b'e']);
    assert_eq!(sent.hard_reset_reason(), Some(reason));
    assert_eq!(sent.shutdown_communication().as_deref(), Some("bye"));
    assert_eq!(
        sent.to_string(),
        "Hard reset (Administrative shutdown (\"bye\"))"
    );
    for odd in [&[6, 9][..], &[6, 9, 6], &[6, 9, 6, 9, 6, 9, 6, 9]] {
        let received = Notification::decode(&{
            let mut message = BytesMut::new();
            write::message(&mut message, MessageType::NOTIFICATION, |out| {
                out.put_slice(odd)
            });
            message.freeze()
        });
        assert!(received.is_hard_reset());
        assert!(received.to_string().starts_with("Hard reset"));
    }
}

/// R8654-5-01.
#[test]
fn r8654_5_01_data_is_cut_to_the_limit_of_the_peer() {
    let long = Notification::new(ErrorCode::UPDATE, 1).with_data(vec![7; 5000]);
    let mut out = BytesMut::new();
    Message::Notification(long.clone()).encode(&Context::default(), &mut out);
    assert_eq!(out.len(), 4096);
    let extended = Context {
        max_send_len: 65535,
        ..Context::default()
    };
    out.clear();
    Message::Notification(long.clone()).encode(&extended, &mut out);
    let frame = Frame {
        kind: MessageType::NOTIFICATION,
        bytes: out.freeze(),
    };
    assert_eq!(
        Message::decode(frame, &extended),
        Ok(Message::Notification(long))
    );
}
