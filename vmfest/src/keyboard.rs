//! What a person could type: keys of a US keyboard, as the scan codes (set 1) that they send.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::suggest;

/// One step of typing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// Characters, each as the key, with Shift where needed, that a US keyboard has for it. A line
    /// break is the Enter key.
    Text(String),
    /// A key, pressed and released.
    Key(Key),
    /// Keys that are pressed one after the other, and released in the opposite order.
    Chord(Vec<Key>),
    /// Nothing, for a while.
    Pause(Duration),
}

impl Typed {
    /// Characters to be typed.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

impl From<Key> for Typed {
    fn from(key: Key) -> Self {
        Self::Key(key)
    }
}

impl From<&str> for Typed {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

/// What cannot be typed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchKey {
    /// No key of a US keyboard gives the character.
    #[error(
        "no key of a US keyboard gives the character {0:?}; type only ASCII characters, or give the guest a file"
    )]
    Character(char),
    /// There is no key of that name.
    #[error("there is no key {name:?}{}; keys are called like esc, enter, f12, l-ctrl, pg-up, keypad-7", DidYouMean(.suggestion))]
    Name {
        /// The name that was given.
        name: String,
        /// The one that was probably meant.
        suggestion: Option<&'static str>,
    },
}

struct DidYouMean<'a>(&'a Option<&'static str>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |name| write!(f, ", did you mean {name:?}?"))
    }
}

/// Defines the keys: the variant, its name, and the scan code that pressing it sends; 0xe0 before
/// it for the keys that later keyboards have twice.
macro_rules! keys {
    ($($key:ident $name:literal $($code:literal)+;)*) => {
        /// A key that has a name rather than a character. [`FromStr`] knows the names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Key {
            $(#[doc = concat!("`", $name, "`")] $key,)*
        }

        impl Key {
            /// All keys.
            pub const ALL: &'static [Self] = &[$(Self::$key),*];

            /// Its name, such as `pg-up`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$key => $name),* }
            }

            fn codes(self) -> &'static [i32] {
                match self { $(Self::$key => &[$($code),+]),* }
            }
        }
    };
}

keys! {
    Esc "esc" 0x01;
    Backspace "backspace" 0x0e;
    Tab "tab" 0x0f;
    Enter "enter" 0x1c;
    Space "space" 0x39;
    LeftCtrl "l-ctrl" 0x1d;
    LeftShift "l-shift" 0x2a;
    RightShift "r-shift" 0x36;
    LeftAlt "l-alt" 0x38;
    RightCtrl "r-ctrl" 0xe0 0x1d;
    RightAlt "r-alt" 0xe0 0x38;
    LeftWin "l-win" 0xe0 0x5b;
    RightWin "r-win" 0xe0 0x5c;
    Menu "menu" 0xe0 0x5d;
    CapsLock "caps-lock" 0x3a;
    NumLock "num-lock" 0x45;
    ScrollLock "scroll-lock" 0x46;
    PrintScreen "print-screen" 0xe0 0x37;
    F1 "f1" 0x3b;
    F2 "f2" 0x3c;
    F3 "f3" 0x3d;
    F4 "f4" 0x3e;
    F5 "f5" 0x3f;
    F6 "f6" 0x40;
    F7 "f7" 0x41;
    F8 "f8" 0x42;
    F9 "f9" 0x43;
    F10 "f10" 0x44;
    F11 "f11" 0x57;
    F12 "f12" 0x58;
    Home "home" 0xe0 0x47;
    Up "up" 0xe0 0x48;
    PgUp "pg-up" 0xe0 0x49;
    Left "left" 0xe0 0x4b;
    Right "right" 0xe0 0x4d;
    End "end" 0xe0 0x4f;
    Down "down" 0xe0 0x50;
    PgDown "pg-down" 0xe0 0x51;
    Insert "insert" 0xe0 0x52;
    Delete "delete" 0xe0 0x53;
    KeypadDivide "keypad-/" 0xe0 0x35;
    KeypadMultiply "keypad-*" 0x37;
    KeypadMinus "keypad--" 0x4a;
    KeypadPlus "keypad-+" 0x4e;
    KeypadEnter "keypad-enter" 0xe0 0x1c;
    KeypadPoint "keypad-." 0x53;
    Keypad0 "keypad-0" 0x52;
    Keypad1 "keypad-1" 0x4f;
    Keypad2 "keypad-2" 0x50;
    Keypad3 "keypad-3" 0x51;
    Keypad4 "keypad-4" 0x4b;
    Keypad5 "keypad-5" 0x4c;
    Keypad6 "keypad-6" 0x4d;
    Keypad7 "keypad-7" 0x47;
    Keypad8 "keypad-8" 0x48;
    Keypad9 "keypad-9" 0x49;
}

impl FromStr for Key {
    type Err = NoSuchKey;

    /// A key by its name, in capitals or not.
    fn from_str(name: &str) -> Result<Self, NoSuchKey> {
        let lower = name.to_ascii_lowercase();
        Self::ALL.iter().copied().find(|key| key.name() == lower).ok_or_else(|| {
            let names = Self::ALL.iter().map(|key| key.name());
            let suggestion = suggest::closest(&lower, names);
            NoSuchKey::Name { name: name.to_owned(), suggestion }
        })
    }
}

