//! Flat property names (`routes[0].path`) and the nested values that they stand for.

use serde_json::{Map, Value};

/// A list with a larger index than this is taken for a name: `a[4000000000]` must not fill the memory.
const LARGEST_INDEX: usize = 9_999;

/// Merge sources of flat properties, the strongest first, into one. A list replaces a weaker list as a whole.
pub fn merge<'a>(sources: impl DoubleEndedIterator<Item = &'a Map<String, Value>>) -> Map<String, Value> {
    let mut merged = Map::new();
    for source in sources.rev() {
        let lists: Vec<&str> = source.keys().filter_map(|key| list_name(key)).collect();
        merged.retain(|key: &String, _| {
            // A list may also come as one text: empty, or with commas. Either form replaces the other.
            let weaker_list =
                list_name(key).is_some_and(|name| lists.contains(&name) || source.contains_key(name));
            !weaker_list && !lists.contains(&key.as_str())
        });
        merged.extend(source.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    merged
}

fn list_name(key: &str) -> Option<&str> {
    key.find('[').map(|at| &key[..at])
}

/// Nest flat properties. Where a value stands in the way of deeper ones (`org: x` beside `org.y: z`), the deeper ones
/// keep a compound name beside it.
pub fn nest(flat: Map<String, Value>) -> Value {
    let mut entries: Vec<(Vec<Segment>, Value)> = flat.into_iter().map(|(k, v)| (segments(&k), v)).collect();
    // Values before what might stand below them.
    entries.sort_by_key(|(path, _)| path.len());
    let mut root = Value::Object(Map::new());
    for (path, value) in entries {
        place(&mut root, &path, value);
    }
    root
}

#[derive(Clone, Debug, PartialEq)]
enum Segment {
    Name(String),
    Index(usize),
}

fn segments(key: &str) -> Vec<Segment> {
    let mut path = Vec::new();
    let mut rest = key;
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        if !name.is_empty() || tail.is_empty() || path.is_empty() && !tail.starts_with('[') {
            path.push(Segment::Name(name.to_owned()));
        }
        rest = tail;
        while let Some((inside, tail)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            path.push(index(inside, path.is_empty()));
            rest = tail;
        }
        if let Some(open) = rest.strip_prefix('[') {
            path.push(Segment::Name(format!("[{open}")));
            return path;
        }
        match rest.strip_prefix('.') {
            Some(tail) => rest = tail,
            None if rest.is_empty() => return path,
            None => {}
        }
    }
}

/// `[0]` is an element; `[/path/**]` is a name that holds dots.
fn index(inside: &str, at_root: bool) -> Segment {
    match inside.parse() {
        Ok(index) if index <= LARGEST_INDEX && !at_root => Segment::Index(index),
        _ => Segment::Name(inside.to_owned()),
    }
}

fn place(at: &mut Value, path: &[Segment], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *at = value;
        return;
    };
    match (at, first) {
        (Value::Object(members), Segment::Name(name)) => place_member(members, name, rest, value),
        (Value::Array(items), Segment::Index(index)) => {
            if items.len() <= *index {
                items.resize(*index + 1, Value::Null);
            }
            open(&mut items[*index], rest);
            place(&mut items[*index], rest, value);
        }
        // Only a list element that is a value and has something below it, which no file can say.
        _ => {}
    }
}

fn place_member(members: &mut Map<String, Value>, name: &str, rest: &[Segment], value: Value) {
    let slot = members.entry(name).or_insert(Value::Null);
    if open(slot, rest) {
        place(slot, rest, value);
    } else {
        members.insert(compound(name, rest), value);
    }
}

/// Make room for what comes below. `false`: something else stands there.
fn open(slot: &mut Value, rest: &[Segment]) -> bool {
    match (rest.first(), &*slot) {
        (None, _)
        | (Some(Segment::Name(_)), Value::Object(_))
        | (Some(Segment::Index(_)), Value::Array(_)) => true,
        (Some(Segment::Name(_)), Value::Null) => {
            *slot = Value::Object(Map::new());
            true
        }
        (Some(Segment::Index(_)), Value::Null) => {
            *slot = Value::Array(Vec::new());
            true
        }
        _ => false,
    }
}

fn compound(name: &str, rest: &[Segment]) -> String {
    rest.iter()
        .fold(name.to_owned(), |joined, segment| match segment {
            Segment::Name(name) => format!("{joined}.{name}"),
            Segment::Index(index) => format!("{joined}[{index}]"),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(members) => members,
            other => panic!("no object: {other}"),
        }
    }

    fn nested(flat: Value) -> Value {
        nest(object(flat))
    }

    #[test]
    fn names_and_indices_become_maps_and_lists() {
        let flat = json!({"a.b[0].c": 1, "a.b[0].d": true, "a.b[1].c": 2, "a.e": "x", "m[1][0]": 9, "p[/x/**].q": 3});
        let expected = json!({"a": {"e": "x", "b": [{"c": 1, "d": true}, {"c": 2}]}, "m": [null, [9]], "p": {"/x/**": {"q": 3}}});
        assert_eq!(nested(flat), expected);
    }

    #[test]
    fn a_value_in_the_way_keeps_its_place() {
        let flat = json!({"org.foo": "DEBUG", "org": "INFO", "l[0]": "a", "l": ""});
        assert_eq!(
            nested(flat),
            json!({"org": "INFO", "l": "", "org.foo": "DEBUG", "l[0]": "a"})
        );
    }

    #[test]
    fn odd_keys_do_no_harm() {
        let flat = json!({"a[4000000000]": 1, "b[": 2, "c[x": 3, "[0]": 4, "": 5, "d..e": 6, "f[0].g": 7, "f[0]": 8, ".h": 9, "i]": 10, "j[0]k": 11});
        let nested = nested(flat);
        assert_eq!(nested["a"]["4000000000"], 1);
        assert_eq!(nested["d"]["e"], 6);
        assert_eq!(nested["i]"], 10);
        assert_eq!(nested["f"], json!([8]));
    }

    #[test]
    fn the_first_source_wins_and_lists_are_replaced_whole() {
        let strong = object(json!({"a": 1, "l[0]": "x", "n": "", "o[0]": 1}));
        let weak = object(json!({"a": 2, "b": 3, "l[0]": "p", "l[1]": "q", "n[0]": "gone", "o": "gone"}));
        let merged = merge([&strong, &weak].into_iter());
        assert_eq!(
            Value::Object(merged),
            json!({"a": 1, "b": 3, "l[0]": "x", "n": "", "o[0]": 1})
        );
    }
}
