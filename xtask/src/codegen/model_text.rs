//! The API model's file format: one line per fact, meant to be read and diffed.
//!
//! ```text
//! versions 5.2 6.0 7.2
//! result VBOX_E_OBJECT_NOT_FOUND 0x80BB0001
//! enum CloneMode
//!   MachineState
//! struct IAdditionsFacility
//!   name: string
//! interface IGuestFile < IFile @ 5.2, 7.2
//!   get offset: i64
//!   call read(toRead: u32, timeoutMS: u32) -> returnval: bytes
//!   call seek(offset: i64) -> newOffset: i64 @ 6.0..
//!   set IOCacheEnabled: bool ~ 5.2 ioCacheEnabled
//! global IWebsessionManager
//! ```
//!
//! `@` names the versions that have an item, as ranges separated by commas, the end left out where it is the
//! newest; without `@` the item is in every version its owner is in. `~` names words that some versions
//! spelled with other capitals. `#` begins a comment line.

use std::fmt::Write;

use anyhow::{Context, bail, ensure};

use super::model::{
    Enum, EnumValue, Facts, Field, Interface, MOST_VERSIONS, Model, Named, Operation,
    OperationKind, RETURN_VALUE, ResultCode, Spelling, Struct, Type, Versions,
};

const HEADER: &str = "\
# The API of VirtualBox's web service: facts read from its WSDL and XIDL by
# `cargo xtask codegen import`. The bindings are generated from this file.
";

/// Writes the model as text.
pub fn write(model: &Model) -> String {
    let mut out = String::from(HEADER);
    let all = model.all_versions();
    let _ = writeln!(out, "versions {}", model.versions.join(" "));
    for result in &model.results {
        let _ = writeln!(out, "result {} 0x{:08X}", result.name, result.value);
    }
    let mut line = |text: &str, facts: &Facts, owner: Versions| {
        out.push_str(text);
        if facts.versions != owner {
            let _ = write!(out, " @ {}", ranges(model, facts.versions));
        }
        for (i, spelling) in facts.spellings.iter().enumerate() {
            let mark = if i == 0 { " ~" } else { ";" };
            let versions = ranges(model, spelling.versions);
            let _ = write!(out, "{mark} {versions} {}", spelling.words.join(" "));
        }
        out.push('\n');
    };
    for item in &model.enums {
        line(&format!("enum {}", item.name), &item.facts, all);
        for value in &item.values {
            line(&format!("  {}", value.name), &value.facts, item.facts.versions);
        }
    }
    for item in &model.structs {
        line(&format!("struct {}", item.name), &item.facts, all);
        for field in &item.fields {
            line(&format!("  {}", named(&field.value)), &field.facts, item.facts.versions);
        }
    }
    for item in &model.interfaces {
        let keyword = if item.global { "global" } else { "interface" };
        let base = item.base.as_ref().map_or(String::new(), |base| format!(" < {base}"));
        line(&format!("{keyword} {}{base}", item.name), &item.facts, all);
        for operation in &item.operations {
            let text = format!("  {}", operation_text(operation));
            line(&text, &operation.facts, item.facts.versions);
        }
    }
    out
}

/// Ranges without spaces but after commas: `4.1..4.3, 5.0, 7.0..`.
fn ranges(model: &Model, versions: Versions) -> String {
    let text = |(first, last)| {
        if last + 1 == model.versions.len() {
            format!("{}..", model.version(first))
        } else if first == last {
            model.version(first).to_owned()
        } else {
            format!("{}..{}", model.version(first), model.version(last))
        }
    };
    versions.ranges().into_iter().map(text).collect::<Vec<_>>().join(", ")
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
    if line.starts_with(' ') {
        return parse_member(model, owner, trimmed);
    }
    let (keyword, rest) = trimmed.split_once(' ').context("expected a keyword and a name")?;
    match keyword {
        "versions" => {
            model.versions = rest.split(' ').map(str::to_owned).collect();
            ensure!(model.versions.len() <= MOST_VERSIONS, "more than {MOST_VERSIONS} versions");
            return Ok(());
        }
        "result" => {
            let (name, value) = rest.split_once(" 0x").context("expected `NAME 0xVALUE`")?;
            let value = u32::from_str_radix(value, 16)?;
            model.results.push(ResultCode { name: name.to_owned(), value });
            return Ok(());
        }
        _ => {}
    }
    let (rest, facts) = split_facts(model, rest, model.all_versions())?;
    let name = rest.to_owned();
    match keyword {
        "enum" => {
            model.enums.push(Enum { name, facts, values: vec![] });
            *owner = Owner::Enum;
        }
        "struct" => {
            model.structs.push(Struct { name, facts, fields: vec![] });
            *owner = Owner::Struct;
        }
        "interface" | "global" => {
            let (name, base) = match rest.split_once(" < ") {
                Some((name, base)) => (name.to_owned(), Some(base.to_owned())),
                None => (name, None),
            };
            let global = keyword == "global";
            model.interfaces.push(Interface { name, base, global, facts, operations: vec![] });
            *owner = Owner::Interface;
        }
        _ => bail!("unknown keyword `{keyword}`"),
    }
    Ok(())
}

