//! Which groups a command is about.

use std::collections::BTreeMap;

use pallet_core::spec::{GroupName, GroupSpec};

use crate::error::CliError;
use crate::project::Project;
use crate::text::{closest, names};

/// A group asked for: `web`, or `web=2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    name: String,
    count: Option<u32>,
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.count {
            Some(count) => write!(f, "{}={count}", self.name),
            None => f.write_str(&self.name),
        }
    }
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
/// them if none is asked for. A cluster's name stands for all of its groups.
pub fn select(wanted: &[Wanted], project: &Project) -> Result<Vec<GroupSpec>, CliError> {
    let infrastructure = &project.infrastructure;
    let groups = &infrastructure.groups;
    let file = project.file.display();
    if groups.is_empty() {
        return Err(CliError::input(format!("{file} describes no groups"))
            .hint("add a [group-spec.NAME] table"));
    }
    let mut asked: BTreeMap<&str, Option<u32>> = BTreeMap::new();
    for one in wanted {
        for (name, count) in named(one, project)? {
            if asked.insert(name, count).is_some() {
                return Err(CliError::input(format!("group `{name}` is given twice"))
                    .hint("name it once; the groups of a cluster come with it"));
            }
        }
    }
    let selected = groups.values().filter_map(|group| {
        let count = match asked.get(group.name.as_str()) {
            Some(count) => *count,
            None if wanted.is_empty() => None,
            None => return None,
        };
        Some(GroupSpec { count: count.or(group.count), ..group.clone() })
    });
    Ok(selected.collect())
}

/// The groups that one word means, with their counts.
fn named<'p>(one: &Wanted, project: &'p Project) -> Result<Vec<(&'p str, Option<u32>)>, CliError> {
    let infrastructure = &project.infrastructure;
    let is_it = |name: &&GroupName| name.as_str() == one.name;
    if let Some(name) = infrastructure.groups.keys().find(is_it) {
        return Ok(vec![(name.as_str(), one.count)]);
    }
    let cluster = infrastructure.clusters.iter().find(|(name, _)| is_it(name));
    if let Some((name, members)) = cluster {
        if one.count.is_some_and(|count| count > 0) {
            return Err(CliError::input(format!("`{name}` is a cluster, and cannot have a count"))
                .hint(format!(
                    "say {name}=0 for none, or give counts to its groups: {}",
                    names(&members.iter().map(GroupName::as_str).collect::<Vec<_>>())
                )));
        }
        return Ok(members.iter().map(|member| (member.as_str(), one.count)).collect());
    }
    let all = infrastructure.groups.keys().chain(infrastructure.clusters.keys());
    let known: Vec<&str> = all.map(GroupName::as_str).collect();
    let error = CliError::input(format!("{} has no group `{}`", project.file.display(), one.name));
    let error = match closest(&one.name, known.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    };
    Err(error.hint(format!("groups: {}", names(&known))))
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
