//! OpenSSH's patterns of names.

/// `*` is any text, `?` any one character; upper and lower case are the same.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut position) = (0, 0);
    // Where to go on when the text after the last `*` does not fit: let it swallow one more.
    let mut last_star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(position) {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                last_star = Some((at, position));
            }
            Some(&expected) if expected == b'?' || expected == byte => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((after_star, swallowed)) = &mut last_star else { return false };
                *swallowed += 1;
                position = *swallowed;
                at = *after_star;
            }
        }
    }
    pattern.iter().skip(at).all(|&byte| byte == b'*')
}

/// Whether one of `patterns` matches and none that begins with `!` does.
pub(super) fn any_matches<'a>(patterns: impl IntoIterator<Item = &'a str>, text: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(excluded) if matches(excluded, text) => return false,
            Some(_) => {}
            None => found |= matches(pattern, text),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        assert!(matches("*a*b*C", "xxaxxbxbxc"));
        assert!(!matches("*a*b*c", "xxaxxbxbx"));
        assert!(matches("10.0.0.?", "10.0.0.7") && !matches("10.0.0.?", "10.0.0.77"));
        assert!(matches("*", "") && !matches("?", ""));
    }

    #[test]
    fn an_exclusion_counts_wherever_it_stands() {
        assert!(any_matches(["*.net", "!db.net"], "web.net"));
        assert!(!any_matches(["*.net", "!db.net"], "db.net"));
        assert!(!any_matches(["!db.net", "*.net"], "db.net"));
        assert!(!any_matches(["!db.net"], "web.net"));
    }
}
