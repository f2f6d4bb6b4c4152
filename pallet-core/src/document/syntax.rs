//! From text to TOML, without trust.

use toml::Spanned;
use toml::de::{DeTable, Error as TomlError};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use super::diagnostic::Mistake;
use super::position::Positions;

/// How deep tables and arrays may be nested, counted in brackets and dots. The parser bounds each
/// of the two, but not their product, and what it builds is dropped recursively: without a bound
/// of our own a small file could exhaust the stack.
const MAX_DEPTH: usize = 64;

/// Parses a document.
///
/// # Errors
/// All syntax errors that can be told from mere consequences of earlier ones; never an empty list.
pub(super) fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, Vec<Mistake>> {
    if let Some(mistake) = too_deep(text) {
        return Err(vec![mistake]);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() { Ok(table) } else { Err(independent(text, errors)) }
}

/// Finds nesting beyond [`MAX_DEPTH`].
fn too_deep(text: &str) -> Option<Mistake> {
    let mut dots = 0_usize;
    let mut depth = 0_usize;
    let mut open = Vec::new();
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                depth += dots + 1;
                open.push(dots);
                dots = 0;
            }
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                dots = open.pop().unwrap_or_default();
                depth = depth.saturating_sub(dots + 1);
            }
            TokenKind::Comma | TokenKind::Newline => dots = 0,
            _ => {}
        }
        if depth + dots > MAX_DEPTH {
            let span = token.span().start()..token.span().end();
            return Some(
                Mistake::new(
                    span,
                    format!("tables and arrays are nested more than {MAX_DEPTH} deep"),
                )
                .label("too deep from here on")
                .help("check that every bracket is closed"),
            );
        }
    }
    None
}

/// Leaves out errors that are only consequences of earlier ones: all but one per line, and
/// everything that follows a bracket which was not closed.
fn independent(text: &str, mut errors: Vec<TomlError>) -> Vec<Mistake> {
    let start = |error: &TomlError| error.span().unwrap_or_default().start;
    errors.sort_by_key(start);
    let positions = Positions::new(text.into());
    let mut kept: Vec<(u32, bool, Mistake)> = Vec::new();
    for error in &errors {
        let (line, _) = positions.locate(start(error));
        let is_structural = derails(error.message());
        match kept.last_mut() {
            // What derails the parser is the better explanation of a line.
            Some((known, false, mistake)) if *known == line && is_structural => {
                *mistake = explained(text, error);
            }
            Some((known, ..)) if *known == line => {}
            _ => kept.push((line, is_structural, explained(text, error))),
        }
        if is_structural {
            break;
        }
    }
    kept.into_iter().map(|(.., mistake)| mistake).collect()
}

/// Whether the parser cannot know where it is after this error.
fn derails(message: &str) -> bool {
    ["unclosed", "missing comma", "unexpected `=`"].iter().any(|start| message.starts_with(start))
}

fn explained(text: &str, error: &TomlError) -> Mistake {
    let span = error.span().unwrap_or_default();
    if error.message() == "duplicate key" {
        let key = text.get(span.clone()).unwrap_or_default();
        return Mistake::new(span, format!("`{key}` is given twice"))
            .label("the second one")
            .help("a table and a key may be given only once; put both parts together");
    }
    // What the parser makes of `key =` with nothing behind it.
    if span.is_empty() && error.message().starts_with("string values must be quoted") {
        return Mistake::new(span, "this is no TOML: a value is missing").label("expected a value");
    }
    let (what, expected) = match error.message().split_once(", expected ") {
        Some((what, "nothing")) => (what, None),
        Some((what, expected)) => (what, Some(expected)),
        None => (error.message(), None),
    };
    let mistake = Mistake::new(span, format!("this is no TOML: {what}"));
    let mistake = match expected {
        Some(expected) => mistake.label(format!("expected {expected}")),
        None => mistake,
    };
    if derails(error.message()) {
        mistake.help("if nothing is wrong here, a bracket is not closed further up")
    } else {
        mistake
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_dots_count_together() {
        let brackets = |count: usize| format!("a = {}{}\n", "[".repeat(count), "]".repeat(count));
        assert!(parse(&brackets(MAX_DEPTH)).is_ok());
        assert!(parse(&brackets(MAX_DEPTH + 1)).is_err());
        let dotted = |levels: usize| {
            let key = ["a"; 10].join(".");
            format!("{}{key} = 1{}\n", format!("{key} = {{").repeat(levels), "}".repeat(levels))
        };
        assert!(parse(&dotted(5)).is_ok());
        assert!(parse(&dotted(6)).is_err());
    }

    #[test]
    fn siblings_do_not_count_as_depth() {
        let text = "a.b.c = [[1.5], [2.5], { d.e = 1 }]\n[x.y]\nz = '...............'\n".to_owned();
        let many: String = (0..200)
            .map(|n| format!("[t{n}]\n{text}").replace("[x.y]", &format!("[x.y{n}]")))
            .collect();
        assert!(parse(&many).is_ok());
    }
}
