//! Patterns of names, as shells know them.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A pattern of a whole name: `*` stands for any characters, `?` for one, all others for
/// themselves.
///
/// ```
/// use pallet_core::spec::NamePattern;
/// let pattern: NamePattern = "web-*".parse()?;
/// assert!(pattern.fits("web-12") && !pattern.fits("old-web-1"));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NamePattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Any,
    One,
    This(char),
}

impl NamePattern {
    /// The pattern of one name alone, whatever characters are in it.
    pub fn exactly(name: &str) -> Self {
        Self(name.chars().map(Part::This).collect())
    }

    /// Whether a name is as the pattern says.
    pub fn fits(&self, name: &str) -> bool {
        // Which prefixes of the pattern fit what was read of the name so far.
        let mut fitting = vec![false; self.0.len() + 1];
        open(&self.0, &mut fitting, true);
        for letter in name.chars() {
            let mut next = vec![false; self.0.len() + 1];
            for (position, part) in self.0.iter().enumerate() {
                let is_open = fitting.get(position).copied().unwrap_or_default();
                let to = match part {
                    Part::Any => position,
                    Part::One => position + 1,
                    Part::This(own) if *own == letter => position + 1,
                    Part::This(_) => continue,
                };
                if let Some(slot) = next.get_mut(to) {
                    *slot |= is_open;
                }
            }
            open(&self.0, &mut next, false);
            fitting = next;
        }
        fitting.last().copied().unwrap_or_default()
    }
}

/// A star may stand for nothing at all.
fn open(parts: &[Part], fitting: &mut [bool], mut before: bool) {
    for (slot, part) in fitting.iter_mut().zip(parts.iter().map(Some).chain([None])) {
        *slot |= before;
        before = *slot && part == Some(&Part::Any);
    }
}

impl FromStr for NamePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty pattern fits no name".to_owned());
        }
        let part = |letter| match letter {
            '*' => Part::Any,
            '?' => Part::One,
            letter => Part::This(letter),
        };
        Ok(Self(text.chars().map(part).collect()))
    }
}

impl TryFrom<String> for NamePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Any => f.write_str("*"),
            Part::One => f.write_str("?"),
            Part::This(letter) => write!(f, "{letter}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns() {
        for (pattern, fits, fails) in [
            ("web-1", "web-1", "web-11"),
            ("web-*", "web-", "web"),
            ("*", "", "\u{0}never"),
            ("w?b*1", "web-1", "wb-1"),
            ("*-*-*", "a-b-c", "a-b"),
            ("**a**", "bab", "bbb"),
            ("é*", "élan", "elan"),
        ] {
            let read: NamePattern = pattern.parse().unwrap();
            assert!(read.fits(fits), "{pattern} {fits}");
            assert!(pattern == "*" || !read.fits(fails), "{pattern} {fails}");
            assert_eq!(read.to_string(), pattern);
        }
        assert!("".parse::<NamePattern>().is_err());
        assert!(NamePattern::exactly("*").fits("*") && !NamePattern::exactly("*").fits("a"));
        // Backtracking would not end.
        let stars: NamePattern = "*a".repeat(40).parse().unwrap();
        assert!(!stars.fits(&"a".repeat(39)) && stars.fits(&"a".repeat(4000)));
    }
}