/// The rows of keys with characters: the scan code of the first one, the characters without Shift
/// and with it.
const ROWS: [(i32, &str, &str); 4] = [
    (0x02, "1234567890-=", "!@#$%^&*()_+"),
    (0x10, "qwertyuiop[]", "QWERTYUIOP{}"),
    (0x1e, "asdfghjkl;'`", "ASDFGHJKL:\"~"),
    (0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
];

/// Added to a scan code when the key is released.
const RELEASED: i32 = 0x80;
const EXTENDED: i32 = 0xe0;
const SHIFT: i32 = 0x2a;

/// A character's key, and whether it needs Shift.
fn character(wanted: char) -> Result<(i32, bool), NoSuchKey> {
    match wanted {
        ' ' => return Ok((0x39, false)),
        '\n' | '\r' => return Ok((0x1c, false)),
        '\t' => return Ok((0x0f, false)),
        '\u{8}' => return Ok((0x0e, false)),
        '\u{1b}' => return Ok((0x01, false)),
        _ => {}
    }
    for (first, plain, shifted) in ROWS {
        for (row, shift) in [(plain, false), (shifted, true)] {
            if let Some((code, _)) = (first..).zip(row.chars()).find(|(_, c)| *c == wanted) {
                return Ok((code, shift));
            }
        }
    }
    Err(NoSuchKey::Character(wanted))
}

/// What is sent at once: scan codes, then nothing for a while.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stroke {
    pub(crate) codes: Vec<i32>,
    pub(crate) pause: Duration,
}

/// The strokes of all that is typed. It is an error before anything is sent.
pub(crate) fn strokes(typed: &[Typed]) -> Result<Vec<Stroke>, NoSuchKey> {
    let mut strokes = Vec::new();
    for step in typed {
        match step {
            Typed::Text(text) => {
                for c in text.replace("\r\n", "\n").chars() {
                    let (code, shift) = character(c)?;
                    let mut codes = vec![code, code | RELEASED];
                    if shift {
                        codes.insert(0, SHIFT);
                        codes.push(SHIFT | RELEASED);
                    }
                    strokes.push(Stroke { codes, pause: Duration::ZERO });
                }
            }
            Typed::Key(key) => strokes.push(chord(&[*key])),
            Typed::Chord(keys) => strokes.push(chord(keys)),
            Typed::Pause(pause) => strokes.push(Stroke { codes: Vec::new(), pause: *pause }),
        }
    }
    Ok(strokes)
}

fn chord(keys: &[Key]) -> Stroke {
    let pressed = keys.iter().flat_map(|key| key.codes()).copied();
    // The prefix is the same for pressing and for releasing.
    let release = |code: &i32| if *code == EXTENDED { EXTENDED } else { code | RELEASED };
    let released = keys.iter().rev().flat_map(|key| key.codes().iter().map(release));
    Stroke { codes: pressed.chain(released).collect(), pause: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(typed: &[Typed]) -> Vec<Vec<i32>> {
        strokes(typed).expect("can be typed").into_iter().map(|stroke| stroke.codes).collect()
    }

    #[test]
    fn every_press_has_its_release() {
        assert_eq!(
            codes(&["aA\n".into()]),
            [vec![0x1e, 0x9e], vec![0x2a, 0x1e, 0x9e, 0xaa], vec![0x1c, 0x9c]]
        );
        assert_eq!(codes(&[Key::F11.into(), Key::F12.into()]), [[0x57, 0xd7], [0x58, 0xd8]]);
        assert_eq!(codes(&[Key::PgUp.into()]), [[0xe0, 0x49, 0xe0, 0xc9]]);
        assert_eq!(
            codes(&[Typed::Chord(vec![Key::LeftCtrl, Key::LeftAlt, Key::Delete])]),
            [[0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d]]
        );
    }

    #[test]
    fn every_ascii_character_has_a_key() {
        let printable: String = (' '..='~').collect();
        assert_eq!(codes(&[Typed::text(&printable)]).len(), 95);
        for (c, code, shift) in [
            ('0', 0x0b, false),
            ('=', 0x0d, false),
            ('~', 0x29, true),
            ('|', 0x2b, true),
            ('/', 0x35, false),
            ('"', 0x28, true),
        ] {
            assert_eq!(character(c), Ok((code, shift)), "{c}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(strokes(&["ok".into(), "ü".into()]), Err(NoSuchKey::Character('ü')));
        assert_eq!("F12".parse(), Ok(Key::F12));
        for key in Key::ALL {
            assert_eq!(key.name().parse(), Ok(*key));
        }
        let error = "page-up".parse::<Key>().expect_err("no such key").to_string();
        assert!(error.contains("there is no key \"page-up\""), "{error}");
        let error = "f13".parse::<Key>().expect_err("no such key").to_string();
        assert!(error.contains("did you mean \"f1"), "{error}");
    }
}
