//! Guards: small scripts that say whether something is needed.

use pallet_core::action::{Key, ProbeKind};
use pallet_core::shell;

/// Asks whether a script ends with status 0.
#[derive(Debug)]
pub struct Guard;

impl ProbeKind for Guard {
    const NAME: &'static str = "guard";
    type Request = String;
    type Answer = bool;

    /// A guard may look at anything.
    fn key(_: &String) -> Key {
        Key::Everything
    }

    fn script(guards: &[String]) -> String {
        // `eval` keeps the text off every command line, where other users could read it, and a
        // mistake in it from spoiling the rest of the program. What a guard prints is not wanted.
        let run = |guard: &String| {
            format!(
                "( set +e +u; eval {} ) </dev/null >/dev/null 2>&1\nprintf '%s\\n' $?\n",
                shell::quote(guard)
            )
        };
        // The guards' failures are answers: they must not end the program, nor need bash tell
        // that one was killed.
        let start = "set +e\nexec 2>/dev/null\n".to_owned();
        std::iter::once(start).chain(guards.iter().map(run)).collect()
    }

    fn parse(guards: &[String], output: &[u8]) -> Result<Vec<bool>, String> {
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
        let guards: Vec<String> = cases.iter().map(|(guard, _)| (*guard).to_owned()).collect();
        let expected: Vec<bool> = cases.iter().map(|(_, expected)| *expected).collect();
        assert_eq!(ask::<Guard>(&guards), expected);
    }

    #[test]
    fn a_lost_answer_is_noticed() {
        assert!(Guard::parse(&["true".to_owned(), "true".to_owned()], b"0\n").is_err());
        assert!(Guard::parse(&["true".to_owned()], b"yes\n").is_err());
    }
}
