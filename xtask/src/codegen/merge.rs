//! The models of all versions to one model of all.
//!
//! Names that differ in capitals only are one thing with several spellings. An operation has one
//! [`Operation`] for each signature it ever had, the newest first.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, bail, ensure};

use super::model::{
    Enum, EnumValue, Facts, Field, Interface, MOST_VERSIONS, Model, Named, Operation, ResultCode,
    Spelling, Struct, Type, Versions,
};

/// Merges models of one version each, oldest first.
pub fn merge(mut models: Vec<Model>) -> anyhow::Result<Model> {
    ensure!(models.len() <= MOST_VERSIONS, "more than {MOST_VERSIONS} API versions");
    rename(&mut models);
    let mut merged = Model {
        versions: models.iter().flat_map(|model| model.versions.clone()).collect(),
        ..Model::default()
    };
    let lists = models.iter_mut().map(|model| std::mem::take(&mut model.results)).collect();
    for found in in_order(lists, |result: &ResultCode| result.name.clone()) {
        let (_, newest) = found.last().context("nothing")?;
        ensure!(
            found.iter().all(|(_, result)| result == newest),
            "{} had another value once",
            newest.name
        );
        merged.results.push(newest.clone());
    }
    let lists = models.iter_mut().map(|model| std::mem::take(&mut model.enums)).collect();
    for found in in_order(lists, |item: &Enum| item.name.to_lowercase()) {
        merged.enums.push(merge_enum(found)?);
    }
    let lists = models.iter_mut().map(|model| std::mem::take(&mut model.structs)).collect();
    for found in in_order(lists, |item: &Struct| item.name.to_lowercase()) {
        merged.structs.push(merge_struct(found)?);
    }
    let lists = models.iter_mut().map(|model| std::mem::take(&mut model.interfaces)).collect();
    for found in in_order(lists, |item: &Interface| item.name.to_lowercase()) {
        let name = found.last().map_or(String::new(), |(_, item)| item.name.clone());
        merged
            .interfaces
            .push(merge_interface(found).with_context(|| format!("interface {name}"))?);
    }
    Ok(merged)
}

/// Something with the position of the version it is from, oldest first.
type Found<T> = Vec<(usize, T)>;

/// Brings together what has the same key. The newest list's order counts; what only older lists have
/// stands after what it stood after there.
fn in_order<T>(lists: Vec<Vec<T>>, key: impl Fn(&T) -> String) -> Vec<Found<T>> {
    let mut order: Vec<String> = vec![];
    let mut found: HashMap<String, Found<T>> = HashMap::new();
    for (position, list) in lists.into_iter().enumerate().rev() {
        let mut place = 0;
        for item in list {
            let key = key(&item);
            match order.iter().position(|known| *known == key) {
                Some(at) => place = at + 1,
                None => {
                    order.insert(place, key.clone());
                    place += 1;
                }
            }
            found.entry(key).or_default().insert(0, (position, item));
        }
    }
    order.into_iter().filter_map(|key| found.remove(&key)).collect()
}

/// Where something is, from the words that each version has for it.
fn facts<'a>(found: impl Iterator<Item = (usize, Vec<&'a str>)>) -> Facts {
    let found: Vec<_> = found.collect();
    let mut facts = Facts::default();
    let newest = found.last().map_or(&[][..], |(_, words)| words);
    for (position, words) in &found {
        let version = Versions::one(*position);
        facts.versions = facts.versions.union(version);
        let mut other = vec![];
        for (word, new) in words.iter().zip(newest) {
            if word != new && !other.iter().any(|known| known == word) {
                other.push((*word).to_owned());
            }
        }
        if other.is_empty() {
            continue;
        }
        match facts.spellings.iter_mut().find(|spelling| spelling.words == other) {
            Some(spelling) => spelling.versions = spelling.versions.union(version),
            None => facts.spellings.push(Spelling { versions: version, words: other }),
        }
    }
    facts
}

fn take_newest<T: Clone>(found: &Found<T>) -> anyhow::Result<T> {
    Ok(found.last().context("nothing")?.1.clone())
}

/// Each version's list of parts.
fn parts<T, P>(found: Found<T>, part: impl Fn(T) -> Vec<P>) -> Vec<Vec<P>> {
    let mut lists = vec![];
    for (position, item) in found {
        lists.resize_with(position, Vec::new);
        lists.push(part(item));
    }
    lists
}

fn merge_enum(found: Found<Enum>) -> anyhow::Result<Enum> {
    let Enum { name, .. } = take_newest(&found)?;
    let facts_of = facts(found.iter().map(|(at, item)| (*at, vec![item.name.as_str()])));
    let lists = parts(found, |item| item.values);
    let mut values = vec![];
    for found in in_order(lists, |value: &EnumValue| value.name.to_lowercase()) {
        let facts = facts(found.iter().map(|(at, value)| (*at, vec![value.name.as_str()])));
        values.push(EnumValue { facts, ..take_newest(&found)? });
    }
    Ok(Enum { name, facts: facts_of, values })
}

fn merge_struct(found: Found<Struct>) -> anyhow::Result<Struct> {
    let Struct { name, .. } = take_newest(&found)?;
    let facts_of = facts(found.iter().map(|(at, item)| (*at, vec![item.name.as_str()])));
    let lists = parts(found, |item| item.fields);
    let mut fields = vec![];
    for found in in_order(lists, |field: &Field| field.value.name.to_lowercase()) {
        let facts = facts(found.iter().map(|(at, field)| (*at, vec![field.value.name.as_str()])));
        let newest = take_newest(&found)?;
        if found.iter().any(|(_, field)| field.value.ty != newest.value.ty) {
            bail!("{name}.{} had another type once", newest.value.name);
        }
        fields.push(Field { facts, ..newest });
    }
    Ok(Struct { name, facts: facts_of, fields })
}

