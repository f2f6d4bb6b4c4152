//! The API model's file format: one line per fact, meant to be read and diffed.
//!
//! ```text
//! versions 7.1 7.2
//! result VBOX_E_OBJECT_NOT_FOUND 0x80BB0001
//! enum CloneMode
//!   MachineState
//! struct IAdditionsFacility
//!   name: string
//! interface IGuestFile < IFile
//!   get offset: i64
//!   call read(toRead: u32, timeoutMS: u32) -> returnval: bytes
//!   call seek(offset: i64) -> newOffset: i64 @ 7.1..7.1
//! global IWebsessionManager
//! ```
//!
//! `@` names the versions that have an item, as ranges separated by commas; without it the item is in
//! every version its owner is in. `#` begins a comment line.

use std::fmt::Write;

use anyhow::{Context, bail};

use super::model::{
    Enum, EnumValue, Field, Interface, Model, Named, Operation, OperationKind, RETURN_VALUE,
    ResultCode, Struct, Type, VersionRange, Versions,
};

const HEADER: &str = "\
# The API of VirtualBox's web service: facts read from its WSDL and XIDL by
# `cargo xtask codegen import`. The bindings are generated from this file.
";

/// Writes the model as text.
pub fn write(model: &Model) -> String {
    let mut out = String::from(HEADER);
    line(&mut out, &format!("versions {}", model.versions.join(" ")), &None);
    for result in &model.results {
        line(&mut out, &format!("result {} 0x{:08X}", result.name, result.value), &None);
    }
    for item in &model.enums {
        line(&mut out, &format!("enum {}", item.name), &item.versions);
        for value in &item.values {
            line(&mut out, &format!("  {}", value.name), &value.versions);
        }
    }
    for item in &model.structs {
        line(&mut out, &format!("struct {}", item.name), &item.versions);
        for field in &item.fields {
            line(&mut out, &format!("  {}", named(&field.value)), &field.versions);
        }
    }
    for item in &model.interfaces {
        let keyword = if item.global { "global" } else { "interface" };
        let base = item.base.as_ref().map_or(String::new(), |base| format!(" < {base}"));
        line(&mut out, &format!("{keyword} {}{base}", item.name), &item.versions);
        for operation in &item.operations {
            line(&mut out, &format!("  {}", operation_text(operation)), &operation.versions);
        }
    }
    out
}

fn line(out: &mut String, text: &str, versions: &Versions) {
    out.push_str(text);
    if let Some(ranges) = versions {
        for (i, range) in ranges.iter().enumerate() {
            out.push_str(if i == 0 { " @ " } else { ", " });
            // Writing to a string cannot fail.
            let _ = write!(out, "{}..{}", range.first, range.last);
        }
    }
    out.push('\n');
}

fn named(value: &Named) -> String {
    format!("{}: {}{}", value.name, value.ty.name, if value.ty.array { "[]" } else { "" })
}

fn operation_text(operation: &Operation) -> String {
    let list = |values: &[Named]| values.iter().map(named).collect::<Vec<_>>().join(", ");
    match operation.kind {
        OperationKind::Get | OperationKind::Set => {
            let (keyword, values) = if operation.kind == OperationKind::Get {
                ("get", &operation.outputs)
            } else {
                ("set", &operation.parameters)
            };
            let ty = values.iter().map(|v| format!("{}{}", v.ty.name, array_mark(&v.ty)));
            format!("{keyword} {}: {}", operation.name, ty.collect::<String>())
        }
        OperationKind::Call => {
            let mut text = format!("call {}({})", operation.name, list(&operation.parameters));
            if !operation.outputs.is_empty() {
                text.push_str(" -> ");
                text.push_str(&list(&operation.outputs));
            }
            text
        }
    }
}

fn array_mark(ty: &Type) -> &'static str {
    if ty.array { "[]" } else { "" }
}

/// Reads the model from text.
pub fn parse(text: &str) -> anyhow::Result<Model> {
    let mut model = Model::default();
    let mut owner = Owner::None;
    for (number, line) in text.lines().enumerate() {
        parse_line(&mut model, &mut owner, line)
            .with_context(|| format!("line {}: `{line}`", number + 1))?;
    }
    Ok(model)
}

/// What an indented line belongs to.
enum Owner {
    None,
    Enum,
    Struct,
    Interface,
}

fn parse_line(model: &mut Model, owner: &mut Owner, line: &str) -> anyhow::Result<()> {
    let trimmed = line.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Ok(());
    }
    let (text, versions) = split_versions(trimmed)?;
    if line.starts_with(' ') {
        return parse_member(model, owner, text, versions);
    }
    let (keyword, rest) = text.split_once(' ').context("expected a keyword and a name")?;
    let name = rest.to_owned();
    match keyword {
        "versions" => model.versions = rest.split(' ').map(str::to_owned).collect(),
        "result" => {
            let (name, value) = rest.split_once(" 0x").context("expected `NAME 0xVALUE`")?;
            let value = u32::from_str_radix(value, 16)?;
            model.results.push(ResultCode { name: name.to_owned(), value });
        }
        "enum" => {
            model.enums.push(Enum { name, versions, values: vec![] });
            *owner = Owner::Enum;
        }
        "struct" => {
            model.structs.push(Struct { name, versions, fields: vec![] });
            *owner = Owner::Struct;
        }
        "interface" | "global" => {
            let (name, base) = match rest.split_once(" < ") {
                Some((name, base)) => (name.to_owned(), Some(base.to_owned())),
                None => (name, None),
            };
            let global = keyword == "global";
            model.interfaces.push(Interface { name, base, global, versions, operations: vec![] });
            *owner = Owner::Interface;
        }
        _ => bail!("unknown keyword `{keyword}`"),
    }
    Ok(())
}

