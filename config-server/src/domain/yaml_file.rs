//! YAML into flat properties with their positions.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{Error, Options, Spanned};

use super::document::Property;

/// The documents of a file, each flattened. Errors say what and where, without quoting the file.
pub(super) fn parse(text: &str) -> Result<Vec<Vec<Property>>, String> {
    let documents: Vec<Spanned<Node>> =
        serde_saphyr::from_multiple_with_options(text, options()).map_err(|e| describe(&e))?;
    Ok(documents.into_iter().map(flatten_document).collect())
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 64, max_nodes: 50_000, max_documents: 256 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 20_000 },
        // A number with a leading zero is a telephone number or a code; neither octal nor decimal would be it.
        leading_zero_numbers_as_strings: true,
    }
}

fn describe(error: &Error) -> String {
    // The rest of the message is an extract of the file, which may hold secrets.
    error
        .without_snippet()
        .to_string()
        .lines()
        .next()
        .unwrap_or("not YAML")
        .to_owned()
}

fn flatten_document(document: Spanned<Node>) -> Vec<Property> {
    let mut properties = Vec::new();
    match document.value {
        Node::Map(_) => flatten(document, "", &mut properties),
        // A file that is one text or one list is served under this key.
        Node::List(_) | Node::Scalar(_) => flatten(document, "document", &mut properties),
    }
    properties
}

fn flatten(node: Spanned<Node>, key: &str, into: &mut Vec<Property>) {
    let position = (node.defined.line(), node.defined.column());
    match node.value {
        Node::Map(members) => {
            for (name, member) in members {
                let joined = if key.is_empty() || name.starts_with('[') {
                    format!("{key}{name}")
                } else {
                    format!("{key}.{name}")
                };
                flatten(member, &joined, into);
            }
        }
        Node::List(items) if !items.is_empty() => {
            for (index, item) in items.into_iter().enumerate() {
                flatten(item, &format!("{key}[{index}]"), into);
            }
        }
        // Flat keys know neither nothing nor an empty list: both are an empty text, as in Spring.
        Node::List(_) | Node::Scalar(Value::Null) => into.push(Property {
            key: key.to_owned(),
            value: "".into(),
            position,
        }),
        Node::Scalar(value) => into.push(Property {
            key: key.to_owned(),
            value,
            position,
        }),
    }
}

enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(String, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, a list or a map")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = access.next_key::<String>()? {
            members.push((name, access.next_value()?));
        }
        Ok(Node::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flat(yaml: &str) -> Vec<Vec<(String, Value)>> {
        let documents = parse(yaml).unwrap();
        documents
            .into_iter()
            .map(|d| d.into_iter().map(|p| (p.key, p.value)).collect())
            .collect()
    }

    #[test]
    fn values_keep_their_types_and_lists_get_indices() {
        let yaml =
            "a: 1\nb:\n  c: [x, 2.5, {d: true}, [7]]\n  0: on\n  t: 09:30\n  zip: 010\nn: ~\nl: []\nm: {}\n";
        let expected = [
            ("a", json!(1)),
            ("b.c[0]", json!("x")),
            ("b.c[1]", json!(2.5)),
            ("b.c[2].d", json!(true)),
            ("b.c[3][0]", json!(7)),
            ("b.0", json!(true)),
            ("b.t", json!("09:30")),
            ("b.zip", json!("010")),
            ("n", json!("")),
            ("l", json!("")),
        ];
        assert_eq!(flat(yaml)[0], expected.map(|(k, v)| (k.to_owned(), v)));
    }

    #[test]
    fn each_value_knows_its_line_and_column() {
        let documents = parse("a: 1\n---\nb:\n  c: x\n").unwrap();
        assert_eq!(documents[0][0].position, (1, 4));
        assert_eq!(documents[1][0].position, (4, 6));
    }

    #[test]
    fn a_file_that_is_no_map_is_a_document() {
        assert_eq!(
            flat("just text")[0],
            [("document".to_owned(), json!("just text"))]
        );
        assert_eq!(flat("- a\n- b")[0].len(), 2);
        assert!(flat("# nothing\n").is_empty());
    }

    #[test]
    fn a_bad_file_is_refused_without_quoting_it() {
        let doubled = |i: usize| format!("a{i}: &a{i} [*a{}, *a{}]", i - 1, i - 1);
        let bomb = [vec!["a0: &a0 [x, x]".to_owned()], (1..40).map(doubled).collect()]
            .concat()
            .join(
                "
",
            );
        let deep = "[".repeat(5000);
        for bad in [
            "a: [",
            "a: 1\na: 2",
            "a: *nobody",
            "a: .inf",
            "? {a: 1}\n: 2",
            &bomb,
            &deep,
            "a:\n- b\n c: d",
        ] {
            assert!(parse(bad).is_err(), "{}", &bad[..bad.len().min(40)]);
        }
        let error = parse("password: hunter2\nx: [\n").unwrap_err();
        assert!(!error.contains("hunter2") && error.contains("line 2"), "{error}");
    }
}
