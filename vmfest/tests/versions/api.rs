//! Requests held against the API of one version.

use std::collections::HashMap;

use roxmltree::Node;
use xtask::codegen::committed_model;
use xtask::codegen::model::{ANY_OBJECT, Interface, Model, Named, Operation, Type};

/// The API of one version.
pub struct Api {
    model: Model,
    position: usize,
}

/// A request that the version has, exactly like this.
pub struct Request<'a> {
    /// Interface and operation, as the newest version spells them: `IMachine_getName`.
    pub name: String,
    /// The object that is asked.
    pub this: String,
    /// The arguments by their names in the newest version's spelling; lists have several.
    pub arguments: HashMap<String, Vec<String>>,
    pub operation: &'a Operation,
}

impl Request<'_> {
    /// An argument that is no list.
    pub fn argument(&self, name: &str) -> String {
        self.arguments.get(name).and_then(|values| values.first()).cloned().unwrap_or_default()
    }
}

impl Api {
    pub fn of(version: &str) -> Self {
        let model = committed_model().expect("the API model is committed");
        let position = model.versions.iter().position(|known| known == version);
        Self { position: position.expect("a known version"), model }
    }

    /// Every version.
    pub fn versions() -> Vec<String> {
        committed_model().expect("the API model is committed").versions
    }

    /// Reads a request; what is wrong with it, if this version would not understand it. `interface_of` tells
    /// which interface an object has that was handed out.
    pub fn read<'a>(
        &'a self,
        element: Node<'_, '_>,
        interface_of: impl Fn(&str) -> Option<String>,
    ) -> Result<Request<'a>, String> {
        let wire = element.tag_name().name();
        let (interface, operation) =
            self.find(wire).ok_or_else(|| format!("{wire} does not exist"))?;
        let mut children = element.children().filter(Node::is_element).peekable();
        let mut this = String::new();
        if !interface.global {
            let first = children.next().filter(|child| child.tag_name().name() == "_this");
            this = text(first.ok_or_else(|| format!("{wire} names no object"))?);
            let found = interface_of(&this).ok_or_else(|| format!("{wire}: {this} is unknown"))?;
            let is_any = interface.name == "IManagedObjectRef";
            if !is_any && !self.is_a(&found, &interface.name) {
                return Err(format!("{wire}: {this} is a {found}"));
            }
        }
        let mut arguments = HashMap::new();
        for parameter in &operation.parameters {
            let spelled = operation.facts.spell(&parameter.name, self.position);
            let mut values = Vec::new();
            while let Some(child) = children.next_if(|child| child.tag_name().name() == spelled) {
                values.push(text(child));
            }
            if !parameter.ty.array && values.len() != 1 {
                return Err(format!("{wire} has {} × {spelled}", values.len()));
            }
            for value in &values {
                self.check_value(&parameter.ty, value, &interface_of)
                    .map_err(|problem| format!("{wire}: {spelled} {value:?} {problem}"))?;
            }
            arguments.insert(parameter.name.clone(), values);
        }
        if let Some(left) = children.next() {
            return Err(format!("{wire} has no {} (at this place)", left.tag_name().name()));
        }
        let name = format!("{}_{}", interface.name, operation.wire_name());
        Ok(Request { name, this, arguments, operation })
    }

    fn find(&self, wire: &str) -> Option<(&Interface, &Operation)> {
        let (interface, operation) = wire.split_once('_')?;
        let interface = self.model.interfaces.iter().find(|candidate| {
            candidate.facts.versions.has(self.position)
                && candidate.facts.spell(&candidate.name, self.position) == interface
        })?;
        let operation = interface.operations.iter().find(|candidate| {
            let spelled = candidate.facts.spell(&candidate.name, self.position);
            candidate.facts.versions.has(self.position)
                && candidate.wire_name_of(spelled) == operation
        })?;
        Some((interface, operation))
    }

    fn is_a(&self, interface: &str, base: &str) -> bool {
        let mut current = Some(interface.to_owned());
        while let Some(name) = current {
            if name == base {
                return true;
            }
            current = self.interface(&name).and_then(|interface| interface.base.clone());
        }
        false
    }

    fn interface(&self, name: &str) -> Option<&Interface> {
        self.model.interfaces.iter().find(|interface| interface.name == name)
    }

    fn check_value(
        &self,
        ty: &Type,
        value: &str,
        interface_of: impl Fn(&str) -> Option<String>,
    ) -> Result<(), String> {
        let is_number = |fits: bool| fits.then_some(()).ok_or_else(|| format!("is no {}", ty.name));
        match ty.name.as_str() {
            "string" | "uuid" | "bytes" => Ok(()),
            "bool" => is_number(matches!(value, "true" | "false")),
            "i16" => is_number(value.parse::<i16>().is_ok()),
            "u16" => is_number(value.parse::<u16>().is_ok()),
            "i32" => is_number(value.parse::<i32>().is_ok()),
            "u32" => is_number(value.parse::<u32>().is_ok()),
            "i64" => is_number(value.parse::<i64>().is_ok()),
            name => {
                if let Some(kind) = self.model.enums.iter().find(|kind| kind.name == name) {
                    let known = kind.values.iter().any(|known| {
                        let spelled = known.facts.spell(&known.name, self.position);
                        known.facts.versions.has(self.position) && spelled == value
                    });
                    return known.then_some(()).ok_or_else(|| format!("is no {name}"));
                }
                if value.is_empty() {
                    return Ok(());
                }
                let found = interface_of(value).ok_or("was never handed out")?;
                let fits = name == ANY_OBJECT || self.is_a(&found, name);
                fits.then_some(()).ok_or_else(|| format!("is a {found}"))
            }
        }
    }

    /// What is in an output that nobody has said anything about. `object` makes an object.
    pub fn some_value(&self, output: &Named, object: impl FnOnce(&str) -> String) -> String {
        match output.ty.name.as_str() {
            _ if output.ty.array => String::new(),
            "string" | "bytes" => String::new(),
            "uuid" => "00000000-0000-0000-0000-000000000000".to_owned(),
            "bool" => "false".to_owned(),
            "i16" | "u16" | "i32" | "u32" | "i64" => "0".to_owned(),
            name if self.interface(name).is_some() => object(name),
            name => {
                let kind = self.model.enums.iter().find(|kind| kind.name == name);
                let first = kind.and_then(|kind| {
                    let mut values = kind.values.iter();
                    values.find(|value| value.facts.versions.has(self.position))
                });
                // A structure without fields: what is not there is its type's default.
                first.map_or_else(String::new, |value| value.name.clone())
            }
        }
    }

    /// How this version spells one of an operation's words.
    pub fn spell<'a>(&self, operation: &'a Operation, word: &'a str) -> &'a str {
        operation.facts.spell(word, self.position)
    }
}

fn text(node: Node<'_, '_>) -> String {
    node.text().unwrap_or_default().to_owned()
}
