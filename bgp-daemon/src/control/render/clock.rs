//! Times in BIRD's formats.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Age in hours up to which the time of day is shown instead of the date.
const TIME_OF_DAY_LIMIT_HOURS: i64 = 20;

/// The time of a reply, and the time zone of its output.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The time.
    pub now: Timestamp,
    /// The time zone.
    pub zone: TimeZone,
}

impl Clock {
    /// The current time, in the time zone of this machine.
    pub fn system() -> Self {
        Self {
            now: Timestamp::now(),
            zone: TimeZone::system(),
        }
    }

    /// For columns: `HH:MM:SS` if less than 20 hours ago, otherwise `YYYY-MM-DD`.
    pub fn short(&self, time: Timestamp) -> String {
        self.time_of_day_or_date(time, "%H:%M:%S")
    }

    /// The same with milliseconds, as in BIRD 2: `HH:MM:SS.mmm`.
    pub fn short_with_millis(&self, time: Timestamp) -> String {
        self.time_of_day_or_date(time, "%H:%M:%S.%3f")
    }

    fn time_of_day_or_date(&self, time: Timestamp, time_of_day: &str) -> String {
        let age_secs = self.now.as_second() - time.as_second();
        match age_secs < TIME_OF_DAY_LIMIT_HOURS * 3600 {
            true => self.format(time, time_of_day),
            false => self.format(time, "%Y-%m-%d"),
        }
    }

    /// For text: `YYYY-MM-DD HH:MM:SS`.
    pub fn long(&self, time: Timestamp) -> String {
        self.format(time, "%Y-%m-%d %H:%M:%S")
    }

    fn format(&self, time: Timestamp, format: &str) -> String {
        time.to_zoned(self.zone.clone())
            .strftime(format)
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_turn_into_dates_after_twenty_hours() {
        let clock = Clock {
            now: "2024-05-02T12:00:00Z".parse().expect("a time"),
            zone: TimeZone::fixed(jiff::tz::offset(2)),
        };
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        assert_eq!(clock.short(at("2024-05-02T11:59:59Z")), "13:59:59");
        assert_eq!(clock.short(at("2024-05-01T16:00:01Z")), "18:00:01");
        assert_eq!(clock.short(at("2024-05-01T16:00:00Z")), "2024-05-01");
        assert_eq!(clock.short(at("2024-05-01T23:00:00Z")), "01:00:00");
        assert_eq!(
            clock.short(at("2024-05-02T12:00:05Z")),
            "14:00:05",
            "clock set back"
        );
        assert_eq!(
            clock.long(at("2024-04-30T23:00:00Z")),
            "2024-05-01 01:00:00"
        );
    }
}
