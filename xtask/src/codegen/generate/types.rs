//! Enums, structs and result codes.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{Api, Kind, PREAMBLE, import_of, owned_type};
use crate::codegen::model::Model;
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
pub fn enums(model: &Model) -> String {
    let mut out = String::from(PREAMBLE);
    out.push_str("use crate::open_enum::open_enum;\n");
    for item in &model.enums {
        let _ = writeln!(
            out,
            "\nopen_enum! {{\n    /// VirtualBox's enumeration `{0}`.\n    {0} {{",
            item.name
        );
        for value in &item.values {
            let _ = writeln!(out, "        {} = \"{}\",", names::variant(&value.name), value.name);
        }
        out.push_str("    }\n}\n");
    }
    out
}

/// All structs.
pub fn structs(api: &Api) -> anyhow::Result<String> {
    let mut imports = BTreeSet::from([
        "crate::error::DecodeError".to_owned(),
        "crate::wire::decode::{Decode, Element, References}".to_owned(),
    ]);
    let mut body = String::new();
    for item in &api.model.structs {
        let _ = writeln!(
            body,
            "\n/// VirtualBox's `{0}`, which travels by value. What the server leaves out has its default.\n\
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
                "    /// `{}`\n    pub {name}: {},",
                field.value.name,
                owned_type(api, ty, object)?
            );
            let _ =
                writeln!(decode, "{name}: element.field(\"{}\", references)?,", field.value.name);
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
