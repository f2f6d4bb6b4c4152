//! Permission bits.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Permission bits, written as octal digits in a string: `"0644"`.
///
/// ```
/// use pallet_crates::values::FileMode;
/// let mode: FileMode = "644".parse()?;
/// assert_eq!(mode.to_string(), "0644");
/// assert!("rw-r--r--".parse::<FileMode>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMode(u32);

impl FileMode {
    /// The bits, with set-user-id, set-group-id and sticky; higher bits are dropped.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & 0o7777)
    }

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// As `chmod` wants it for directories. With fewer digits GNU's chmod keeps set-user-id and
    /// set-group-id bits that a directory has.
    pub(crate) fn five_digits(self) -> String {
        format!("{:05o}", self.0)
    }
}

impl FromStr for FileMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_octal = text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        match u32::from_str_radix(text, 8) {
            Ok(bits) if is_octal && (3..=5).contains(&text.len()) && bits <= 0o7777 => {
                Ok(Self(bits))
            }
            _ => Err(format!(
                "`{}` is not a mode: write three or four octal digits, such as \"0644\"",
                text.escape_debug()
            )),
        }
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl Serialize for FileMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ModeVisitor)
    }
}

struct ModeVisitor;

impl de::Visitor<'_> for ModeVisitor {
    type Value = FileMode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mode in quotes, such as \"0644\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<FileMode, E> {
        text.parse().map_err(E::custom)
    }

    // Whether 644 means 0644 or 0o1204 is anybody's guess, so neither is taken.
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<FileMode, E> {
        Err(E::custom(format!(
            "a mode is written in quotes, since it is octal: \"0644\", not the number {number}"
        )))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<FileMode, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl JsonSchema for FileMode {
    fn schema_name() -> Cow<'static, str> {
        "FileMode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Permission bits as octal digits: \"0644\".",
            "type": "string",
            "pattern": "^0?[0-7]{3,4}$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_modes() {
        let good =
            [("0644", 0o644), ("644", 0o644), ("4755", 0o4755), ("02755", 0o2755), ("000", 0)];
        for (text, bits) in good {
            assert_eq!(text.parse::<FileMode>().unwrap().bits(), bits, "{text}");
        }
        for bad in ["", "8", "64", "0888", "+644", "0o644", "17777", "u=rw", " 644", "000644"] {
            assert!(bad.parse::<FileMode>().is_err(), "{bad:?}");
        }
        assert_eq!(FileMode::from_bits(0o100_644).to_string(), "0644");
        assert_eq!(FileMode::from_bits(0o755).five_digits(), "00755");
    }

    #[test]
    fn numbers_are_refused_with_the_reason() {
        let error = serde_json::from_str::<FileMode>("644").unwrap_err().to_string();
        assert!(error.contains("written in quotes"), "{error}");
    }
}
