//! Enums, structs and result codes.

use std::collections::BTreeSet;
use std::fmt::Write;

use anyhow::ensure;

use super::{Api, Kind, PREAMBLE, import_of, owned_type};
use crate::codegen::model::{Model, Versions};
use crate::codegen::names;

/// The named result codes.
pub fn results(model: &Model) -> String {
    let mut out = String::from(PREAMBLE);
    out.push_str(
        "/// VirtualBox's own result codes.\npub(crate) const RESULTS: &[(u32, &str)] = &[\n",
    );
    for result in &model.results {
        let _ = writeln!(out, "    (0x{:08X}, \"{}\"),", result.value, result.name);
    }
    out.push_str("];\n");
    out
}

/// All enums.
pub fn enums(model: &Model) -> anyhow::Result<String> {
    let mut out = String::from(PREAMBLE);
    out.push_str("use crate::open_enum::open_enum;\n");
    for item in &model.enums {
        let since = sentence(model, item.facts.versions, model.all_versions());
        let _ = writeln!(
            out,
            "\nopen_enum! {{\n    /// VirtualBox's enumeration `{0}`.{since}\n    {0} {{",
            item.name
        );
        let mut variants = BTreeSet::new();
        for value in &item.values {
            let variant = names::variant(&value.name);
            ensure!(variants.insert(variant.clone()), "{} has two values {variant}", item.name);
            if let Some(since) = model.since_text(value.facts.versions, item.facts.versions) {
                let _ = writeln!(out, "        /// {since}");
            }
            let older: String = value
                .facts
                .spellings
                .iter()
                .map(|spelling| {
                    let words = spelling.words.join(" ");
                    format!(" | \"{words}\" in {:#b}", spelling.versions.0)
                })
                .collect();
            let _ = writeln!(out, "        {variant} = \"{}\"{older},", value.name);
        }
        out.push_str("    }\n}\n");
    }
    Ok(out)
}

/// A sentence about versions, with a space before it, or nothing.
fn sentence(model: &Model, versions: Versions, whole: Versions) -> String {
    model.since_text(versions, whole).map_or(String::new(), |text| format!(" {text}"))
}

/// All structs.
pub fn structs(api: &Api) -> anyhow::Result<String> {
    let mut imports = BTreeSet::from([
        "crate::error::DecodeError".to_owned(),
        "crate::wire::decode::{Decode, Element, References}".to_owned(),
    ]);
    let mut body = String::new();
    for item in &api.model.structs {
        let since = sentence(api.model, item.facts.versions, api.model.all_versions());
        let _ = writeln!(
            body,
            "\n/// VirtualBox's `{0}`, which travels by value.{since} What the server leaves out has its default.\n\
             #[derive(Debug, Clone, Default)]\n#[non_exhaustive]\npub struct {0} {{",
            item.name
        );
        let mut decode = String::new();
        for field in &item.fields {
            let name = names::identifier(&field.value.name);
            let ty = &field.value.ty;
            let object = matches!(api.kind(ty)?, Kind::Interface(_) | Kind::AnyObject);
            let _ = writeln!(
                body,
                "    /// `{}`{}\n    pub {name}: {},",
                field.value.name,
                sentence(api.model, field.facts.versions, item.facts.versions)
                    .replacen(' ', ". ", 1),
                owned_type(api, ty, object)?
            );
            let older = field.facts.spellings.iter().flat_map(|spelling| &spelling.words);
            let older: String = older.map(|word| format!("\"{word}\", ")).collect();
            let wire = &field.value.name;
            let _ = match older.as_str() {
                "" => writeln!(decode, "{name}: element.field(\"{wire}\", references)?,"),
                _ => writeln!(
                    decode,
                    "{name}: element.field_once_called(\"{wire}\", &[{older}], references)?,"
                ),
            };
            imports.extend(import_of(api, ty)?);
        }
        let _ = writeln!(
            body,
            "}}\n\nimpl Decode for {} {{\n    fn decode(element: &Element, references: &References) -> Result<Self, DecodeError> {{\n        Ok(Self {{\n{decode}        }})\n    }}\n}}",
            item.name
        );
    }
    let imports: String = imports.iter().map(|path| format!("use {path};\n")).collect();
    Ok(format!("{PREAMBLE}{imports}{body}"))
}
