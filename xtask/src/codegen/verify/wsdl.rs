//! A WSDL as the check sees it: from port to message to element, with nothing of the import's.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context;
use roxmltree::{Document, Node};

/// What one version's web service takes and gives.
pub struct Service {
    pub operations: BTreeMap<String, Exchange>,
    /// Enumerations: their values.
    pub enums: BTreeMap<String, Vec<String>>,
    /// Structures: their fields.
    pub structs: BTreeMap<String, Vec<Part>>,
    /// What comes instead of a response.
    pub faults: BTreeMap<String, Vec<Part>>,
}

/// One operation: what goes in and out.
pub struct Exchange {
    pub request: Vec<Part>,
    pub response: Vec<Part>,
}

/// An element below another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub ty: WireType,
}

/// A type as the schema names it, without its prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireType {
    pub name: String,
    pub array: bool,
}

/// Reads a WSDL.
pub fn read(text: &str) -> anyhow::Result<Service> {
    let document = Document::parse(text).context("not XML")?;
    let root = document.root_element();
    let schema = within(root, "types")
        .find_map(|types| within(types, "schema").next())
        .context("no schema")?;
    let mut elements = HashMap::new();
    let mut service = Service {
        operations: BTreeMap::new(),
        enums: BTreeMap::new(),
        structs: BTreeMap::new(),
        faults: BTreeMap::new(),
    };
    for item in schema.children().filter(Node::is_element) {
        let Some(name) = item.attribute("name") else { continue };
        match item.tag_name().name() {
            "element" => {
                let inner = within(item, "complexType").next();
                elements.insert(name, inner.map_or(Ok(vec![]), sequence)?);
            }
            "complexType" => {
                service.structs.insert(name.to_owned(), sequence(item)?);
            }
            "simpleType" => {
                let values = within(item, "restriction")
                    .flat_map(|restriction| within(restriction, "enumeration"))
                    .filter_map(|value| value.attribute("value"));
                service.enums.insert(name.to_owned(), values.map(str::to_owned).collect());
            }
            _ => {}
        }
    }
    let mut messages = HashMap::new();
    for message in within(root, "message") {
        let part = within(message, "part").next();
        let element = part.and_then(|part| part.attribute("element")).map(local);
        let name = message.attribute("name").context("a message without a name")?;
        messages.insert(name, element);
        if part.and_then(|part| part.attribute("name")) == Some("fault") {
            let element = element.with_context(|| format!("{name} carries nothing"))?;
            let parts = elements.get(element).with_context(|| format!("no element {element}"))?;
            service.faults.insert(element.to_owned(), parts.clone());
        }
    }
    let port = within(root, "portType").next().context("no portType")?;
    for operation in within(port, "operation") {
        let name = operation.attribute("name").context("an operation without a name")?;
        let carried = |direction| {
            let message = within(operation, direction).next()?.attribute("message").map(local)?;
            let element = messages.get(message).copied().flatten()?;
            Some((element, elements.get(element)?.clone()))
        };
        let (element, request) =
            carried("input").with_context(|| format!("{name} has no request"))?;
        anyhow::ensure!(element == name, "{name} takes <{element}>");
        let (_, response) = carried("output").with_context(|| format!("{name} has no response"))?;
        service.operations.insert(name.to_owned(), Exchange { request, response });
    }
    Ok(service)
}

fn sequence(item: Node) -> anyhow::Result<Vec<Part>> {
    within(item, "sequence")
        .flat_map(|sequence| within(sequence, "element"))
        .map(|element| {
            let name = element.attribute("name").context("an element without a name")?.to_owned();
            let ty = element.attribute("type").with_context(|| format!("{name} has no type"))?;
            let array = element.attribute("maxOccurs") == Some("unbounded");
            Ok(Part { name, ty: WireType { name: local(ty).to_owned(), array } })
        })
        .collect()
}

fn within<'a, 'input>(
    node: Node<'a, 'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, name)| name)
}
