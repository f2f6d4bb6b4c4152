//! The generated code against the WSDLs themselves.
//!
//! Import, model and generator are one chain, and a mistake early in it would be invisible at its end. So this
//! reads the two ends, by code of its own: the WSDL of every version, and the Rust that was generated. For each
//! version, every request that can be sent must be one that the WSDL describes (operation, elements, their
//! order, their types), every answer must be understood, and nothing that the WSDL has may be missing.

mod code;
mod wsdl;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use anyhow::bail;

use self::code::{Code, Request, RustType, Types};
use self::wsdl::{Exchange, Part, Service, WireType};

/// Checks the generated code in a directory against the WSDLs in another.
pub fn verify(generated: &Path, wsdls: &Path) -> anyhow::Result<Report> {
    let code = code::read(generated)?;
    let versions = super::versions_in(wsdls)?;
    if versions != code.versions {
        bail!(
            "the code has the versions {:?}, {} has {versions:?}",
            code.versions,
            wsdls.display()
        );
    }
    let mut report = Report(vec![]);
    let mut problems = vec![];
    for (position, version) in versions.iter().enumerate() {
        let text = super::read(&wsdls.join(version).join(super::WSDL))?;
        let service = wsdl::read(&text)?;
        let mut check = Check { code: &code, service: &service, position, problems: vec![] };
        let requests = check.all();
        problems.extend(check.problems.iter().map(|problem| format!("  {version}: {problem}")));
        report.0.push(Checked {
            version: version.clone(),
            requests,
            enums: service.enums.len(),
            structs: service.structs.len(),
        });
    }
    if !problems.is_empty() {
        bail!("{} things do not agree with the WSDLs:\n{}", problems.len(), problems.join("\n"));
    }
    Ok(report)
}

/// What was checked.
#[derive(Debug)]
pub struct Report(Vec<Checked>);

#[derive(Debug)]
struct Checked {
    version: String,
    requests: usize,
    enums: usize,
    structs: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for Checked { version, requests, enums, structs } in &self.0 {
            writeln!(
                f,
                "{version}: {requests} requests and their answers, {enums} enumerations, {structs} structures agree"
            )?;
        }
        let all: usize = self.0.iter().map(|version| version.requests).sum();
        write!(
            f,
            "{all} requests in {} versions: nothing is wrong and nothing is missing",
            self.0.len()
        )
    }
}

struct Check<'a> {
    code: &'a Code,
    service: &'a Service,
    position: usize,
    problems: Vec<String>,
}

