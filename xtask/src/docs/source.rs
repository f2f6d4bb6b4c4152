//! Rust files, as far as the reference is made of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use syn::{Attribute, Expr, Fields, GenericArgument, Item, Lit, Meta, PathArguments, Type};

use crate::process::workspace;

/// All types of a crate, by name. Of several with one name, those of a file can be asked for.
pub(super) struct Source {
    items: BTreeMap<String, Vec<(PathBuf, Item)>>,
}

/// A key of a table, or a variant of an enum.
pub(super) struct Key {
    pub name: String,
    pub doc: String,
    /// What it takes, in words, and the type of ours that it is made of.
    pub words: String,
    pub of: Option<String>,
    /// For variants: their own keys.
    pub keys: Vec<Key>,
}

/// A type, as documents and results show it.
pub(super) struct Described {
    pub doc: String,
    pub keys: Vec<Key>,
    pub is_enum: bool,
}

impl Source {
    /// Reads the sources of a crate.
    pub fn of(krate: &str) -> anyhow::Result<Self> {
        let mut items: BTreeMap<String, Vec<(PathBuf, Item)>> = BTreeMap::new();
        let mut folders = vec![workspace().join(krate).join("src")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
                let path = entry?.path();
                match path.is_dir() {
                    true => folders.push(path),
                    false if path.extension().is_some_and(|it| it == "rs") => files.push(path),
                    false => {}
                }
            }
        }
        files.sort();
        for path in files {
            let text = fs::read_to_string(&path)?;
            let file = syn::parse_file(&text).with_context(|| format!("{}", path.display()))?;
            for item in file.items {
                let name = match &item {
                    Item::Struct(it) => it.ident.to_string(),
                    Item::Enum(it) => it.ident.to_string(),
                    Item::Impl(it) => match &it.trait_ {
                        Some((path, _)) => format!("impl {}", last(path)),
                        None => format!("impl {}", type_name(&it.self_ty)),
                    },
                    _ => continue,
                };
                items.entry(name).or_default().push((path.clone(), item));
            }
        }
        Ok(Self { items })
    }

    /// Implementations of a trait: the type, its constants and associated types, and its file.
    pub fn implementations(&self, of: &str) -> Vec<(String, BTreeMap<String, String>, PathBuf)> {
        let found = self.items.get(&format!("impl {of}")).into_iter().flatten();
        found
            .filter_map(|(path, item)| match item {
                Item::Impl(it) => Some((type_name(&it.self_ty), constants(it), path.clone())),
                _ => None,
            })
            .collect()
    }

    /// The documentation of a method.
    pub fn method(&self, of: &str, name: &str) -> Option<String> {
        let found = self.items.get(&format!("impl {of}"))?.iter();
        found.filter_map(|(_, item)| method_doc(item, name)).next()
    }

    /// Describes a type; one in `near` is preferred to others of its name.
    pub fn describe(&self, name: &str, near: Option<&Path>) -> Option<Described> {
        let all = self.items.get(name)?;
        let in_file = |file: &Path| all.iter().find(|(path, _)| path.starts_with(file));
        let (_, item) = near.and_then(in_file).or_else(|| all.first())?;
        match item {
            Item::Struct(it) => Some(Described {
                doc: doc(&it.attrs),
                keys: fields(&it.fields, case(&it.attrs)),
                is_enum: false,
            }),
            Item::Enum(it) => {
                let case = case(&it.attrs);
                let variants = it.variants.iter().filter(|it| !has(&it.attrs, "skip"));
                let keys = variants.map(|variant| Key {
                    name: renamed(&variant.attrs)
                        .unwrap_or_else(|| case(&variant.ident.to_string())),
                    doc: doc(&variant.attrs),
                    words: String::new(),
                    of: None,
                    keys: fields(&variant.fields, case),
                });
                Some(Described { doc: doc(&it.attrs), keys: keys.collect(), is_enum: true })
            }
            _ => None,
        }
    }
}

fn method_doc(item: &Item, name: &str) -> Option<String> {
    let Item::Impl(item) = item else { return None };
    item.items.iter().find_map(|it| match it {
        syn::ImplItem::Fn(it) if it.sig.ident == name => Some(doc(&it.attrs)),
        _ => None,
    })
}

fn constants(item: &syn::ItemImpl) -> BTreeMap<String, String> {
    let value = |it: &syn::ImplItem| match it {
        syn::ImplItem::Const(it) => Some((it.ident.to_string(), literal(&it.expr)?)),
        syn::ImplItem::Type(it) => Some((it.ident.to_string(), type_name(&it.ty))),
        _ => None,
    };
    item.items.iter().filter_map(value).collect()
}

fn fields(fields: &Fields, case: fn(&str) -> String) -> Vec<Key> {
    let Fields::Named(named) = fields else { return Vec::new() };
    let shown = named.named.iter().filter(|field| !has(&field.attrs, "skip"));
    shown
        .filter_map(|field| {
            let name = field.ident.as_ref()?.to_string();
            let (words, of) = words(&field.ty);
            let name = renamed(&field.attrs).unwrap_or_else(|| case(name.trim_start_matches("r#")));
            Some(Key { name, doc: doc(&field.attrs), words, of, keys: Vec::new() })
        })
        .collect()
}

