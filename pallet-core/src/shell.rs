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
    for character in word.chars() {
        match character {
            '\'' => quoted.push_str(r"'\''"),
            other => quoted.push(other),
        }
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
    use super::*;

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
