//! Descriptions that come from the web, and what they may not say.

use super::description::Description;
use super::error::ImageError;
use crate::edn;
use crate::error::Error;
use crate::tree::{Node, Value};

/// Keys that a description from elsewhere must not have: they name files, ports and interfaces of
/// this machine.
const LOCAL_KEYS: [&str; 10] = [
    "location",
    "path",
    "host-path",
    "shared-folders",
    "private-key-path",
    "nat-rules",
    "host-interface",
    "bridged-interface",
    "local-interface",
    "host-only-interface",
];

impl Description {
    /// An error if a description from elsewhere speaks of things of this machine.
    pub(super) fn check_foreign(&self, origin: &str) -> Result<(), Error> {
        for (key, value) in &self.0 {
            let inner = edn::read(value).ok().and_then(|node| local_key(&node));
            let found = LOCAL_KEYS.iter().find(|local| *local == key).map(|k| (*k).to_owned());
            if let Some(key) = found.or(inner) {
                return Err(ImageError::Unusable {
                    source_name: origin.to_owned(),
                    problem: format!(
                        "it comes from elsewhere and says :{key}, which is for this machine's \
                         owner to say; download it, look at it, and give it as a file"
                    ),
                }
                .into());
            }
        }
        Ok(())
    }
}

fn local_key(node: &Node) -> Option<String> {
    match &node.value {
        Value::Map(entries) => entries.iter().find_map(|(key, value)| {
            let own = key.as_key().filter(|key| LOCAL_KEYS.contains(&key.trim_end_matches('?')));
            own.map(str::to_owned).or_else(|| local_key(value))
        }),
        Value::List(items) | Value::Vector(items) | Value::Set(items) => {
            items.iter().find_map(local_key)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> Result<Description, Error> {
        Description::read(Path::new("a.meta"), text, "mine")
    }

    #[test]
    fn what_comes_from_elsewhere_does_not_name_our_files() {
        for text in [
            "{:os-type-id \"L\" :hardware {:shared-folders [[\"x\" \"/etc\"]]}}",
            "{:os-type-id \"L\" :private-key-path \"~/.ssh/id\"}",
            "{:os-type-id \"L\" :storage [{:name \"S\" :bus :sata :devices [{:location \"/x\"}]}]}",
        ] {
            let description = read(text).expect(text);
            let error = description.check_foreign("http://x/a.meta").expect_err(text).to_string();
            assert!(error.contains("download it, look at it"), "{error}");
        }
        let harmless = read("{:os-type-id \"L\" :username \"u\" :hardware {:cpu-count 2}}");
        harmless.expect("reads").check_foreign("http://x").expect("harmless");
    }
}
