//! Files that tell dnf, yum and zypper of sources: `/etc/yum.repos.d/NAME.repo`.

use pallet_core::action::ActionError;

use super::{Source, Sources};
use crate::values::DropInName;

/// Where the files are, and whose they are.
pub(super) struct RepoFiles {
    pub folder: &'static str,
    pub manager: &'static str,
    /// Whether the tools have to be told of a key before they use a source.
    pub imports_keys: bool,
}

impl Sources for RepoFiles {
    fn file(&self, name: &DropInName) -> (&'static str, String) {
        (self.folder, format!("{name}.repo"))
    }

    fn text(&self, source: &Source<'_>) -> Result<String, ActionError> {
        source.has_only_uris(self.manager)?;
        let (name, uris) = (source.name, source.uris.join("\n        "));
        let mut text = format!("[{name}]\nname={name}\nbaseurl={uris}\nenabled=1\ngpgcheck=1\n");
        if let Some(key) = source.key {
            text.push_str(&format!("gpgkey=file://{key}\n"));
        }
        Ok(text)
    }

    fn key_file(&self, name: &DropInName, armoured: bool) -> (&'static str, String) {
        let ending = if armoured { "" } else { ".gpg" };
        ("/etc/pki/rpm-gpg", format!("RPM-GPG-KEY-{name}{ending}"))
    }

    fn trust(&self, key: &str) -> Option<String> {
        self.imports_keys.then(|| pallet_core::shell::command(["rpm", "--import", key]))
    }
}
