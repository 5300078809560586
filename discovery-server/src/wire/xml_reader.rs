//! Reading XML into the shape that the same document has as JSON.
//!
//! No DTD, no entity but the five that XML itself has, no deep nesting: a registration needs none of it, and each
//! of them is an attack.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde_json::{Map, Value};

use super::fields::Unreadable;
use super::xml_names;

const DEEPEST: usize = 8;
const MOST_ELEMENTS: usize = 500;
/// Each is compared with those before it.
const MOST_ATTRIBUTES: usize = 16;

/// An element that is still open.
#[derive(Default)]
struct Open {
    name: String,
    text: String,
    members: Map<String, Value>,
    has_children: bool,
}

/// Read one document. Its root becomes the only member of the result.
pub(super) fn read(body: &[u8]) -> Result<Value, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable)?;
    let mut reader = Reader::from_str(text);
    let mut open = vec![Open::default()];
    let mut elements = 0;
    loop {
        match reader.read_event().map_err(|_| Unreadable)? {
            Event::Start(tag) => open.push(begin(&tag, &mut elements, open.len())?),
            Event::Empty(tag) => {
                open.push(begin(&tag, &mut elements, open.len())?);
                end(&mut open)?;
            }
            Event::End(_) => end(&mut open)?,
            Event::Text(part) => current(&mut open)?.text.push_str(&part.xml10_content()),
            Event::CData(part) => current(&mut open)?.text.push_str(&part.xml10_content()),
            Event::GeneralRef(entity) => {
                let resolved = entity
                    .resolve_char_ref()
                    .map_err(|_| Unreadable)?
                    .map(String::from);
                let resolved =
                    resolved.or_else(|| resolve_predefined_entity(&entity.into_inner()).map(str::to_owned));
                current(&mut open)?.text.push_str(&resolved.ok_or(Unreadable)?);
            }
            Event::Decl(_) | Event::Comment(_) => {}
            Event::DocType(_) | Event::PI(_) => return Err(Unreadable),
            Event::Eof => break,
        }
    }
    // Only the invisible element around the root is left, and it holds nothing else.
    match <[Open; 1]>::try_from(open) {
        Ok([around]) if around.members.len() == 1 && around.text.trim().is_empty() => {
            Ok(Value::Object(around.members))
        }
        _ => Err(Unreadable),
    }
}

fn begin(tag: &BytesStart<'_>, elements: &mut usize, depth: usize) -> Result<Open, Unreadable> {
    *elements += 1;
    if *elements > MOST_ELEMENTS || depth > DEEPEST {
        return Err(Unreadable);
    }
    let mut opened = Open {
        name: xml_names::unescape(tag.name().0),
        ..Open::default()
    };
    for (number, attribute) in tag.attributes().enumerate() {
        if number == MOST_ATTRIBUTES {
            return Err(Unreadable);
        }
        let attribute = attribute.map_err(|_| Unreadable)?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_| Unreadable)?;
        opened
            .members
            .insert(format!("@{}", attribute.key.0), Value::String(value.into_owned()));
    }
    Ok(opened)
}

fn end(open: &mut Vec<Open>) -> Result<(), Unreadable> {
    let closed = open.pop().ok_or(Unreadable)?;
    let parent = current(open)?;
    parent.has_children = true;
    let value = closed.members.clone();
    let value = if closed.has_children {
        Value::Object(value)
    } else if closed.members.is_empty() {
        Value::String(closed.text)
    } else {
        let mut leaf = value;
        if !closed.text.trim().is_empty() {
            leaf.insert("$".to_owned(), Value::String(closed.text));
        }
        Value::Object(leaf)
    };
    // Two elements of one name: readers would disagree about which one counts.
    if parent.members.insert(closed.name, value).is_some() {
        Err(Unreadable)
    } else {
        Ok(())
    }
}

fn current(open: &mut [Open]) -> Result<&mut Open, Unreadable> {
    open.last_mut().ok_or(Unreadable)
}
