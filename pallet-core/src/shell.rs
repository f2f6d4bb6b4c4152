//! Quoting for the node's shell: everything that is sent to one passes through here.

use std::borrow::Cow;

/// Quotes `word` so that a POSIX shell reads it back as exactly one word with the same bytes.
///
/// Words made of harmless characters stay as they are, so that programs remain readable.
///
/// ```
/// use pallet_core::shell::quote;
/// assert_eq!(quote("/etc/motd"), "/etc/motd");
/// assert_eq!(quote("it's $HOME"), r"'it'\''s $HOME'");
/// assert_eq!(quote(""), "''");
/// ```
pub fn quote(word: &str) -> Cow<'_, str> {
    if is_plain(word) {
        return Cow::Borrowed(word);
    }
    let mut quoted = String::with_capacity(word.len() + 2);
    quoted.push('\'');
    // Piece by piece: programs of many kilobytes pass through here, too.
    for (position, piece) in word.split('\'').enumerate() {
        if position > 0 {
            quoted.push_str(r"'\''");
        }
        quoted.push_str(piece);
    }
    quoted.push('\'');
    Cow::Owned(quoted)
}

/// Quotes each word and joins them with spaces: a command line.
///
/// ```
/// use pallet_core::shell::command;
/// assert_eq!(command(["chown", "a b", "/x"]), "chown 'a b' /x");
/// ```
pub fn command<I>(words: I) -> String
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&quote(word.as_ref()));
    }
    line
}

/// `~` and `=` are left out on purpose: both mean something at the start of a word.
fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-+./:,@%".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    /// What a shell makes of words that were quoted.
    fn read_back(program: &str, words: &[String]) -> Vec<String> {
        let mut shell = Command::new(program)
            .arg("-s")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the shell runs");
        let script = format!("printf '%s\\0' {}\n", command(words));
        let mut stdin = shell.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
        let output = shell.wait_with_output().expect("it ends");
        writer.join().expect("no panic").expect("the script is read");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    /// Words of anything but NUL, with what means something to shells more often than by chance.
    fn words() -> impl Strategy<Value = Vec<String>> {
        let special = prop::sample::select(
            "'\"\\$`!#~*?[]{}()<>|&;=% \t\n\r-abEOF".chars().collect::<Vec<_>>(),
        );
        let sign = prop_oneof![3 => special, 1 => any::<char>().prop_filter("no NUL", |sign| *sign != '\0')];
        let word = prop::collection::vec(sign, 0..40).prop_map(|signs| signs.into_iter().collect());
        prop::collection::vec(word, 1..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        #[test]
        fn any_words_are_read_back_by_bash_and_sh(words in words()) {
            for shell in ["bash", "sh"] {
                prop_assert_eq!(&read_back(shell, &words), &words, "{}", shell);
            }
        }
    }

    #[test]
    fn bash_reads_back_what_was_quoted() {
        let hostile = [
            "plain",
            "",
            " ",
            "'",
            "''",
            "a'b\"c",
            "$HOME",
            "`id`",
            "$(id)",
            "\\",
            "a\nb",
            "\t*?[]",
            "~root",
            "=x",
            "a=b",
            "-n",
            "!",
            "#x",
            "é ü 漢",
            "EOF\n",
            "{a,b}",
            "a;b&c|d<e>f(g)",
        ];
        for word in hostile {
            let output = std::process::Command::new("bash")
                .args(["-c", &format!("printf %s {}", quote(word))])
                .output()
                .expect("bash runs");
            assert_eq!(String::from_utf8_lossy(&output.stdout), word);
        }
    }
}
