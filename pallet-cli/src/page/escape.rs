//! Text in HTML.

use pallet_core::secret::redact;

use crate::text::visible;

/// Text as it stands in HTML, between tags and in quoted attributes: no secrets, nothing that
/// steers, and no markup.
pub(super) fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in visible(&redact(text)).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // What turns the direction of the letters around it could make a line say another one.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                escaped.push_str(&format!("\\u{{{:x}}}", u32::from(letter)));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// A difference of contents, line by line.
pub(super) fn diff(diff: &str) -> String {
    let lines = diff.lines().map(|line| {
        let class = match line.chars().next() {
            Some('+') => " class=\"added\"",
            Some('-') => " class=\"removed\"",
            _ => "",
        };
        format!("<span{class}>{}</span>", text(line))
    });
    let lines: String = lines.collect();
    format!("<pre class=\"diff\" tabindex=\"0\" aria-label=\"Difference\">{lines}</pre>\n")
}

/// What a program wrote.
pub(super) fn output(output: &str) -> String {
    if output.trim().is_empty() {
        return String::new();
    }
    format!("<pre tabindex=\"0\" aria-label=\"Output\">{}</pre>\n", text(output))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(text("<b a='1' c=\"2\">&"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;");
        assert_eq!(text("\u{1b}[2J\u{202e}x"), "\\u{1b}[2J\\u{202e}x");
        assert!(diff("+<i>\n-b").contains("<span class=\"added\">+&lt;i&gt;</span>"));
    }
}