/// What a key takes, in words, and the type of ours in it.
fn words(ty: &Type) -> (String, Option<String>) {
    let Type::Path(path) = ty else { return ("value".into(), None) };
    let Some(segment) = path.path.segments.last() else { return ("value".into(), None) };
    let name = segment.ident.to_string();
    let arguments: Vec<&Type> = match &segment.arguments {
        PathArguments::AngleBracketed(it) => it
            .args
            .iter()
            .filter_map(|it| match it {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    match (name.as_str(), arguments.as_slice()) {
        ("Option" | "Box" | "Arc" | "MaybeSecret", [inner]) => words(inner),
        ("Vec" | "BTreeSet", [inner]) => {
            let (inner, of) = words(inner);
            (format!("list of {inner}"), of)
        }
        ("BTreeMap", [_, value]) => {
            let (value, of) = words(value);
            (format!("table of {value}"), of)
        }
        ("Map", _) => ("table".into(), None),
        ("String" | "PathBuf" | "str", _) => ("text".into(), None),
        ("Secret", _) => ("secret".into(), None),
        ("MaybeSecret", _) => ("text or secret".into(), None),
        ("TextPattern" | "NamePattern", _) => ("pattern".into(), None),
        ("bool", _) => ("true or false".into(), None),
        ("u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64", _) => {
            ("whole number".into(), None)
        }
        ("Duration", _) => ("time".into(), None),
        ("Value", _) => ("value".into(), None),
        (other, _) => (other.to_owned(), Some(other.to_owned())),
    }
}

fn last(path: &syn::Path) -> String {
    path.segments.last().map(|it| it.ident.to_string()).unwrap_or_default()
}

fn type_name(ty: &Type) -> String {
    match ty {
        Type::Path(path) => last(&path.path),
        _ => String::new(),
    }
}

fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Lit(it) => match &it.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// The comment of an item, without the examples for Rust programs, which are compiled elsewhere.
fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(it) if it.path.is_ident("doc") => literal(&it.value),
        _ => None,
    });
    let mut kept = Vec::new();
    let mut in_rust = false;
    for line in lines.flat_map(|it| it.lines().map(str::to_owned).collect::<Vec<_>>()) {
        let line = line.strip_prefix(' ').map_or(line.clone(), str::to_owned);
        let fence = line.trim_start().starts_with("```");
        if in_rust {
            in_rust = !fence;
        } else if fence && matches!(line.trim(), "```" | "```rust" | "```no_run") && !is_open(&kept)
        {
            in_rust = true;
        } else {
            kept.push(line);
        }
    }
    kept.join("\n").trim().to_owned()
}

/// Whether a block of another language is open.
fn is_open(lines: &[String]) -> bool {
    lines.iter().filter(|line| line.trim_start().starts_with("```")).count() % 2 == 1
}

/// Links to Rust items lead nowhere outside of Rust's documentation: their words stay.
pub(super) fn plain_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('[') {
        out.push_str(head);
        let Some((words, after)) = tail.split_once(']') else {
            return out + "[" + tail;
        };
        let target = after.strip_prefix('(').and_then(|after| after.split_once(')'));
        rest = match target {
            Some((target, after)) if is_item(target) => {
                out.push_str(words);
                after
            }
            None if words.len() > 1 && words.starts_with('`') && words.ends_with('`') => {
                out.push_str(words);
                after
            }
            _ => {
                out.push('[');
                tail
            }
        };
    }
    out + rest
}

fn is_item(target: &str) -> bool {
    target.contains("::") || ["super", "self", "crate"].contains(&target)
}

/// The words of an item's `#[serde(…)]`.
fn serde(attributes: &[Attribute]) -> String {
    let lists = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::List(it) if it.path.is_ident("serde") => Some(it.tokens.to_string()),
        _ => None,
    });
    lists.collect::<Vec<_>>().join(", ")
}

fn has(attributes: &[Attribute], word: &str) -> bool {
    serde(attributes).split(',').any(|it| it.trim() == word)
}

fn renamed(attributes: &[Attribute]) -> Option<String> {
    let words = serde(attributes);
    let (_, rest) = words.split_once("rename = \"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// How names are written: everything of ours is, or becomes, kebab-case.
fn case(attributes: &[Attribute]) -> fn(&str) -> String {
    match serde(attributes).contains("lowercase") {
        true => |name| name.to_lowercase(),
        false => kebab,
    }
}

fn kebab(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        match letter {
            '_' => out.push('-'),
            letter if letter.is_uppercase() => {
                if !out.is_empty() {
                    out.push('-');
                }
                out.extend(letter.to_lowercase());
            }
            letter => out.push(letter),
        }
    }
    out
}
