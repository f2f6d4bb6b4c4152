//! Command lines for many words.

use pallet_core::shell;

/// Far below every system's limit on arguments and environment, which is 256 KiB at the least.
const LIMIT: usize = 96 * 1024;

/// Command lines that give all `words`, quoted, to `command`: one, unless it would be too long.
pub(crate) fn command_lines<I>(command: &str, words: I) -> Vec<String>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words {
        let word = shell::quote(word.as_ref());
        if !line.is_empty() && line.len() + word.len() > LIMIT {
            lines.push(std::mem::take(&mut line));
        }
        if line.is_empty() {
            line.push_str(command);
        }
        line.push(' ');
        line.push_str(&word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_words_make_one_line_many_make_several_and_none_is_lost() {
        assert!(command_lines("x", [""; 0]).is_empty());
        assert_eq!(command_lines("stat --", ["/a b", "/c"]), ["stat -- '/a b' /c"]);
        let words: Vec<String> =
            (0..20_000).map(|number| format!("/some/folder/{number}")).collect();
        let lines = command_lines("stat --", &words);
        assert!(lines.len() > 1);
        assert!(lines.iter().all(|line| line.len() <= LIMIT + 8 && line.starts_with("stat -- /")));
        assert_eq!(
            lines.iter().map(|line| line.split(' ').count() - 2).sum::<usize>(),
            words.len()
        );
    }
}
