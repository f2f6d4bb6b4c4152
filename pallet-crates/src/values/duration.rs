//! Lengths of time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A length of time in whole seconds, written with a unit: `"90s"`, `"15m"`, `"12h"`, `"7d"`.
///
/// ```
/// use pallet_crates::values::Seconds;
/// let age: Seconds = "12h".parse()?;
/// assert_eq!(age.count(), 12 * 60 * 60);
/// assert!("12".parse::<Seconds>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Seconds(u32);

const UNITS: [(char, u32); 4] = [('d', 24 * 60 * 60), ('h', 60 * 60), ('m', 60), ('s', 1)];

impl Seconds {
    /// So many seconds.
    pub const fn new(count: u32) -> Self {
        Self(count)
    }

    /// How many seconds.
    pub const fn count(self) -> u32 {
        self.0
    }
}

impl From<Seconds> for Duration {
    fn from(seconds: Seconds) -> Self {
        Self::from_secs(seconds.0.into())
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = |(unit, factor): &(char, u32)| {
            let digits = text.strip_suffix(*unit)?;
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u32>().ok().filter(|_| is_number)?.checked_mul(*factor)
        };
        UNITS.iter().find_map(read).map(Self).ok_or_else(|| {
            format!(
                "`{}` is no length of time: write a number and one of s, m, h and d, such as \"15m\"",
                text.escape_debug()
            )
        })
    }
}

impl TryFrom<String> for Seconds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Seconds> for String {
    fn from(seconds: Seconds) -> String {
        seconds.to_string()
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &&(char, u32)| self.0 > 0 && self.0.is_multiple_of(*factor);
        match UNITS.iter().find(fits) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}s", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_lengths() {
        for (text, count) in
            [("0s", 0), ("90s", 90), ("15m", 900), ("12h", 43_200), ("7d", 604_800)]
        {
            let seconds: Seconds = text.parse().unwrap();
            assert_eq!((seconds.count(), seconds.to_string().as_str()), (count, text));
        }
        assert_eq!(Seconds::new(3600).to_string(), "1h");
        for bad in ["", "s", "12", "-1s", "+1s", "1.5h", "1w", "99999999d", "1 h"] {
            assert!(bad.parse::<Seconds>().is_err(), "{bad:?}");
        }
    }
}
