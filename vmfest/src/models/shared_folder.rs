//! Folders of the host that a guest may mount.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

/// A folder of the host that the guest may mount.
///
/// Written as `[name path auto-mount? writable?]`, the last two optional, or as a map with the
/// keys `:name`, `:path`, `:auto-mount?` and `:writable?`. By default it is not mounted by itself,
/// and writable. In a guest with the Guest Additions: `mount -t vboxsf NAME WHERE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFolder {
    /// Name that the guest mounts it by.
    pub name: String,
    /// Path on the host.
    pub host_path: PathBuf,
    /// Whether the Guest Additions mount it by themselves.
    pub auto_mount: bool,
    /// Whether the guest may write.
    pub writable: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Keys {
    name: String,
    #[serde(rename = "path", alias = "host-path")]
    host_path: PathBuf,
    #[serde(default, alias = "auto-mount?")]
    auto_mount: bool,
    #[serde(default = "yes", alias = "writable?")]
    writable: bool,
}

fn yes() -> bool {
    true
}

impl<'de> Deserialize<'de> for SharedFolder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FolderVisitor)
    }
}

struct FolderVisitor;

impl<'de> Visitor<'de> for FolderVisitor {
    type Value = SharedFolder;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[name path auto-mount? writable?], the last two optional, or these as keys")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<SharedFolder, A::Error> {
        let missing = |n| de::Error::invalid_length(n, &self);
        Ok(SharedFolder {
            name: seq.next_element()?.ok_or_else(|| missing(0))?,
            host_path: seq.next_element()?.ok_or_else(|| missing(1))?,
            auto_mount: seq.next_element()?.unwrap_or(false),
            writable: seq.next_element()?.unwrap_or(true),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SharedFolder, A::Error> {
        let keys = Keys::deserialize(de::value::MapAccessDeserializer::new(map))?;
        let Keys { name, host_path, auto_mount, writable } = keys;
        Ok(SharedFolder { name, host_path, auto_mount, writable })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_can_be_read_only() {
        let folders: Vec<SharedFolder> = crate::edn::from_str(
            r#"[["src" "/src" true false] ["b" "/b"]
                {:name "c" :path "/c" :writable? false} {:name "d" :host-path "/d" :auto-mount? true}]"#,
        )
        .expect("reads");
        let flags: Vec<_> =
            folders.iter().map(|f| (f.name.as_str(), f.auto_mount, f.writable)).collect();
        assert_eq!(
            flags,
            [("src", true, false), ("b", false, true), ("c", false, false), ("d", true, true)]
        );
        let error = crate::edn::from_str::<Vec<SharedFolder>>(r#"[["src"]]"#).expect_err("no path");
        assert!(error.to_string().contains("found 1 values"), "{error}");
    }
}