fn merge_interface(found: Found<Interface>) -> anyhow::Result<Interface> {
    let newest = take_newest(&found)?;
    for (_, item) in &found {
        ensure!(item.base == newest.base, "it extended {:?} once", item.base);
        ensure!(item.global == newest.global, "it was global in some versions only");
    }
    let facts = facts(found.iter().map(|(at, item)| (*at, vec![item.name.as_str()])));
    let lists = parts(found, |item| item.operations);
    let mut operations = vec![];
    for found in in_order(lists, |operation: &Operation| operation.wire_name().to_lowercase()) {
        let name = take_newest(&found)?.name;
        operations.extend(signatures(found).with_context(|| format!("operation {name}"))?);
    }
    Ok(Interface { facts, operations, ..newest })
}

/// The signatures of one operation, the newest first.
fn signatures(found: Found<Operation>) -> anyhow::Result<Vec<Operation>> {
    let mut signatures: Vec<Found<Operation>> = vec![];
    // The newest come first, and so do their signatures.
    for (position, operation) in found.into_iter().rev() {
        let same = signatures.iter_mut().find(|signature| {
            signature.first().is_some_and(|(_, other)| is_same(other, &operation))
        });
        match same {
            Some(signature) => signature.insert(0, (position, operation)),
            None => signatures.push(vec![(position, operation)]),
        }
    }
    let merged = signatures.into_iter().map(|found| {
        let newest = take_newest(&found)?;
        for (_, older) in &found {
            let outputs = |operation: &Operation| operation.outputs.clone();
            ensure!(outputs(older) == outputs(&newest), "an output was spelled otherwise once");
            // An attribute that was a method once, or a method an attribute, is the same on the wire.
            ensure!(
                older.kind == newest.kind || older.wire_name() == newest.wire_name(),
                "it changed its kind and its spelling at once"
            );
        }
        let facts = facts(found.iter().map(|(at, operation)| {
            let same_kind = operation.kind == newest.kind;
            let name = if same_kind { &operation.name } else { &newest.name };
            let parameters = operation.parameters.iter().map(|value| value.name.as_str());
            (*at, std::iter::once(name.as_str()).chain(parameters).collect())
        }));
        Ok(Operation { facts, ..newest })
    });
    merged.collect()
}

/// Whether two signatures of an operation are the same, capitals apart.
fn is_same(one: &Operation, other: &Operation) -> bool {
    let same = |one: &[Named], other: &[Named]| {
        one.len() == other.len()
            && one.iter().zip(other).all(|(one, other)| {
                one.name.eq_ignore_ascii_case(&other.name) && one.ty == other.ty
            })
    };
    same(&one.parameters, &other.parameters) && same(&one.outputs, &other.outputs)
}

/// Gives every type one name in all versions that are meant.
///
/// Capitals are those of the newest version. What was a struct before it became an interface, or the other way
/// round, are two types: the older is called after its first version, as signatures are: `ISharedFolderV4_1`.
fn rename(models: &mut [Model]) {
    let mut newest: HashMap<String, String> = HashMap::new();
    let mut kinds: HashMap<String, Vec<(bool, String)>> = HashMap::new();
    for model in models.iter() {
        let structs = model.structs.iter().map(|item| (&item.name, true));
        let interfaces = model.interfaces.iter().map(|item| (&item.name, false));
        for (name, is_struct) in structs.chain(interfaces) {
            let versions = kinds.entry(name.to_lowercase()).or_default();
            if versions.last().is_none_or(|(last, _)| *last != is_struct) {
                versions.push((is_struct, model.versions.concat()));
            }
        }
        let enums = model.enums.iter().map(|item| &item.name);
        let structs = model.structs.iter().map(|item| &item.name);
        let interfaces = model.interfaces.iter().map(|item| &item.name);
        for name in enums.chain(structs).chain(interfaces) {
            newest.insert(name.to_lowercase(), name.clone());
        }
    }
    for model in models {
        let structs: HashSet<String> =
            model.structs.iter().map(|item| item.name.to_lowercase()).collect();
        let type_name = |name: &str| {
            let key = name.to_lowercase();
            let Some(newest) = newest.get(&key) else { return name.to_owned() };
            let kinds = kinds.get(&key).map_or(&[][..], Vec::as_slice);
            let now = kinds.last().map(|(is_struct, _)| *is_struct);
            match kinds.iter().find(|(is_struct, _)| *is_struct == structs.contains(&key)) {
                Some((kind, first)) if Some(*kind) != now => {
                    format!("{newest}V{}", first.replace('.', "_"))
                }
                _ => newest.clone(),
            }
        };
        let retype = |ty: &mut Type| ty.name = type_name(&ty.name);
        for item in &mut model.structs {
            // The name itself never travels, so its old spelling is worth nothing.
            item.name = type_name(&item.name);
            item.fields.iter_mut().for_each(|field| retype(&mut field.value.ty));
        }
        for item in &mut model.interfaces {
            item.base = item.base.as_deref().map(type_name);
            for operation in &mut item.operations {
                let values = operation.parameters.iter_mut().chain(&mut operation.outputs);
                values.for_each(|value| retype(&mut value.ty));
            }
        }
        for item in &mut model.enums {
            item.name = type_name(&item.name);
        }
    }
}