impl Check<'_> {
    /// Checks everything of one version; returns how many requests it has.
    fn all(&mut self) -> usize {
        let mut sent = BTreeSet::new();
        let (code, service, version) = (self.code, self.service, 1 << self.position);
        let there = |request: &&Request| request.versions & version != 0;
        for request in code.requests.iter().filter(there) {
            let name = request.name.at(self.position);
            if !sent.insert(name) {
                self.problems.push(format!("{name} would be sent in two ways"));
            }
            match service.operations.get(name) {
                Some(exchange) => self.exchange(name, request, exchange),
                None => self.problems.push(format!("{name} is no operation")),
            }
        }
        for name in service.operations.keys().filter(|name| !sent.contains(name.as_str())) {
            self.problems.push(format!("{name} is missing"));
        }
        self.enums();
        self.structs();
        self.faults();
        sent.len()
    }

    fn exchange(&mut self, name: &str, request: &Request, exchange: &Exchange) {
        let (this, parts) = match exchange.request.split_first() {
            Some((this, parts)) if this.name == "_this" => (Some(this), parts),
            _ => (None, exchange.request.as_slice()),
        };
        // Methods are of objects; what only the runtime sends may name one, and names it in its own code.
        if request.types.is_some() && this.is_none() {
            self.problems.push(format!("{name} names no object"));
        }
        let sent: Vec<&str> =
            request.parameters.iter().map(|word| word.at(self.position)).collect();
        let expected: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        if sent != expected {
            self.problems
                .push(format!("{name} would be sent with {sent:?} instead of {expected:?}"));
            return;
        }
        let Some(Types { parameters, results }) = &request.types else { return };
        for (part, ty) in parts.iter().zip(parameters) {
            self.same_type(name, part, ty);
        }
        for part in &exchange.response {
            match results.iter().find(|(result, _)| *result == part.name) {
                Some((_, ty)) => self.same_type(name, part, ty),
                None => self.problems.push(format!("{name} would lose the result {}", part.name)),
            }
        }
        if results.len() != exchange.response.len() {
            self.problems.push(format!("{name} would wait for results that do not come"));
        }
    }

    fn same_type(&mut self, place: &str, part: &Part, ty: &RustType) {
        let wire = self.wire_type(ty);
        // Enumerations and structures may have been spelled otherwise; their names do not travel.
        let same = wire.array == part.ty.array && wire.name.eq_ignore_ascii_case(&part.ty.name);
        if !same {
            let (name, found) = (&part.name, &part.ty);
            self.problems
                .push(format!("{place}: `{name}` is {ty:?}, so {wire:?} instead of {found:?}"));
        }
    }

    fn wire_type(&self, ty: &RustType) -> WireType {
        let name = match ty.name.as_str() {
            "str" | "String" | "u8" | "ObjectRef" => "string",
            "bool" => "boolean",
            "i16" => "short",
            "u16" => "unsignedShort",
            "i32" => "int",
            "u32" => "unsignedInt",
            "i64" => "long",
            name if self.code.handles.contains(name) => "string",
            name => without_version(name),
        };
        WireType { name: name.to_owned(), array: ty.array }
    }

    fn enums(&mut self) {
        for (name, values) in &self.service.enums {
            let known = self.code.enums.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            let Some((_, known)) = known else {
                self.problems.push(format!("the enumeration {name} is missing"));
                continue;
            };
            for value in values {
                if !known.iter().any(|word| word.at(self.position) == value) {
                    self.problems.push(format!("{name} lacks the value {value}"));
                }
            }
        }
    }

    fn faults(&mut self) {
        for (name, parts) in &self.service.faults {
            let Some((_, known)) = FAULTS.iter().find(|(known, _)| known == name) else {
                self.problems.push(format!("the fault {name} is not understood"));
                continue;
            };
            for Part { name: part, ty } in parts {
                if ty.array || !known.contains(&(part.as_str(), ty.name.as_str())) {
                    self.problems.push(format!("{name}: {part} is not understood"));
                }
            }
        }
    }

    fn structs(&mut self) {
        for (name, parts) in &self.service.structs {
            let named = |known: &str| without_version(known).eq_ignore_ascii_case(name);
            let known = self.code.structs.iter().find(|(known, _)| named(known));
            let Some((_, fields)) = known else {
                self.problems.push(format!("the structure {name} is missing"));
                continue;
            };
            for part in parts {
                let field = fields.iter().find(|(word, _)| {
                    word.newest == part.name
                        || word.older.iter().any(|(word, _)| *word == part.name)
                });
                match field {
                    Some((_, ty)) => self.same_type(name, part, ty),
                    None => self.problems.push(format!("{name} lacks the field {}", part.name)),
                }
            }
        }
    }
}

/// What `vbox-soap/src/wire/envelope.rs` knows of faults, by hand: their elements with their types.
const FAULTS: [(&str, &[(&str, &str)]); 2] = [
    ("InvalidObjectFault", &[("badObjectID", "string")]),
    (
        "RuntimeFault",
        &[
            ("resultCode", "int"),
            // From 4.3 on.
            ("returnval", "string"),
            // Up to 4.2; the interface says nothing that the component does not.
            ("interfaceID", "string"),
            ("component", "string"),
            ("text", "string"),
        ],
    ),
];

/// `ISharedFolder` of `ISharedFolderV4_1`: a structure that was one before there was an interface of that name.
fn without_version(name: &str) -> &str {
    match name.rsplit_once('V') {
        Some((plain, version))
            if !plain.is_empty()
                && version.contains('_')
                && version.chars().all(|c| c.is_ascii_digit() || c == '_') =>
        {
            plain
        }
        _ => name,
    }
}