fn split_versions(text: &str) -> anyhow::Result<(&str, Versions)> {
    let Some((text, ranges)) = text.split_once(" @ ") else { return Ok((text, None)) };
    let ranges = ranges
        .split(", ")
        .map(|range| {
            let (first, last) = range.split_once("..").context("expected `first..last`")?;
            Ok(VersionRange { first: first.to_owned(), last: last.to_owned() })
        })
        .collect::<anyhow::Result<_>>()?;
    Ok((text, Some(ranges)))
}

fn parse_member(
    model: &mut Model,
    owner: &Owner,
    text: &str,
    versions: Versions,
) -> anyhow::Result<()> {
    match owner {
        Owner::None => bail!("an indented line before any enum, struct or interface"),
        Owner::Enum => {
            let item = model.enums.last_mut().context("no enum")?;
            item.values.push(EnumValue { name: text.to_owned(), versions });
        }
        Owner::Struct => {
            let item = model.structs.last_mut().context("no struct")?;
            item.fields.push(Field { value: parse_named(text)?, versions });
        }
        Owner::Interface => {
            let item = model.interfaces.last_mut().context("no interface")?;
            item.operations.push(parse_operation(text, versions)?);
        }
    }
    Ok(())
}

fn parse_operation(text: &str, versions: Versions) -> anyhow::Result<Operation> {
    let (keyword, rest) = text.split_once(' ').context("expected `get`, `set` or `call`")?;
    let attribute = |kind| {
        let value = parse_named(rest)?;
        let name = value.name.clone();
        let (parameters, outputs) = if kind == OperationKind::Set {
            (vec![value], vec![])
        } else {
            (vec![], vec![Named { name: RETURN_VALUE.to_owned(), ty: value.ty }])
        };
        Ok(Operation { kind, name, parameters, outputs, versions: versions.clone() })
    };
    match keyword {
        "get" => attribute(OperationKind::Get),
        "set" => attribute(OperationKind::Set),
        "call" => {
            let (name, rest) = rest.split_once('(').context("expected `(`")?;
            let (parameters, rest) = rest.split_once(')').context("expected `)`")?;
            let outputs = match rest {
                "" => vec![],
                _ => parse_list(rest.strip_prefix(" -> ").context("expected ` -> `")?)?,
            };
            let parameters = parse_list(parameters)?;
            let (kind, name) = (OperationKind::Call, name.to_owned());
            Ok(Operation { kind, name, parameters, outputs, versions })
        }
        _ => bail!("expected `get`, `set` or `call`, not `{keyword}`"),
    }
}

fn parse_list(text: &str) -> anyhow::Result<Vec<Named>> {
    if text.is_empty() {
        return Ok(vec![]);
    }
    text.split(", ").map(parse_named).collect()
}

fn parse_named(text: &str) -> anyhow::Result<Named> {
    let (name, ty) = text.split_once(": ").context("expected `name: type`")?;
    let (ty, array) = ty.strip_suffix("[]").map_or((ty, false), |ty| (ty, true));
    if name.is_empty() || ty.is_empty() || ty.contains([' ', ',', '(']) {
        bail!("expected `name: type`, not `{text}`");
    }
    Ok(Named { name: name.to_owned(), ty: Type { name: ty.to_owned(), array } })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
versions 7.1 7.2
result VBOX_E_OBJECT_NOT_FOUND 0x80BB0001
enum CloneMode
  MachineState
  AllStates @ 7.2..7.2
struct IAdditionsFacility
  name: string
interface IFile
  get offset: i64
  set name: string[] @ 7.1..7.1
  call read(toRead: u32, other: IFile) -> returnval: bytes
  call both() -> first: string[], returnval: bool
  call nothing(keys: i32[])
interface IGuestFile < IFile @ 7.1..7.1, 7.2..7.2
global IWebsessionManager
  call logoff(refIVirtualBox: IFile)
";

    #[test]
    fn what_is_written_reads_back_the_same() {
        let model = parse(SAMPLE).unwrap();
        assert_eq!(write(&model), format!("{HEADER}{SAMPLE}"));
        assert_eq!(parse(&write(&model)).unwrap(), model);
    }

    #[test]
    fn versions_become_bits_with_gaps() {
        let model = parse(SAMPLE).unwrap();
        assert_eq!(model.version_bits(&None).unwrap(), 0b11);
        assert_eq!(model.version_bits(&model.enums[0].values[1].versions).unwrap(), 0b10);
        assert_eq!(model.version_bits(&model.interfaces[1].versions).unwrap(), 0b11);
        let unknown = Some(vec![VersionRange { first: "9.9".into(), last: "9.9".into() }]);
        assert!(model.version_bits(&unknown).is_err());
    }

    #[test]
    fn a_wrong_line_is_named() {
        for wrong in [
            "enum A\n  B\nnonsense here",
            "interface I\n  get name",
            "interface I\n  call x(a: string",
            "interface I\n  call x() returnval: string",
            "  orphan",
            "enum A @ 7.1",
        ] {
            let error = format!("{:#}", parse(wrong).unwrap_err());
            assert!(error.contains(&format!("line {}", wrong.lines().count())), "{error}");
        }
    }
}