/// Splits a line into the item itself and where it is.
fn split_facts<'a>(
    model: &Model,
    text: &'a str,
    owner: Versions,
) -> anyhow::Result<(&'a str, Facts)> {
    let (text, spellings) = match text.split_once(" ~ ") {
        Some((text, spellings)) => (text, spellings.split("; ").collect()),
        None => (text, vec![]),
    };
    let (text, versions) = match text.split_once(" @ ") {
        Some((text, versions)) => (text, parse_ranges(model, versions)?),
        None => (text, owner),
    };
    let spellings = spellings
        .into_iter()
        .map(|spelling| {
            let mut words = spelling.split(' ').peekable();
            let mut ranges = String::new();
            // Versions begin with a digit, names never do.
            while let Some(word) =
                words.next_if(|word| word.starts_with(|c: char| c.is_ascii_digit()))
            {
                ranges.push_str(if ranges.is_empty() { "" } else { " " });
                ranges.push_str(word);
            }
            let words: Vec<String> = words.map(str::to_owned).collect();
            ensure!(!words.is_empty(), "expected versions and names after `~`");
            Ok(Spelling { versions: parse_ranges(model, &ranges)?, words })
        })
        .collect::<anyhow::Result<_>>()?;
    Ok((text, Facts { versions, spellings }))
}

fn parse_ranges(model: &Model, text: &str) -> anyhow::Result<Versions> {
    let position = |version: &str| {
        let found = model.versions.iter().position(|known| known == version);
        found.with_context(|| format!("unknown API version `{version}`"))
    };
    let mut versions = Versions::default();
    for range in text.split(", ") {
        let (first, last) = match range.split_once("..") {
            Some((first, "")) => (position(first)?, model.versions.len() - 1),
            Some((first, last)) => (position(first)?, position(last)?),
            None => (position(range)?, position(range)?),
        };
        ensure!(first <= last, "`{range}` ends before it begins");
        versions = (first..=last).fold(versions, |all, i| all.union(Versions::one(i)));
    }
    Ok(versions)
}

fn parse_member(model: &mut Model, owner: &Owner, line: &str) -> anyhow::Result<()> {
    let whole = match owner {
        Owner::None => bail!("an indented line before any enum, struct or interface"),
        Owner::Enum => model.enums.last().map(|item| item.facts.versions),
        Owner::Struct => model.structs.last().map(|item| item.facts.versions),
        Owner::Interface => model.interfaces.last().map(|item| item.facts.versions),
    };
    let (text, facts) = split_facts(model, line, whole.unwrap_or_default())?;
    match owner {
        Owner::None => {}
        Owner::Enum => {
            let item = model.enums.last_mut().context("no enum")?;
            item.values.push(EnumValue { name: text.to_owned(), facts });
        }
        Owner::Struct => {
            let item = model.structs.last_mut().context("no struct")?;
            item.fields.push(Field { value: parse_named(text)?, facts });
        }
        Owner::Interface => {
            let item = model.interfaces.last_mut().context("no interface")?;
            item.operations.push(parse_operation(text, facts)?);
        }
    }
    Ok(())
}

fn parse_operation(text: &str, facts: Facts) -> anyhow::Result<Operation> {
    let (keyword, rest) = text.split_once(' ').context("expected `get`, `set` or `call`")?;
    let attribute = |kind| {
        let value = parse_named(rest)?;
        let name = value.name.clone();
        let (parameters, outputs) = if kind == OperationKind::Set {
            (vec![value], vec![])
        } else {
            (vec![], vec![Named { name: RETURN_VALUE.to_owned(), ty: value.ty }])
        };
        Ok(Operation { kind, name, parameters, outputs, facts: facts.clone() })
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
            Ok(Operation { kind, name, parameters, outputs, facts })
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
versions 6.1 7.0 7.1 7.2
result VBOX_E_OBJECT_NOT_FOUND 0x80BB0001
enum CloneMode
  MachineState
  AllStates @ 7.2..
  FIFO ~ 6.1, 7.1 Fifo; 7.0 fifo
struct IAdditionsFacility
  name: string
interface IFile @ 6.1, 7.1..
  get offset: i64
  set name: string[] @ 6.1
  call read(toRead: u32, other: IFile) -> returnval: bytes @ 7.1.. ~ 7.1 toread Other
  call both() -> first: string[], returnval: bool
  call nothing(keys: i32[])
interface IGuestFile < IFile @ 6.1..7.0, 7.2..
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
        assert_eq!(model.all_versions(), Versions(0b1111));
        assert_eq!(model.enums[0].values[1].facts.versions, Versions(0b1000));
        assert_eq!(model.enums[0].values[2].facts.spell("FIFO", 1), "fifo");
        let file = &model.interfaces[0];
        assert_eq!(file.facts.versions, Versions(0b1101));
        // An owner's gap is its members' gap.
        assert_eq!(file.operations[0].facts.versions, Versions(0b1101));
        assert_eq!(model.interfaces[1].facts.versions, Versions(0b1011));
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
            "versions 7.1 7.2\nenum A @ 7.2..7.1",
            "versions 7.1 7.2\nenum A ~ 7.1",
            "versions 7.1 7.2\nenum A ~ a",
            "versions 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
        ] {
            let error = format!("{:#}", parse(wrong).unwrap_err());
            assert!(error.contains(&format!("line {}", wrong.lines().count())), "{error}");
        }
    }
}
