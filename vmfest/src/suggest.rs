//! "Did you mean": the known name that is closest to a mistyped one.

/// The closest of `known`, if it is close enough to be what was meant.
pub(crate) fn closest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let given = given.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&given, &name.to_lowercase()), name))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_near_names_are_suggested() {
        let known = ["memory-size", "cpu-count", "vram-size"];
        assert_eq!(super::closest("memroy-size", known), Some("memory-size"));
        assert_eq!(super::closest("Memory_Size", known), Some("memory-size"));
        assert_eq!(super::closest("colour", known), None);
    }
}
