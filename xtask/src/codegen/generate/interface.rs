//! One interface: its handle, its methods, their descriptors and results.

use std::collections::BTreeSet;
use std::fmt::Write;

use anyhow::{bail, ensure};

use super::signatures::{Signature, signatures};
use super::{Api, Exports, Kind, PREAMBLE, import_of, owned_type};
use crate::codegen::fixups;
use crate::codegen::model::{Interface, Named, OperationKind, RETURN_VALUE, Type, Versions};
use crate::codegen::names;

/// The file of one interface, and what it exports.
pub fn interface(api: &Api, interface: &Interface) -> anyhow::Result<(String, Exports)> {
    let mut file = File {
        api,
        interface,
        imports: BTreeSet::new(),
        methods: String::new(),
        results: String::new(),
        statics: String::new(),
        exports: Exports { public: vec![], descriptors: interface.global },
    };
    for signature in signatures(api.model, interface) {
        file.operation(&signature)?;
    }
    file.finish()
}

struct File<'a> {
    api: &'a Api<'a>,
    interface: &'a Interface,
    imports: BTreeSet<String>,
    methods: String,
    results: String,
    statics: String,
    exports: Exports,
}

impl File<'_> {
    fn operation(&mut self, signature: &Signature) -> anyhow::Result<()> {
        let member = format!("{}.{}", self.interface.name, signature.operation.name);
        let for_runtime = self.interface.global || fixups::RUNTIME_ONLY.contains(&member.as_str());
        let visible = for_runtime || fixups::ALSO_FOR_RUNTIME.contains(&member.as_str());
        self.exports.descriptors |= visible;
        self.descriptor(signature, visible)?;
        if for_runtime { Ok(()) } else { self.method(signature, &member) }
    }

    /// The static that describes the operation to the engine.
    fn descriptor(&mut self, signature: &Signature, public: bool) -> anyhow::Result<()> {
        let operation = signature.operation;
        let parameters: Vec<_> =
            operation.parameters.iter().map(|p| format!("\"{}\"", p.name)).collect();
        let output = match operation.outputs.as_slice() {
            [only] => &only.name,
            _ => RETURN_VALUE,
        };
        let mut references = vec![];
        for output in &operation.outputs {
            self.references(&output.name, "", &output.ty, &mut references)?;
        }
        let spellings: String = self.spellings(signature);
        if !spellings.is_empty() {
            self.imports.insert("crate::operation::Spelling".to_owned());
        }
        let _ = writeln!(
            self.statics,
            "\n{}static {}: Operation = Operation {{ name: \"{}_{}\", parameters: &[{}], \
             output: \"{output}\", references: &[{}], spellings: &[{spellings}], versions: {:#b} }};",
            if public { "pub(crate) " } else { "" },
            signature.constant,
            self.interface.name,
            operation.wire_name(),
            parameters.join(", "),
            references.join(", "),
            operation.facts.versions.0,
        );
        Ok(())
    }

    /// What older versions spell otherwise in the request.
    fn spellings(&self, signature: &Signature) -> String {
        let operation = signature.operation;
        let mut found: Vec<(String, String, Versions)> = vec![];
        for version in operation.facts.versions.positions() {
            let name = |interface: &str, name: &str| {
                format!("{interface}_{}", operation.wire_name_of(name))
            };
            let older = name(
                self.interface.facts.spell(&self.interface.name, version),
                operation.facts.spell(&operation.name, version),
            );
            let mut words = vec![(name(&self.interface.name, &operation.name), older)];
            words.extend(operation.parameters.iter().map(|parameter| {
                let older = operation.facts.spell(&parameter.name, version);
                (parameter.name.clone(), older.to_owned())
            }));
            for (newest, older) in words.into_iter().filter(|(newest, older)| newest != older) {
                match found.iter_mut().find(|(_, known, _)| *known == older) {
                    Some((_, _, versions)) => *versions = versions.union(Versions::one(version)),
                    None => found.push((newest, older, Versions::one(version))),
                }
            }
        }
        let text = |(newest, older, versions): (String, String, Versions)| {
            format!(
                "Spelling {{ newest: \"{newest}\", older: \"{older}\", versions: {:#b} }}, ",
                versions.0
            )
        };
        found.into_iter().map(text).collect()
    }

    /// Where in the response there are references, and of which family.
    fn references(
        &mut self,
        element: &str,
        field: &str,
        ty: &Type,
        found: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        let family = match self.api.kind(ty)? {
            Kind::Basic | Kind::Enum => return Ok(()),
            Kind::AnyObject => "",
            Kind::Interface(interface) => self.api.family(interface)?,
            Kind::Struct(item) => {
                ensure!(field.is_empty(), "{} is a struct within a struct", ty.name);
                for field in &item.fields {
                    let spelled = !field.facts.spellings.is_empty();
                    let object = matches!(
                        self.api.kind(&field.value.ty)?,
                        Kind::AnyObject | Kind::Interface(_)
                    );
                    ensure!(!(spelled && object), "{}: a reference under two names", ty.name);
                    self.references(element, &field.value.name, &field.value.ty, found)?;
                }
                return Ok(());
            }
        };
        self.imports.insert("crate::operation::ReferenceIn".to_owned());
        found.push(format!(
            "ReferenceIn {{ element: \"{element}\", field: \"{field}\", family: \"{family}\" }}"
        ));
        Ok(())
    }

    fn method(&mut self, signature: &Signature, member: &str) -> anyhow::Result<()> {
        let operation = signature.operation;
        let mut parameters = String::new();
        let mut values = vec![];
        for parameter in &operation.parameters {
            let name = names::identifier(&parameter.name);
            let path = format!("{member}.{}", parameter.name);
            let nullable = fixups::NULLABLE_PARAMETERS.contains(&path.as_str());
            let _ =
                write!(parameters, ", {name}: {}", self.parameter_type(&parameter.ty, nullable)?);
            values.push(format!("{name}.to_value()"));
            self.imports.insert("crate::value::ToValue".to_owned());
            self.imports.extend(import_of(self.api, &parameter.ty)?);
        }
        let (result, call) = self.result(signature, member)?;
        let documentation = self.documentation(signature);
        let pinned = signature.pinned.as_ref().map(|pinned| {
            let name = &signature.name;
            let text = format!("    /// What [`Self::{name}`] is, and stays when that changes.\n");
            (text, pinned)
        });
        // `inline` leaves machine code to the crates that call a method, and only for what they call: building
        // all of it here would take most of the crate's build time.
        for (documentation, name) in std::iter::once((documentation, &signature.name)).chain(pinned)
        {
            let _ = writeln!(
                self.methods,
                "\n{documentation}    #[inline]\n    pub fn {name}(&self{parameters}) -> Call<{result}> {{\n        self.object().{call}(&{}, vec![{}])\n    }}",
                signature.constant,
                values.join(", "),
            );
        }
        Ok(())
    }

    /// The method's result type and the engine's method that gives it.
    fn result(
        &mut self,
        signature: &Signature,
        member: &str,
    ) -> anyhow::Result<(String, &'static str)> {
        let operation = signature.operation;
        match operation.outputs.as_slice() {
            [] => Ok(("()".to_owned(), "call")),
            [only] => {
                self.imports.extend(import_of(self.api, &only.ty)?);
                Ok((owned_type(self.api, &only.ty, nullable_output(member, only))?, "call"))
            }
            outputs => {
                let name = format!(
                    "{}{}{}",
                    names::without_i(&self.interface.name),
                    names::capital(&operation.name),
                    signature.suffix,
                );
                self.result_struct(&name, signature, outputs, member)?;
                Ok((name, "call_many"))
            }
        }
    }

    fn result_struct(
        &mut self,
        name: &str,
        signature: &Signature,
        outputs: &[Named],
        member: &str,
    ) -> anyhow::Result<()> {
        let mut fields = String::new();
        let mut decode = String::new();
        for output in outputs {
            let field = match output.name.as_str() {
                RETURN_VALUE => "result".to_owned(),
                name => names::identifier(name),
            };
            let ty = owned_type(self.api, &output.ty, nullable_output(member, output))?;
            let _ = writeln!(fields, "    /// `{}`\n    pub {field}: {ty},", output.name);
            let _ = writeln!(decode, "            {field}: reply.output(\"{}\")?,", output.name);
            self.imports.extend(import_of(self.api, &output.ty)?);
        }
        self.imports.insert("crate::error::DecodeError".to_owned());
        self.imports.insert("crate::reply::{Outputs, Reply}".to_owned());
        let _ = write!(
            self.results,
            "\n/// What [`{0}::{1}`] returns.\n#[derive(Debug, Clone)]\n#[non_exhaustive]\npub struct {name} {{\n{fields}}}\n\n\
             impl Outputs for {name} {{\n    fn outputs(reply: &Reply) -> Result<Self, DecodeError> {{\n        Ok(Self {{\n{decode}        }})\n    }}\n}}\n",
            self.interface.name, signature.name,
        );
        self.exports.public.push(name.to_owned());
        Ok(())
    }

    fn documentation(&self, signature: &Signature) -> String {
        let operation = signature.operation;
        let model = self.api.model;
        let versions = operation.facts.versions;
        let name = &operation.name;
        let mut text = match operation.kind {
            OperationKind::Get => format!("Reads the attribute `{name}`."),
            OperationKind::Set => format!("Sets the attribute `{name}`."),
            OperationKind::Call => format!("Calls the method `{name}`."),
        };
        if let Some(since) = model.since_text(versions, self.interface.facts.versions) {
            let _ = write!(text, " {since}");
        }
        if let Some(successor) = signature.successor() {
            let _ = write!(text, " Then replaced by [`Self::{successor}`].");
        }
        let mut lines = format!("    /// {text}\n");
        if signature.pinned.is_some() {
            let others: Vec<String> = signature
                .others
                .iter()
                .map(|(name, versions)| {
                    format!("[`Self::{name}`] ({})", model.versions_text(*versions))
                })
                .collect();
            let _ = writeln!(lines, "    ///\n    /// Older signatures: {}.", others.join(", "));
        }
        lines
    }

    fn parameter_type(&self, ty: &Type, nullable: bool) -> anyhow::Result<String> {
        let kind = self.api.kind(ty)?;
        ensure!(!nullable || !ty.array, "an array cannot be null");
        let borrowed = match kind {
            Kind::Basic => match ty.name.as_str() {
                "string" | "uuid" => "&str",
                "bytes" => "&[u8]",
                name => name,
            },
            Kind::AnyObject | Kind::Interface(_) if !ty.array => {
                let name = if matches!(kind, Kind::AnyObject) { "ObjectRef" } else { &ty.name };
                return Ok(if nullable { format!("Option<&{name}>") } else { format!("&{name}") });
            }
            Kind::AnyObject => "ObjectRef",
            Kind::Enum | Kind::Interface(_) => &ty.name,
            Kind::Struct(_) => bail!("{} is sent by value, which the runtime cannot do", ty.name),
        };
        Ok(if ty.array { format!("&[{borrowed}]") } else { borrowed.to_owned() })
    }

    fn finish(mut self) -> anyhow::Result<(String, Exports)> {
        let name = &self.interface.name;
        let mut out = String::from(PREAMBLE);
        if !self.statics.is_empty() {
            self.imports.insert("crate::operation::Operation".to_owned());
        }
        let mut body = String::new();
        if !self.interface.global {
            self.exports.public.insert(0, name.clone());
            self.imports.insert("crate::object::managed_object".to_owned());
            let base = match &self.interface.base {
                Some(base) => {
                    self.imports.insert(format!("crate::api::{base}"));
                    format!(": {base}")
                }
                None => String::new(),
            };
            let since = self
                .api
                .model
                .since_text(self.interface.facts.versions, self.api.model.all_versions())
                .map_or(String::new(), |text| format!(" {text}"));
            let _ = writeln!(
                body,
                "managed_object! {{\n    /// A handle to an object with VirtualBox's interface `{name}`.{since}\n    {name}{base}\n}}"
            );
        }
        if !self.methods.is_empty() {
            self.imports.insert("crate::call::Call".to_owned());
            self.imports.insert("crate::object::ManagedObject".to_owned());
            let _ = writeln!(body, "\nimpl {name} {{{}}}", self.methods);
        }
        self.imports.remove(&format!("crate::api::{name}"));
        for import in &self.imports {
            let _ = writeln!(out, "use {import};");
        }
        out.push('\n');
        out.push_str(&body);
        out.push_str(&self.results);
        out.push_str(&self.statics);
        Ok((out, self.exports))
    }
}

fn nullable_output(member: &str, output: &Named) -> bool {
    let path = format!("{member}.{}", output.name);
    fixups::NULLABLE_OUTPUTS.iter().any(|entry| {
        // An attribute is named by itself, a method with its output.
        *entry == path || (*entry == member && output.name == RETURN_VALUE)
    })
}
