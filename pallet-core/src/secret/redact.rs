//! Taking secrets out of texts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use zeroize::Zeroizing;

/// Shorter values are in every text by chance.
const SHORTEST: usize = 4;
/// Shorter lines of a longer secret are not looked for on their own.
const SHORTEST_LINE: usize = 8;
const REPLACEMENT: &str = "(secret)";

/// What must not be shown of one secret: the value, and what shells, JSON, URLs and base64 make of
/// it.
struct Forms(Vec<Zeroizing<Vec<u8>>>);

/// The secrets that live, each with the number of its [`Registration`]. A text comes from anywhere,
/// a node or an error, and does not say whose secrets may be in it; so it is all of them that are
/// taken out.
static LIVING: RwLock<BTreeMap<u64, Forms>> = RwLock::new(BTreeMap::new());

/// Has a secret taken out of texts for as long as it lives.
pub(super) struct Registration(u64);

impl Registration {
    /// Registers a secret's value.
    pub(super) fn of(value: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        LIVING.write().unwrap_or_else(PoisonError::into_inner).insert(number, Forms::of(value));
        Self(number)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        LIVING.write().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// `text` with `(secret)` in place of every living [`Secret`](super::Secret): as it is, quoted for
/// a shell or JSON, percent-encoded, in base64, single lines of one with several, and broken over
/// lines. Secrets of less than four bytes stay: they are in every text by chance.
///
/// ```
/// use pallet_core::secret::{Secret, redact};
/// let secret = Secret::new("it's hunter2");
/// assert_eq!(redact("sudo: it's hunter2"), "sudo: (secret)");
/// assert_eq!(redact("echo 'it'\\''s hunter2'"), "echo '(secret)'");
/// # drop(secret);
/// ```
pub fn redact(text: &str) -> Cow<'_, str> {
    let living = LIVING.read().unwrap_or_else(PoisonError::into_inner);
    let mut needles: Vec<&[u8]> =
        living.values().flat_map(|forms| forms.0.iter().map(|form| form.as_slice())).collect();
    // What contains another one goes first.
    needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    let mut text = Cow::Borrowed(text);
    for needle in needles {
        if let Some(replaced) = replace(&text, needle) {
            text = Cow::Owned(replaced);
        }
    }
    text
}

fn replace(text: &str, needle: &[u8]) -> Option<String> {
    let bytes = text.as_bytes();
    let first = *needle.first()?;
    let mut replaced: Option<String> = None;
    let (mut kept, mut from) = (0, 0);
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == first) {
        let start = from + at;
        match match_at(bytes, start, needle) {
            Some(end) => {
                // Needles are whole characters, so both ends are borders of characters.
                let before = text.get(kept..start)?;
                let replaced = replaced.get_or_insert_default();
                replaced.push_str(before);
                replaced.push_str(REPLACEMENT);
                (kept, from) = (end, end);
            }
            None => from = start + 1,
        }
    }
    let mut replaced = replaced?;
    replaced.push_str(text.get(kept..)?);
    Some(replaced)
}

/// Where `needle` ends if it begins at `start`; line ends may stand anywhere in it.
fn match_at(text: &[u8], start: usize, needle: &[u8]) -> Option<usize> {
    let mut at = start;
    for (position, expected) in needle.iter().enumerate() {
        let mut found = text.get(at)?;
        while position > 0 && found != expected && matches!(found, b'\n' | b'\r') {
            at += 1;
            found = text.get(at)?;
        }
        if found != expected {
            return None;
        }
        at += 1;
    }
    Some(at)
}

impl Forms {
    fn of(value: &str) -> Self {
        let mut forms: Vec<Vec<u8>> = Vec::new();
        let lines = value.lines().filter(|line| line.len() >= SHORTEST_LINE);
        for part in std::iter::once(value).chain(lines.filter(|line| *line != value)) {
            if part.len() < SHORTEST {
                continue;
            }
            forms.push(part.into());
            forms.push(part.replace('\'', r"'\''").into());
            let json = serde_json::Value::from(part).to_string();
            forms.push(json.trim_matches('"').into());
            forms.push(percent_encoded(part).into());
            for before in 0..3 {
                let encoded = base64(part.as_bytes(), before);
                forms.push(encoded.replace('+', "-").replace('/', "_").into());
                forms.push(encoded.into());
            }
        }
        forms.retain(|form| form.len() >= SHORTEST);
        forms.sort();
        forms.dedup();
        Self(forms.into_iter().map(Zeroizing::new).collect())
    }
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// What base64 makes of `bytes` behind `before` other bytes: only the digits that these bytes
/// decide alone.
fn base64(bytes: &[u8], before: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| {
        let byte = bytes.get((at / 8).checked_sub(before)?)?;
        Some(byte >> (7 - at % 8) & 1)
    };
    let mut encoded = String::new();
    for digit in 0..(before + bytes.len()) * 8 / 6 + 1 {
        let bits = (digit * 6..digit * 6 + 6).map(bit);
        let value = bits.into_iter().try_fold(0, |value, bit| Some(value << 1 | usize::from(bit?)));
        let letter = value.and_then(|value| DIGITS.get(value));
        encoded.extend(letter.map(|letter| char::from(*letter)));
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::super::Secret;
    use super::*;

    #[test]
    fn all_that_is_made_of_a_secret_is_taken_out() {
        let _secret = Secret::new("pa'ss \"w\u{f6}rd\" #42");
        let hidden = [
            "pa'ss \"w\u{f6}rd\" #42",
            r#"pa'\''ss "wörd" #42"#,
            r#"pa'ss \"wörd\" #42"#,
            "pa%27ss%20%22w%C3%B6rd%22%20%2342",
            "pa'ss \n\"w\u{f6}r\r\nd\" #42",
        ];
        for text in hidden {
            let shown = redact(&format!("before {text} after")).into_owned();
            assert_eq!(shown, "before (secret) after", "{text}");
        }
        assert_eq!(redact("pa'ss"), "pa'ss");
    }

    #[test]
    fn base64_is_found_at_every_offset_and_over_lines() {
        // As `base64` prints "x:hunter2-and-more:y" and its like.
        let _secret = Secret::new("hunter2-and-more");
        for (text, rest) in [
            ("aHVudGVyMi1hbmQtbW9yZQ==", "Q=="),
            ("eDpodW50ZXIyLWFuZC1tb3JlOnk=", ""),
            ("eHg6aHVudGVyMi1hbmQtbW9yZTp5", ""),
        ] {
            for text in [text.to_owned(), format!("{}\n{}", &text[..9], &text[9..])] {
                let shown = redact(&text).into_owned();
                assert!(shown.contains("(secret)") && shown.ends_with(rest), "{text}: {shown}");
                assert!(shown.len() < 18, "{text}: {shown}");
            }
        }
    }

    #[test]
    fn lines_of_a_longer_secret_are_secret_too() {
        let _secret = Secret::new("-----BEGIN-----\nMIIabcdefgh\nab\n");
        assert_eq!(redact("> MIIabcdefgh <"), "> (secret) <");
        assert_eq!(redact("ab"), "ab");
    }

    #[test]
    fn a_secret_is_forgotten_with_its_last_clone() {
        let secret = Secret::new("gone-tomorrow");
        let clone = secret.clone();
        drop(secret);
        assert_eq!(redact("gone-tomorrow"), "(secret)");
        drop(clone);
        assert_eq!(redact("gone-tomorrow"), "gone-tomorrow");
    }

    #[test]
    fn short_values_stay() {
        let _secret = Secret::new("abc");
        assert_eq!(redact("abcdef"), "abcdef");
    }
}
