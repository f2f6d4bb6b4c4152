//! Services, and the account that nodes are administered with.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Mistake;
use super::reader::{Entry, Reader, Table};
use super::{Service, suggest};
use crate::login::Login;
use crate::registry::Registry;

/// The keys of a login that may name files to read a secret from.
const SECRETS: [&str; 3] = ["passphrase", "password", "sudo-password"];

/// Reads a `[service.NAME]` table.
pub(super) fn read_service(
    reader: &Reader,
    registry: &Registry,
    entry: &Entry<'_, '_>,
) -> Option<Service> {
    let mut table = Table::of(reader, &entry.name, entry.value)?;
    let known = || registry.provider_names();
    if table.entry("provider").is_none() {
        let names: Vec<&str> = known().collect();
        let message = format!("`{}` does not say which provider it is of", entry.name);
        reader.note(
            Mistake::new(table.span(), message)
                .label("no `provider`")
                .help(format!("add `provider = \"…\"`; providers: {}", suggest::list(&names))),
        );
        return None;
    }
    let provider = table.string("provider")?;
    let Some(found) = registry.find_provider(provider.get_ref()) else {
        reader.note(
            Mistake::new(provider.span(), format!("there is no provider `{provider}`"))
                .label("not known")
                .help(suggest::choices(provider.get_ref(), known(), "providers")),
        );
        return None;
    };
    let mut config = entry.value.clone();
    if let DeValue::Table(table) = config.get_mut() {
        table.remove("provider");
    }
    match reader.read(&entry.name, &config, |config| found.configure(config)) {
        Ok(opener) => Some(Service {
            provider: provider.into_inner(),
            opener,
            origin: reader.origin(&entry.value.span()),
        }),
        Err(mistakes) => {
            mistakes.into_iter().for_each(|mistake| reader.note(mistake));
            None
        }
    }
}

/// Reads the `[admin-user]` table. The local files that it names are relative to `base`.
pub(super) fn read_admin_user(
    reader: &Reader,
    base: &Path,
    entry: &Entry<'_, '_>,
) -> Option<Login> {
    let mut value = entry.value.clone();
    if let DeValue::Table(login) = value.get_mut() {
        for key in SECRETS {
            if let Some(DeValue::Table(secret)) = login.get_mut(key).map(Spanned::get_mut) {
                resolve_in_place(reader, base, secret, "file");
            }
        }
        resolve_in_place(reader, base, login, "private-key-path");
    }
    reader.typed(&entry.name, &value)
}

/// Replaces the path under `key` by the one that is meant.
fn resolve_in_place(reader: &Reader, base: &Path, table: &mut DeTable<'_>, key: &str) {
    let Some(value) = table.get_mut(key) else {
        return;
    };
    let span = value.span();
    if let DeValue::String(path) = value.get_mut() {
        match local_path(base, path).map(PathBuf::into_os_string).map(|path| path.into_string()) {
            Ok(Ok(resolved)) => *path = resolved.into(),
            Ok(Err(_)) => {
                let message = format!("`{path}` is in a folder whose name is not UTF-8");
                reader.note(Mistake::new(span, message).help("give the path from the root on"));
            }
            Err(message) => reader.note(Mistake::new(span, message)),
        }
    }
}

/// A local path as the document's author meant it: `~` is the home folder, and relative paths
/// start at `base`.
fn local_path(base: &Path, path: &str) -> Result<PathBuf, String> {
    let Some(below_home) = path.strip_prefix('~') else {
        return Ok(base.join(path));
    };
    let Some(below_home) = below_home.strip_prefix('/').or(below_home.is_empty().then_some(""))
    else {
        return Err(format!("`{path}`: only `~/`, the own home folder, is understood"));
    };
    match std::env::home_dir() {
        Some(home) => Ok(home.join(below_home)),
        None => Err(format!("`{path}`: the own home folder is not known; set HOME")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_at_the_document_or_at_home() {
        let base = Path::new("project");
        let home = std::env::home_dir().expect("tests run with a home folder");
        assert_eq!(local_path(base, "keys/id"), Ok(PathBuf::from("project/keys/id")));
        assert_eq!(local_path(base, "/etc/id"), Ok(PathBuf::from("/etc/id")));
        assert_eq!(local_path(base, "~/.ssh/id"), Ok(home.join(".ssh/id")));
        assert_eq!(local_path(base, "~"), Ok(home.join("")));
        assert!(local_path(base, "~root/id").is_err());
    }
}
