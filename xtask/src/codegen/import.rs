//! Stage one: WSDL and XIDL of one version to an API model of that version.
//!
//! The WSDL says what is on the wire: which operations there are, their elements and the order of
//! those. The XIDL says which interface a reference belongs to, which the WSDL has as plain strings.
//! Where the two disagree, the import fails, naming the place.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, bail, ensure};
use roxmltree::{Document, Node};

use super::fixups;
use super::model::{
    ANY_OBJECT, Enum, EnumValue, Facts, Field, Interface, Model, Named, Operation, OperationKind,
    RETURN_VALUE, ResultCode, Struct, Type, Versions,
};

/// Reads both descriptions of one API version. With `borrowed`, the XIDL is a later version's.
pub fn import(version: &str, wsdl: &str, xidl: &str, borrowed: bool) -> anyhow::Result<Model> {
    let wsdl = Document::parse(wsdl).context("vboxweb.wsdl")?;
    let xidl = Document::parse(xidl).context("VirtualBox.xidl")?;
    let wire = Wire::read(&wsdl)?;
    let mut model = Model { versions: vec![version.to_owned()], ..Model::default() };
    let mut seen = HashSet::new();
    for node in xidl.descendants().filter(Node::is_element) {
        match node.tag_name().name() {
            "result" => {
                // The same element inside a method only lists what that method may fail with.
                if let Some(value) = node.attribute("value") {
                    let value = u32::from_str_radix(value.trim_start_matches("0x"), 16)?;
                    model.results.push(ResultCode { name: attribute(&node, "name")?, value });
                }
            }
            "enum" => model.enums.push(import_enum(&node, &wire)?),
            "interface" => {
                let name = attribute(&node, "name")?;
                let result = match node.attribute("wsmap") {
                    Some("struct") => {
                        import_struct(&node, &wire).map(|item| model.structs.push(item))
                    }
                    Some(kind @ ("managed" | "global")) => {
                        let before = seen.len();
                        import_interface(&node, kind == "global", version, &wire, &mut seen).map(
                            |item| {
                                let has_members = node.children().any(|child| child.is_element());
                                // What the version itself does not have is of the later one.
                                if !borrowed || !has_members || seen.len() > before {
                                    model.interfaces.push(item);
                                }
                            },
                        )
                    }
                    // Not in the web service, or only mentioned by a class.
                    _ => Ok(()),
                };
                result.with_context(|| format!("interface {name}"))?;
            }
            _ => {}
        }
    }
    let mut missing: Vec<_> = wire.operations.iter().filter(|o| !seen.contains(**o)).collect();
    missing.sort();
    ensure!(missing.is_empty(), "operations of the WSDL that the XIDL does not have: {missing:?}");
    let exposed: HashSet<_> = model.interfaces.iter().map(|i| i.name.clone()).collect();
    for interface in &mut model.interfaces {
        interface.base = interface.base.take().filter(|base| exposed.contains(base));
    }
    Ok(model)
}

/// What the WSDL has: per element, enum or struct, its parts in order.
struct Wire<'a> {
    operations: HashSet<&'a str>,
    elements: HashMap<&'a str, Vec<WirePart<'a>>>,
    structs: HashMap<&'a str, Vec<WirePart<'a>>>,
    enums: HashMap<&'a str, Vec<&'a str>>,
}

struct WirePart<'a> {
    name: &'a str,
    ty: &'a str,
    array: bool,
}

impl<'a> Wire<'a> {
    fn read(wsdl: &'a Document<'a>) -> anyhow::Result<Self> {
        let mut wire = Wire {
            operations: HashSet::new(),
            elements: HashMap::new(),
            structs: HashMap::new(),
            enums: HashMap::new(),
        };
        for node in wsdl.descendants() {
            let Some(name) = node.attribute("name") else { continue };
            let parent = node.parent().map_or("", |parent| parent.tag_name().name());
            match (parent, node.tag_name().name()) {
                ("portType", "operation") => {
                    wire.operations.insert(name);
                }
                ("schema", "element") => {
                    wire.elements.insert(name, parts(&node)?);
                }
                ("schema", "complexType") => {
                    wire.structs.insert(name, parts(&node)?);
                }
                ("schema", "simpleType") => {
                    let values = node.descendants().filter_map(|n| n.attribute("value"));
                    wire.enums.insert(name, values.collect());
                }
                _ => {}
            }
        }
        Ok(wire)
    }
}

fn parts<'a>(node: &Node<'a, 'a>) -> anyhow::Result<Vec<WirePart<'a>>> {
    node.descendants()
        .filter(|part| part != node && part.tag_name().name() == "element")
        .map(|part| {
            let name = part.attribute("name").context("an element without a name")?;
            let ty = part.attribute("type").context("an element without a type")?;
            let array = part.attribute("maxOccurs") == Some("unbounded");
            Ok(WirePart { name, ty, array })
        })
        .collect()
}

