//! Crates of the registry, as far as a document uses them.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::diagnostic::Mistake;
use super::extends::{ServerSpecs, parts};
use super::reader::{Entry, Reader, Table};
use super::serde_mistake::is_missing_key;
use super::specs::{NodeSpecs, SpecDraft};
use crate::crates::overlay;
use crate::registry::Registry;
use crate::spec::ServerSpec;

/// Puts the crates that `names` mean beside the document's own server-specs, which win.
pub(super) fn add_extended<'n>(
    registry: &Registry,
    names: impl IntoIterator<Item = &'n Spanned<String>>,
    specs: &mut ServerSpecs,
) {
    for name in names {
        if !specs.contains_key(name.get_ref())
            && let Some(found) = registry.find_crate(name.get_ref())
        {
            let draft = SpecDraft::of_crate(name, &found.server_spec());
            specs.insert(name.get_ref().clone(), draft);
        }
    }
}

/// Checks the settings of one spec that are those of crates, and takes over what their types make
/// of them. What is not there may come from another spec, so nothing is missing here.
pub(super) fn read_settings(
    reader: &Reader,
    registry: &Registry,
    own_specs: &BTreeSet<String>,
    entry: &Entry<'_, '_>,
    draft: &mut SpecDraft,
) {
    let settings = entry.value.get_ref().get("settings").filter(|it| it.get_ref().is_table());
    let Some(settings) = settings else { return };
    let Some(table) = Table::of(reader, &format!("{}.settings", entry.name), settings) else {
        return;
    };
    for entry in table.others().filter(|entry| entry.value.get_ref().is_table()) {
        let name = entry.key.get_ref().as_ref();
        let Some(found) = registry.find_crate(name).filter(|_| !own_specs.contains(name)) else {
            continue;
        };
        let (is_first, misses) = (Cell::new(true), Cell::new(false));
        let read = reader.read(&entry.name, entry.value, |value| {
            let read = found.read(value);
            let is_missing = read.as_ref().is_err_and(is_missing_key);
            misses.set(misses.get() || is_first.replace(false) && is_missing);
            read
        });
        match read {
            Ok(read) => {
                if let Some(written) = draft.settings.get_mut(name) {
                    overlay(written, &read);
                }
            }
            Err(mistakes) => {
                let mistakes: Vec<_> =
                    mistakes.into_iter().skip(usize::from(misses.get())).collect();
                if !mistakes.is_empty() {
                    // Nothing is said a second time when all is put together.
                    draft.settings.remove(name);
                }
                mistakes.into_iter().for_each(|mistake| reader.note(mistake));
            }
        }
    }
}

/// Checks the settings of crates where all is merged that a group consists of.
pub(super) fn check_merged(
    reader: &Reader,
    registry: &Registry,
    tops: &[&SpecDraft],
    specs: &ServerSpecs,
    merged: &ServerSpec,
) {
    let name = tops.last().map_or("", |top| top.name.as_str());
    for part in parts(tops, specs) {
        let Some(place) = &part.crate_place else { continue };
        let (Some(found), Some(settings)) =
            (registry.find_crate(place.get_ref()), merged.settings.get(place.get_ref()))
        else {
            continue;
        };
        if let Err(error) = found.check(settings.clone()) {
            let message =
                format!("the settings of `{place}` in `{name}`, all put together: {error}");
            let mistake = Mistake::new(place.span(), message).label("cannot work like this");
            reader.note(mistake.help("several specs may give some settings each, but not too few"));
        }
    }
}

/// A crate's spec without what documents add to it.
impl SpecDraft {
    /// Whether it is the draft of a crate, and not of something in the document.
    pub(super) fn is_crate(&self) -> bool {
        self.crate_place.is_some()
    }
}

/// Specs without the crates among them.
pub(super) fn own_specs(specs: &ServerSpecs, nodes: &NodeSpecs) -> BTreeMap<String, ServerSpec> {
    specs
        .iter()
        .filter(|(_, spec)| !spec.is_crate())
        .map(|(name, spec)| (name.clone(), super::extends::merged(&[spec], specs, nodes)))
        .collect()
}
