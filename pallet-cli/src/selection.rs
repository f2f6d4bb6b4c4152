//! Which groups a command is about.

use pallet_core::spec::GroupSpec;

use crate::error::CliError;
use crate::project::Project;
use crate::text::{closest, names};

/// A group asked for: `web`, or `web=2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    name: String,
    count: Option<u32>,
}

impl Wanted {
    /// Reads `web` or `web=2`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((name, count)) = text.split_once('=') else {
            return Self::parse_name(text);
        };
        let count = count
            .parse()
            .map_err(|_| format!("`{count}` is no count: use {name}=0, {name}=1, …"))?;
        Ok(Self { count: Some(count), ..Self::parse_name(name)? })
    }

    /// Reads `web`.
    pub fn parse_name(text: &str) -> Result<Self, String> {
        if let Some((name, _)) = text.split_once('=') {
            return Err(format!("only `converge` takes a count; say `{name}`"));
        }
        if text.is_empty() {
            return Err("a group's name is missing".to_owned());
        }
        Ok(Self { name: text.to_owned(), count: None })
    }
}

/// The groups asked for, in the order of the file's names, with their counts for this run; all of
/// them if none is asked for.
pub fn select(wanted: &[Wanted], project: &Project) -> Result<Vec<GroupSpec>, CliError> {
    let groups = &project.infrastructure.groups;
    let known: Vec<&str> = groups.keys().map(|name| name.as_str()).collect();
    let file = project.file.display();
    if known.is_empty() {
        return Err(CliError::input(format!("{file} describes no groups"))
            .hint("add a [group-spec.NAME] table"));
    }
    for (position, one) in wanted.iter().enumerate() {
        if !known.contains(&one.name.as_str()) {
            let error = CliError::input(format!("{file} has no group `{}`", one.name));
            let error = match closest(&one.name, known.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            };
            return Err(error.hint(format!("groups: {}", names(&known))));
        }
        if wanted.iter().take(position).any(|earlier| earlier.name == one.name) {
            return Err(CliError::input(format!("group `{}` is given twice", one.name)));
        }
    }
    let selected = groups.values().filter_map(|group| {
        let asked = wanted.iter().find(|one| one.name == group.name.as_str());
        if asked.is_none() && !wanted.is_empty() {
            return None;
        }
        let count = asked.and_then(|one| one.count).or(group.count);
        Some(GroupSpec { count, ..group.clone() })
    });
    Ok(selected.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_with_and_without_counts() {
        let wanted = |name: &str, count| Ok(Wanted { name: name.to_owned(), count });
        assert_eq!(Wanted::parse("web"), wanted("web", None));
        assert_eq!(Wanted::parse("web=0"), wanted("web", Some(0)));
        for wrong in ["web=", "web=-1", "web=two", "=2", "", "web=2=3"] {
            assert!(Wanted::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Wanted::parse_name("web=2").is_err());
    }
}