fn attribute(node: &Node, name: &str) -> anyhow::Result<String> {
    Ok(node
        .attribute(name)
        .with_context(|| format!("<{}> without {name}", node.tag_name().name()))?
        .to_owned())
}

fn children<'a>(node: &Node<'a, 'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children().filter(move |child| child.tag_name().name() == name)
}

/// In the one version that is imported.
fn here() -> Facts {
    Facts { versions: Versions::one(0), spellings: vec![] }
}

fn import_enum(node: &Node, wire: &Wire) -> anyhow::Result<Enum> {
    let name = attribute(node, "name")?;
    // The WSDL has every value that can be on the wire, those included that came after the XIDL.
    let values =
        wire.enums.get(name.as_str()).with_context(|| format!("the WSDL has no {name}"))?;
    let values =
        values.iter().map(|value| EnumValue { name: (*value).to_owned(), facts: here() }).collect();
    Ok(Enum { name, facts: here(), values })
}

fn import_struct<'a>(node: &Node<'a, 'a>, wire: &Wire) -> anyhow::Result<Struct> {
    let name = attribute(node, "name")?;
    let declared = declared(children(node, "attribute"))?;
    let parts = wire.structs.get(name.as_str()).context("the WSDL has no such complex type")?;
    let fields =
        typed(parts, &declared)?.into_iter().map(|value| Field { value, facts: here() }).collect();
    Ok(Struct { name, facts: here(), fields })
}

fn import_interface<'a>(
    node: &Node<'a, 'a>,
    global: bool,
    version: &str,
    wire: &Wire,
    seen: &mut HashSet<String>,
) -> anyhow::Result<Interface> {
    let name = attribute(node, "name")?;
    let mut operations = vec![];
    let mut add = |operation: Operation, declared: &Declared| {
        let wire_name = format!("{name}_{}", operation.wire_name());
        if !wire.operations.contains(wire_name.as_str()) {
            // Left out of the web service: raw pointers, callbacks, extension packs.
            return Ok(());
        }
        let operation = from_wire(operation, &wire_name, global, wire, declared)
            .with_context(|| format!("operation {wire_name}"))?;
        operations.push(operation);
        seen.insert(wire_name);
        anyhow::Ok(())
    };
    for node in children(node, "attribute") {
        let path = format!("{name}.{}", attribute(&node, "name")?);
        ensure!(
            node.attribute("dir").is_none() || fixups::DIRECTED_ATTRIBUTES.contains(&path.as_str()),
            "the attribute {path} has a direction"
        );
        let declared = declared([node].into_iter())?;
        add(empty(OperationKind::Get, &node)?, &declared)?;
        if node.attribute("readonly") != Some("yes") {
            add(empty(OperationKind::Set, &node)?, &declared)?;
        }
    }
    for node in children(node, "method") {
        let mut declared = declared(children(&node, "param"))?;
        declared.correct(version, &name, &attribute(&node, "name")?)?;
        add(empty(OperationKind::Call, &node)?, &declared)?;
    }
    let base = node.attribute("extends").map(str::to_owned);
    Ok(Interface { name, base, global, facts: here(), operations })
}

fn empty(kind: OperationKind, node: &Node) -> anyhow::Result<Operation> {
    let name = attribute(node, "name")?;
    Ok(Operation { kind, name, parameters: vec![], outputs: vec![], facts: here() })
}

/// Fills in the operation's parameters and outputs, in the WSDL's order.
fn from_wire(
    mut operation: Operation,
    wire_name: &str,
    global: bool,
    wire: &Wire,
    declared: &Declared,
) -> anyhow::Result<Operation> {
    let find = |name: &str| wire.elements.get(name).context("no such element in the WSDL");
    let mut request = find(wire_name)?.as_slice();
    if !global {
        let (this, rest) = request.split_first().context("the request has no object")?;
        ensure!(this.name == "_this", "the request does not begin with the object");
        request = rest;
    }
    operation.parameters = typed(request, declared)?;
    operation.outputs = typed(find(&format!("{wire_name}Response"))?, declared)?;
    let expected = match operation.kind {
        OperationKind::Get => (0, 1),
        OperationKind::Set => (1, 0),
        OperationKind::Call => {
            (declared.inputs, declared.types.len().saturating_sub(declared.inputs))
        }
    };
    let found = (operation.parameters.len(), operation.outputs.len());
    ensure!(found == expected, "the XIDL has {expected:?} inputs and outputs, the WSDL {found:?}");
    Ok(operation)
}

