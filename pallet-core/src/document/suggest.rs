//! "Did you mean": what a mistyped name was probably meant to be, and what is allowed.

/// The closest of `known`, if it is close enough to be what was meant.
pub(super) fn closest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let given = comparable(given);
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&given, &comparable(name)), name))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|one, two| one.0.total_cmp(&two.0))
        .map(|(_, name)| name)
}

/// The help for an unknown name: the closest known one, and all of them. `nouns` says what they
/// are, in the plural.
pub(super) fn choices<'a, I>(given: &str, known: I, nouns: &str) -> String
where
    I: IntoIterator<Item = &'a str>,
{
    let known: Vec<&str> = known.into_iter().collect();
    if known.is_empty() {
        return format!("there are no {nouns}");
    }
    let list = list(&known);
    match closest(given, known) {
        Some(name) => format!("did you mean `{name}`? {nouns}: {list}"),
        None => format!("{nouns}: {list}"),
    }
}

/// Names for people: `` `a`, `b` ``.
pub(super) fn list<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    quoted.join(", ")
}

/// Case and underscores are what people get wrong without noticing.
fn comparable(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
        let known = ["remote-file", "directory", "package-manager"];
        assert_eq!(closest("remotefile", known), Some("remote-file"));
        assert_eq!(closest("Remote_File", known), Some("remote-file"));
        assert_eq!(closest("dierctory", known), Some("directory"));
        assert_eq!(closest("cron", known), None);
    }

    #[test]
    fn help_lists_what_there_is() {
        assert_eq!(
            choices("bse", ["base", "web"], "specs"),
            "did you mean `base`? specs: `base`, `web`"
        );
        assert_eq!(choices("x", ["base"], "specs"), "specs: `base`");
        assert_eq!(choices("x", [], "specs"), "there are no specs");
    }
}
