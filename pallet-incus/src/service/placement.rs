//! Where: a member, or a group of members. Without either the cluster chooses.

use pallet_core::compute::ComputeError;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::words::{read, wrong};
use crate::client::{Group, Member};

/// The keys of `location`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Location {
    member: Option<String>,
    cluster_group: Option<String>,
}

/// What is asked of the API as an instance's target.
pub(super) fn target(
    members: &[Member],
    groups: &[Group],
    location: Option<&Map<String, Value>>,
) -> Result<Option<String>, ComputeError> {
    let Some(location) = location.filter(|table| !table.is_empty()) else { return Ok(None) };
    if members.is_empty() {
        return Err(wrong(
            &["location"],
            "this server is not in a cluster, and has one place only",
        ));
    }
    let location: Location = read(location.clone().into(), &["location"])?;
    match (location.member, location.cluster_group) {
        (Some(_), Some(_)) => {
            Err(wrong(&["location"], "`member` and `cluster-group` exclude each other"))
        }
        (Some(name), None) => {
            let all = || members.iter().map(|member| member.server_name.as_str());
            // One that does not answer now is no mistake in the description, and its nodes may be
            // there already.
            if !members.iter().any(|member| member.server_name == name) {
                return Err(unknown("member", &name, all()));
            }
            Ok(Some(name))
        }
        (None, Some(name)) => {
            let all = || groups.iter().map(|group| group.name.as_str());
            let Some(group) = groups.iter().find(|group| group.name == name) else {
                return Err(unknown("cluster-group", &name, all()));
            };
            if group.members.is_empty() {
                return Err(wrong(
                    &["location", "cluster-group"],
                    &format!("{name} has no members"),
                ));
            }
            Ok(Some(format!("@{name}")))
        }
        (None, None) => Ok(None),
    }
}

fn unknown<'a>(key: &str, name: &str, all: impl Iterator<Item = &'a str>) -> ComputeError {
    let all: Vec<&str> = all.collect();
    wrong(&["location", key], &format!("there is no {name}"))
        .help(format!("there are: {}", all.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places() {
        let members: Vec<Member> = serde_json::from_value(json!([
            {"server_name": "n1", "status": "Online"},
            {"server_name": "n2", "status": "Offline", "message": "No heartbeat for 30s"},
        ]))
        .unwrap();
        let groups: Vec<Group> = serde_json::from_value(json!([
            {"name": "fast", "members": ["n1"]}, {"name": "none", "members": []},
        ]))
        .unwrap();
        let target = |location: Value| {
            let location: Map<String, Value> = serde_json::from_value(location).unwrap();
            target(&members, &groups, Some(&location))
        };
        assert_eq!(target(json!({})).unwrap(), None);
        assert_eq!(target(json!({"member": "n1"})).unwrap().as_deref(), Some("n1"));
        assert_eq!(target(json!({"cluster-group": "fast"})).unwrap().as_deref(), Some("@fast"));
        assert_eq!(target(json!({"member": "n2"})).unwrap().as_deref(), Some("n2"));
        for (location, part) in [
            (json!({"member": "n3"}), "location.member: there is no n3"),
            (json!({"cluster-group": "slow"}), "location.cluster-group: there is no slow"),
            (json!({"cluster-group": "none"}), "none has no members"),
            (json!({"member": "n1", "cluster-group": "fast"}), "exclude each other"),
            (json!({"zone": "a"}), "location: unknown field `zone`"),
        ] {
            let error = target(location).unwrap_err();
            assert!(error.is_input && error.message.contains(part), "{error}");
        }
        let location: Map<String, Value> = serde_json::from_value(json!({"member": "n1"})).unwrap();
        let error = super::target(&[], &[], Some(&location)).unwrap_err();
        assert!(error.message.contains("not in a cluster"), "{error}");
    }
}