/// What the XIDL declares: types by name on the wire.
struct Declared {
    types: HashMap<String, Type>,
    inputs: usize,
}

impl Declared {
    /// Puts right what the XIDL says wrongly of a method's parameters.
    fn correct(&mut self, version: &str, interface: &str, method: &str) -> anyhow::Result<()> {
        let here = |versions: &[&str], member: &str| {
            versions.contains(&version) && member.split_once('.') == Some((interface, method))
        };
        for slip in fixups::SLIPS.iter().filter(|slip| here(slip.versions, slip.method)) {
            for wrong in slip.wrong {
                let known = self.types.remove(*wrong);
                ensure!(known.is_some(), "fixups.rs: {} has no `{wrong}`", slip.method);
                self.inputs -= 1;
            }
            let (name, ty) = slip.right;
            self.types.insert(name.to_owned(), Type { name: ty.to_owned(), array: false });
            self.inputs += 1;
        }
        Ok(())
    }
}

fn declared<'a>(nodes: impl Iterator<Item = Node<'a, 'a>>) -> anyhow::Result<Declared> {
    let mut declared = Declared { types: HashMap::new(), inputs: 0 };
    for node in nodes {
        let array = node.attribute("safearray") == Some("yes");
        let ty = xidl_type(&attribute(&node, "type")?, array)?;
        let name = attribute(&node, "name")?;
        // An attribute has no direction; a few are given one, see `fixups::DIRECTED_ATTRIBUTES`.
        match node.attribute("dir").filter(|_| node.tag_name().name() == "param") {
            Some("return") => declared.types.insert(RETURN_VALUE.to_owned(), ty),
            Some(direction) => {
                declared.inputs += usize::from(direction == "in");
                declared.types.insert(name, ty)
            }
            // An attribute: its getter returns it, its setter takes it by name.
            None => {
                declared.types.insert(RETURN_VALUE.to_owned(), ty.clone());
                declared.types.insert(name, ty)
            }
        };
    }
    Ok(declared)
}

fn xidl_type(name: &str, array: bool) -> anyhow::Result<Type> {
    let basic = match name {
        "wstring" => "string",
        "uuid" => "uuid",
        "boolean" => "bool",
        "short" => "i16",
        "unsigned short" => "u16",
        "long" => "i32",
        "unsigned long" => "u32",
        "long long" => "i64",
        "octet" if array => return Ok(Type { name: "bytes".to_owned(), array: false }),
        // A raw pointer: never in the web service; `typed` refuses it if it were.
        "octet" => "octet",
        "$unknown" => ANY_OBJECT,
        other => other,
    };
    Ok(Type { name: basic.to_owned(), array })
}

