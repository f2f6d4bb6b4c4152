//! Services, and what holds for their nodes.

use std::path::Path;

use serde_json::{Map, Value};
use toml::de::DeValue;

use super::diagnostic::Mistake;
use super::environment::read_environment;
use super::reader::{Entry, Reader, Table};
use super::{Service, suggest};
use crate::login::Login;
use crate::registry::Registry;

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
    let provider_span = provider.span();
    let Some(found) = registry.find_provider(provider.get_ref()) else {
        reader.note(
            Mistake::new(provider.span(), format!("there is no provider `{provider}`"))
                .label("not known")
                .help(suggest::choices(provider.get_ref(), known(), "providers")),
        );
        return None;
    };
    let (admin_user, environment) = read_scope(reader, &mut table);
    let mut config = entry.value.clone();
    if let DeValue::Table(table) = config.get_mut() {
        for key in ["provider", "admin-user", "environment"] {
            table.remove(key);
        }
    }
    match reader.read(&entry.name, &config, |config| found.configure(config)) {
        Ok(opener) => Some(Service {
            provider: provider.into_inner(),
            opener,
            base: match reader.folder_of(&provider_span) {
                folder if folder == Path::new("") => ".".into(),
                folder => folder.to_owned(),
            },
            admin_user,
            environment,
            origin: reader.origin(&entry.value.span()),
        }),
        Err(mistakes) => {
            mistakes.into_iter().for_each(|mistake| reader.note(mistake));
            None
        }
    }
}

/// Reads what a service's table holds for its nodes, besides what the provider reads.
fn read_scope(reader: &Reader, table: &mut Table<'_, '_>) -> (Option<Login>, Map<String, Value>) {
    let admin_user =
        table.entry("admin-user").and_then(|entry| reader.typed(&entry.name, entry.value));
    (admin_user, read_environment(reader, table))
}
