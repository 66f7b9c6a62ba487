//! `show bfd sessions`, as BIRD 2 prints it.

use std::time::Duration;

use super::clock::Clock;
use crate::control::model::BfdSessionSnapshot;
use crate::control::reply::{Code, Reply};

/// The name of the protocol.
const NAME: &str = "bfd1";

/// Appends the whole reply; `sessions` are `None` if no peer is watched, and `protocol` is the one that was asked for.
pub fn render(
    reply: &mut Reply,
    clock: &Clock,
    protocol: Option<&str>,
    sessions: Option<&[BfdSessionSnapshot]>,
) {
    if let Some(other) = protocol.filter(|name| *name != NAME || sessions.is_none()) {
        return reply.end(
            Code::SYNTAX_ERROR,
            format_args!("{other}: Not a BFD protocol"),
        );
    }
    let Some(sessions) = sessions else {
        return reply.end(Code::SYNTAX_ERROR, "There is no BFD protocol running");
    };
    reply.line(Code::BFD_SESSION, format_args!("{NAME}:"));
    let heading = format_args!(
        "{:<25} {:<10} {:<10} {:<12}  {:>8} {:>8}",
        "IP address", "Interface", "State", "Since", "Interval", "Timeout"
    );
    reply.line(Code::BFD_SESSION, heading);
    for session in sessions {
        let watch = &session.watch;
        let row = format_args!(
            "{:<25} {:<10} {:<10} {:<12}  {:>7}  {:>7}",
            session.address.to_string(),
            session.interface.as_deref().unwrap_or("---"),
            watch.state.to_string(),
            watch
                .since
                .map_or_else(String::new, |since| clock.short_with_millis(since)),
            seconds(watch.interval),
            seconds(watch.timeout)
        );
        reply.line(Code::BFD_SESSION, row);
    }
    reply.end(Code::OK, "");
}

fn seconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}

#[cfg(test)]
mod tests {
    use bgp_core::bfd::State;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::control::model::BfdSnapshot;

    fn session(address: &str, interface: Option<&str>, state: State) -> BfdSessionSnapshot {
        BfdSessionSnapshot {
            address: address.parse().expect("an address"),
            interface: interface.map(Into::into),
            watch: BfdSnapshot {
                state,
                since: Some("2024-05-02T11:59:59.0427Z".parse().expect("a time")),
                diagnostic: None,
                multihop: interface.is_none(),
                interval: Duration::from_millis(300),
                timeout: Duration::from_micros(1_500_900),
                problem: None,
            },
        }
    }

    fn told(protocol: Option<&str>, sessions: Option<&[BfdSessionSnapshot]>) -> String {
        let clock = Clock {
            now: "2024-05-02T12:00:00Z".parse().expect("a time"),
            zone: TimeZone::UTC,
        };
        let mut reply = Reply::new();
        render(&mut reply, &clock, protocol, sessions);
        reply.take()
    }

    #[test]
    fn sessions_as_bird_2_prints_them() {
        let sessions = [
            session("192.0.2.1", Some("eth0"), State::Up),
            session("2001:db8::1", None, State::AdminDown),
        ];
        let expected = "1020-bfd1:\n \
             IP address                Interface  State      Since         Interval  Timeout\n \
             192.0.2.1                 eth0       Up         11:59:59.042    0.300    1.500\n \
             2001:db8::1               ---        AdminDown  11:59:59.042    0.300    1.500\n\
             0000 \n";
        assert_eq!(told(None, Some(&sessions)), expected);
        assert_eq!(told(Some("bfd1"), Some(&sessions)), expected);
    }

    #[test]
    fn errors_as_bird_2_prints_them() {
        assert_eq!(told(None, None), "9001 There is no BFD protocol running\n");
        let other = told(Some("device1"), Some(&[]));
        assert_eq!(other, "9001 device1: Not a BFD protocol\n");
    }
}