/// Gives the parts of a WSDL element their types, checking the two descriptions against each other.
fn typed(parts: &[WirePart], declared: &Declared) -> anyhow::Result<Vec<Named>> {
    parts
        .iter()
        .map(|part| {
            let ty = declared
                .types
                .get(part.name)
                .with_context(|| format!("the XIDL does not declare `{}`", part.name))?;
            let matches = match ty.name.as_str() {
                "string" | "uuid" | "bytes" | ANY_OBJECT => part.ty == "xsd:string",
                "bool" => part.ty == "xsd:boolean",
                "i16" => part.ty == "xsd:short",
                "u16" => part.ty == "xsd:unsignedShort",
                "i32" => part.ty == "xsd:int",
                "u32" => part.ty == "xsd:unsignedInt",
                "i64" => part.ty == "xsd:long",
                // Enums and structs keep their names; references are strings.
                name => {
                    part.ty.strip_prefix("vbox:") == Some(name)
                        || (name.starts_with('I') && part.ty == "xsd:string")
                }
            };
            if !matches || ty.array != part.array {
                bail!("`{}` is {} in the WSDL and {ty:?} in the XIDL", part.name, part.ty);
            }
            Ok(Named { name: part.name.to_owned(), ty: ty.clone() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::model_text;
    use super::*;

    const XIDL: &str = r#"<idl><library><application>
      <result name="VBOX_E_GONE" value="0x80BB0001"/>
      <enum name="Mood"><const name="Good" value="1"/><const name="Hidden" value="9" wsmap="suppress"/></enum>
      <interface name="IBox" extends="$unknown" wsmap="managed">
        <attribute name="name" type="wstring"/>
        <attribute name="mood" type="Mood" readonly="yes"/>
        <attribute name="winId" type="long long" readonly="yes"/>
        <method name="find">
          <result name="VBOX_E_GONE"/>
          <param name="ids" type="uuid" mod="string" dir="in" safearray="yes"/>
          <param name="data" type="octet" dir="out" safearray="yes"/>
          <param name="box" type="IBox" dir="return"/>
        </method>
        <method name="raw"><param name="address" type="octet" mod="ptr" dir="in"/></method>
      </interface>
      <interface name="ICrate" extends="IBox" wsmap="managed"/>
      <interface name="ISize" extends="$unknown" wsmap="struct"><attribute name="width" type="unsigned long"/></interface>
      <interface name="IHidden" extends="$unknown" wsmap="suppress"/>
      <interface name="IManager" extends="$unknown" wsmap="global">
        <method name="open"><param name="return" type="IBox" dir="return"/></method>
      </interface>
    </application></library></idl>"#;

    fn wsdl() -> String {
        let part = |name: &str, ty: &str, array: bool| {
            let occurs = if array { " minOccurs='0' maxOccurs='unbounded'" } else { "" };
            format!("<x:element name='{name}' type='{ty}'{occurs}/>")
        };
        let element = |name: &str, parts: &[String]| {
            format!(
                "<x:element name='{name}'><x:complexType><x:sequence>{}</x:sequence></x:complexType></x:element>",
                parts.concat()
            )
        };
        let this = part("_this", "xsd:string", false);
        let text = |name: &str| part(name, "xsd:string", false);
        let operations = [
            ("IBox_getName", vec![this.clone()], vec![text("returnval")]),
            ("IBox_setName", vec![this.clone(), text("name")], vec![]),
            ("IBox_getMood", vec![this.clone()], vec![part("returnval", "vbox:Mood", false)]),
            (
                "IBox_find",
                vec![this, part("ids", "xsd:string", true)],
                vec![text("data"), text("returnval")],
            ),
            ("IManager_open", vec![], vec![text("returnval")]),
        ];
        let mut schema = String::from(
            "<x:simpleType name='Mood'><x:restriction><x:enumeration value='Good'/><x:enumeration value='New'/>\
             </x:restriction></x:simpleType>",
        );
        schema.push_str(&format!(
            "<x:complexType name='ISize'><x:sequence>{}</x:sequence></x:complexType>",
            part("width", "xsd:unsignedInt", false)
        ));
        let mut ports = String::new();
        for (name, request, response) in operations {
            schema.push_str(&element(name, &request));
            schema.push_str(&element(&format!("{name}Response"), &response));
            ports.push_str(&format!("<w:operation name='{name}'/>"));
        }
        format!(
            "<w:definitions xmlns:w='w' xmlns:x='x'><w:types><x:schema>{schema}</x:schema></w:types>\
             <w:portType>{ports}</w:portType></w:definitions>"
        )
    }

    #[test]
    fn both_descriptions_become_one_model() {
        let text = model_text::write(&import("7.2", &wsdl(), XIDL, false).unwrap());
        let facts: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            facts,
            [
                "versions 7.2",
                "result VBOX_E_GONE 0x80BB0001",
                "enum Mood",
                "  Good",
                "  New",
                "struct ISize",
                "  width: u32",
                "interface IBox",
                "  get name: string",
                "  set name: string",
                "  get mood: Mood",
                "  call find(ids: uuid[]) -> data: bytes, returnval: IBox",
                "interface ICrate < IBox",
                "global IManager",
                "  call open() -> returnval: IBox",
            ]
        );
    }

    #[test]
    fn of_a_borrowed_xidl_only_what_the_wsdl_has_is_taken() {
        let later = XIDL.replace(
            "<interface name=\"ISize\"",
            "<interface name=\"ILater\" extends=\"$unknown\" wsmap=\"managed\"><attribute name=\"name\" type=\"wstring\"/></interface>\
             <interface name=\"ISize\"",
        );
        let names = |borrowed| -> Vec<String> {
            let model = import("7.1", &wsdl(), &later, borrowed).unwrap();
            model.interfaces.into_iter().map(|interface| interface.name).collect()
        };
        assert_eq!(names(true), ["IBox", "ICrate", "IManager"]);
        assert_eq!(names(false), ["IBox", "ICrate", "ILater", "IManager"]);
    }

    #[test]
    fn descriptions_that_disagree_are_refused_with_the_place() {
        let changes = [
            ("IBox_setName", "IBox_setOther", "IBox_setOther"),
            ("type='xsd:unsignedInt'", "type='xsd:int'", "`width` is xsd:int"),
            (" minOccurs='0' maxOccurs='unbounded'", "", "IBox_find"),
            ("name='data'", "name='other'", "does not declare `other`"),
        ];
        for (from, to, place) in changes {
            let error = import("7.2", &wsdl().replace(from, to), XIDL, false).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains(place), "{error}");
        }
    }
}
