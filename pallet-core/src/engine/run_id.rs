//! Names of runs.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The name of a run: the time at which it began, in UTC, a finer part of that time, and a random
/// one: `20261121T093015Z-5f1c09a2`. Names sort by time.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    /// A name for a run that begins now.
    #[must_use]
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut random = [0_u8; 2];
        if getrandom::fill(&mut random).is_err() {
            // Uniqueness on one machine is enough then.
            let [.., high, low] = std::process::id().to_be_bytes();
            random = [high, low];
        }
        Self::at(now, u16::from_be_bytes(random))
    }

    fn at(time: Duration, random: u16) -> Self {
        // In parts of which a second has 65,536: which of two runs is the latest has to be clear
        // even where one follows the other at once.
        let part = (u64::from(time.subsec_nanos()) << 16) / 1_000_000_000;
        Self(format!("{}-{part:04x}{random:04x}", basic_utc(time.as_secs())))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the run began, for people: `2026-11-21 09:30:15 UTC`.
    pub fn began(&self) -> String {
        let part = |range| self.0.get(range).unwrap_or_default();
        format!(
            "{}-{}-{} {}:{}:{} UTC",
            part(0..4),
            part(4..6),
            part(6..8),
            part(9..11),
            part(11..13),
            part(13..15)
        )
    }
}

impl Default for RunId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &[u8] = b"ddddddddTddddddZ-xxxxxxxx";
        let fits = |(byte, form): (u8, &u8)| match form {
            b'd' => byte.is_ascii_digit(),
            b'x' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            other => byte == *other,
        };
        if text.len() == FORM.len() && text.bytes().zip(FORM).all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{}` is no run: they look like {}", text.escape_debug(), Self::EXAMPLE))
        }
    }
}

impl RunId {
    const EXAMPLE: &str = "20261121T093015Z-5f1c09a2";
}

impl TryFrom<String> for RunId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(run: RunId) -> Self {
        run.0
    }
}

/// A time as `YYYYMMDDThhmmssZ`.
fn basic_utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March have their leap day last, which makes months regular.
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(basic_utc(0), "19700101T000000Z");
        assert_eq!(basic_utc(951_782_399), "20000228T235959Z");
        assert_eq!(basic_utc(951_782_400), "20000229T000000Z");
        assert_eq!(basic_utc(1_795_253_415), "20261121T093015Z");
        assert_eq!(basic_utc(4_107_542_399), "21000228T235959Z");
        assert_eq!(basic_utc(4_107_542_400), "21000301T000000Z");
    }

    #[test]
    fn names_sort_by_time_within_a_second() {
        let at = |nanos| RunId::at(Duration::new(1_795_253_415, nanos), 0xffff);
        assert_eq!(at(0).as_str(), "20261121T093015Z-0000ffff");
        assert_eq!(at(999_999_999).as_str(), "20261121T093015Z-ffffffff");
        assert!(at(1_000_000) < at(1_100_000));
    }

    #[test]
    fn names_are_read_back_and_nothing_else_is() {
        let run = RunId::new();
        assert_eq!(run.as_str().parse(), Ok(run.clone()));
        assert_ne!(run, RunId::new());
        let example: RunId = RunId::EXAMPLE.parse().unwrap();
        assert_eq!(example.began(), "2026-11-21 09:30:15 UTC");
        for wrong in ["", "../../x", "20261121T093015Z-5f1c09ag", "20261121T093015Z-5f1c09a2\n"] {
            assert!(wrong.parse::<RunId>().is_err(), "{wrong}");
        }
    }
}
