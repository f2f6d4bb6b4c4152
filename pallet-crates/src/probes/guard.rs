//! Guards: small scripts that say whether something is needed.

use std::cmp::Ordering;
use std::fmt;

use pallet_core::action::{Key, ProbeKind};
use pallet_core::secret::Secret;
use pallet_core::shell;

use crate::values::RemotePath;

/// Asks whether a script ends with status 0.
#[derive(Debug)]
pub struct Guard;

/// A script that looks, and where it looks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The script.
    pub script: String,
    /// The directory or file that it looks at, if it looks at nothing else.
    pub below: Option<RemotePath>,
    /// Code that sets variables for the script.
    pub before: Option<Hidden>,
}

/// Code with secrets in it.
#[derive(Clone)]
pub struct Hidden(pub Secret);

impl Hidden {
    fn code(&self) -> &str {
        self.0.reveal().unwrap_or_default()
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Hidden {
    fn eq(&self, other: &Self) -> bool {
        self.code() == other.code()
    }
}

impl Eq for Hidden {}

impl PartialOrd for Hidden {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Hidden {
    fn cmp(&self, other: &Self) -> Ordering {
        self.code().cmp(other.code())
    }
}

impl Question {
    /// A script that may look at anything.
    pub fn of(script: impl Into<String>) -> Self {
        Self { script: script.into(), below: None, before: None }
    }
}

impl ProbeKind for Guard {
    const NAME: &'static str = "guard";
    type Request = Question;
    type Answer = bool;

    fn key(guard: &Question) -> Key {
        guard.below.as_ref().map_or(Key::Everything, RemotePath::tree)
    }

    fn script(guards: &[Question]) -> String {
        // `eval` keeps the text off every command line, where other users could read it, and a
        // mistake in it from spoiling the rest of the program. What a guard prints is not wanted.
        let run = |guard: &Question| {
            let before = guard.before.as_ref().map_or("", Hidden::code);
            let script = format!("{before}{}", guard.script);
            format!(
                "( set +e +u; eval {} ) </dev/null >/dev/null 2>&1\nprintf '%s\\n' $?\n",
                shell::quote(&script)
            )
        };
        // The guards' failures are answers: they must not end the program, nor need bash tell
        // that one was killed.
        let start = "set +e\nexec 2>/dev/null\n".to_owned();
        std::iter::once(start).chain(guards.iter().map(run)).collect()
    }

    fn parse(guards: &[Question], output: &[u8]) -> Result<Vec<bool>, String> {
        let output = String::from_utf8_lossy(output);
        let statuses = output.lines().map(|line| match line.parse::<u8>() {
            Ok(status) => Ok(status == 0),
            Err(_) => Err(format!("`{line}` is no exit status")),
        });
        let answers = statuses.collect::<Result<Vec<bool>, String>>()?;
        if answers.len() == guards.len() {
            Ok(answers)
        } else {
            Err(format!("{} guards ran, {} ended", guards.len(), answers.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ask;
    use super::*;

    #[test]
    fn guards_answer_whatever_they_do() {
        let cases = [
            ("true", true),
            ("false", false),
            ("exit 0; false", true),
            ("exit 3", false),
            ("exec true", true),
            ("set -e; false; true", false),
            ("false; true", true),
            ("if then", false),
            ("echo \"0\"; printf 'x\\n1\\n'; echo oops >&2; test -d /", true),
            ("! read -r line", true),
            ("test \"it's\" = 'it'\\''s'", true),
            ("no-such-command", false),
            ("cat <<'EOF'\n$x\nEOF\n", true),
            ("# only a comment", true),
            ("kill -9 $BASHPID", false),
        ];
        let guards: Vec<Question> = cases.iter().map(|(guard, _)| Question::of(*guard)).collect();
        let expected: Vec<bool> = cases.iter().map(|(_, expected)| *expected).collect();
        assert_eq!(ask::<Guard>(&guards), expected);
    }

    #[test]
    fn variables_are_set_and_not_shown() {
        let before = Some(Hidden(Secret::new("export WORD='hunter2-guard'; ")));
        let question = Question { before, ..Question::of("[ \"$WORD\" = hunter2-guard ]") };
        assert_eq!(
            ask::<Guard>(&[question.clone(), Question::of("[ -n \"$WORD\" ]")]),
            [true, false]
        );
        assert!(!format!("{question:?}").contains("export"));
    }

    #[test]
    fn a_lost_answer_is_noticed() {
        let question = Question::of("true");
        assert!(Guard::parse(&[question.clone(), question.clone()], b"0\n").is_err());
        assert!(Guard::parse(&[question], b"yes\n").is_err());
    }
}
