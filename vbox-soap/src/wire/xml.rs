//! XML to a tree, within limits and without entities of its own making.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// An element: its local name, its text, its children. Attributes do not matter in this API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The children with this local name.
    pub(crate) fn children_called<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Element> + 'a {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child with this local name.
    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }
}

/// How deep elements may be nested. Real responses have at most five levels.
pub(crate) const MAX_DEPTH: usize = 32;

/// How many elements there may be. The size of the text is limited where it is received.
const MAX_ELEMENTS: usize = 2_000_000;

/// Reads a document; the reason if it is not one that this crate accepts.
pub(crate) fn parse(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![];
    let mut root = None;
    let mut elements = 0usize;
    loop {
        let position = reader.buffer_position();
        let event =
            reader.read_event().map_err(|error| format!("not XML: {error} (byte {position})"))?;
        match event {
            Event::Start(start) => {
                elements += 1;
                if open.len() >= MAX_DEPTH {
                    return Err(format!(
                        "elements nested deeper than {MAX_DEPTH} (byte {position})"
                    ));
                }
                if elements > MAX_ELEMENTS {
                    return Err(format!("more than {MAX_ELEMENTS} elements"));
                }
                if root.is_some() {
                    return Err(format!("a second root element (byte {position})"));
                }
                open.push(element(&start));
            }
            Event::Empty(start) => {
                elements += 1;
                if elements > MAX_ELEMENTS {
                    return Err(format!("more than {MAX_ELEMENTS} elements"));
                }
                close(element(&start), &mut open, &mut root)?;
            }
            Event::End(_) => {
                // The reader has checked that the names match; without an open element it fails.
                let Some(mut finished) = open.pop() else {
                    return Err(format!("an end without a beginning (byte {position})"));
                };
                if !finished.children.is_empty() {
                    // White space between elements.
                    finished.text = String::new();
                }
                close(finished, &mut open, &mut root)?;
            }
            Event::Text(text) => append(&mut open, &text.xml10_content(), position)?,
            Event::CData(text) => append(&mut open, &text.xml10_content(), position)?,
            Event::GeneralRef(reference) => {
                let character = resolve(&reference)
                    .ok_or_else(|| format!("the entity &{}; (byte {position})", &*reference))?;
                append(&mut open, character.encode_utf8(&mut [0; 4]), position)?;
            }
            Event::DocType(_) => return Err("a document type definition".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if let Some(unfinished) = open.last() {
        return Err(format!("the document ends within <{}>", unfinished.name));
    }
    root.ok_or_else(|| "no element".to_owned())
}

fn element(start: &BytesStart<'_>) -> Element {
    let name = start.local_name();
    Element { name: name.into_inner().to_owned(), ..Element::default() }
}

/// Puts a finished element where it belongs.
fn close(
    finished: Element,
    open: &mut [Element],
    root: &mut Option<Element>,
) -> Result<(), String> {
    match open.last_mut() {
        Some(parent) => parent.children.push(finished),
        None if root.is_none() => *root = Some(finished),
        None => return Err("a second root element".to_owned()),
    }
    Ok(())
}

fn append(open: &mut [Element], text: &str, position: u64) -> Result<(), String> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(format!("text outside of the root element (byte {position})")),
    }
    Ok(())
}

/// The five entities that XML has, and references to characters.
fn resolve(reference: &BytesRef<'_>) -> Option<char> {
    match &**reference {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => reference.resolve_char_ref().ok().flatten(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_a_tree_of_local_names() {
        let root = parse(
            "<?xml version='1.0'?>\n<s:a xmlns:s='x'> <b>1 &lt; 2 &#38; &#x41;</b>\n <c/><b><![CDATA[<&]]></b></s:a>\n",
        )
        .unwrap();
        assert_eq!(root.name, "a");
        assert_eq!(root.text, "");
        let texts: Vec<_> = root.children_called("b").map(|b| b.text.as_str()).collect();
        assert_eq!(texts, ["1 < 2 & A", "<&"]);
        assert_eq!(root.child("c").unwrap().text, "");
        assert!(root.child("d").is_none());
    }

    #[test]
    fn white_space_of_a_leaf_is_kept() {
        assert_eq!(parse("<a>  x\n</a>").unwrap().text, "  x\n");
        assert_eq!(parse("<a>\r\n&#13;</a>").unwrap().text, "\n\r");
    }

    #[test]
    fn what_is_not_well_formed_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "no element"),
            ("plain", "outside"),
            ("<a>", "ends within <a>"),
            ("<a></b>", "not XML"),
            ("</a>", "not XML"),
            ("<a/><b/>", "second root"),
            ("<a></a><b></b>", "second root"),
            ("<a>&nbsp;</a>", "entity &nbsp;"),
            ("<a>&#0;</a>", "entity &#0;"),
            ("<a", "not XML"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn definitions_of_entities_are_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxx\">]><a>&x;</a>";
        assert_eq!(parse(bomb).unwrap_err(), "a document type definition");
    }

    #[test]
    fn nesting_is_limited() {
        let deep = "<a>".repeat(MAX_DEPTH + 1);
        assert!(parse(&deep).unwrap_err().contains("deeper"));
        let fits = format!("{}{}", "<a>".repeat(MAX_DEPTH), "</a>".repeat(MAX_DEPTH));
        assert!(parse(&fits).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(<[/!?]?[a-z:]{0,3}( [a-z]=\"[^\"]{0,3}\")?/?>?|&#?[a-z0-9]{0,4};?|\\PC|\n){0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_damaged_envelope_makes_it_no_panic_either(position in 0..200usize, with in "\\PC{0,3}") {
            let mut text = String::from(
                "<?xml version=\"1.0\"?><S:Envelope xmlns:S=\"s\"><S:Body><v:XResponse><returnval>1 &lt; &#50;\
                 </returnval><returnval><![CDATA[x]]></returnval></v:XResponse></S:Body></S:Envelope>",
            );
            let position = position.min(text.len());
            text.replace_range(position..(position + 1).min(text.len()), &with);
            let _ = parse(&text);
        }
    }
}
