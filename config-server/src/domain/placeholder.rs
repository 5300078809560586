//! `${key}` and `${key:default}` in values and plain-text files.

use serde_json::{Map, Value};

use super::document::text;

/// More than any file of settings comes to; placeholders that multiply themselves reach it.
const LARGEST: usize = 1 << 20;
const DEEPEST: usize = 32;

/// The answer would be larger than [`LARGEST`], or nested deeper than [`DEEPEST`].
#[derive(Debug, PartialEq, Eq)]
pub struct Expansion;

/// Resolve every placeholder in `text` against flat properties. One that nothing resolves stays as it is, and so does
/// one that leads back to itself; `\${` stands for `${`.
pub fn resolve(text: &str, properties: &Map<String, Value>) -> Result<String, Expansion> {
    let mut resolver = Resolver {
        properties,
        open: Vec::new(),
        written: 0,
    };
    resolver.resolve(text, 0)
}

/// Resolve all texts inside a nested value.
pub fn resolve_value(value: Value, properties: &Map<String, Value>) -> Result<Value, Expansion> {
    Ok(match value {
        Value::String(text) => Value::String(resolve(&text, properties)?),
        Value::Array(items) => items
            .into_iter()
            .map(|item| resolve_value(item, properties))
            .collect::<Result<_, _>>()?,
        Value::Object(members) => {
            let resolved = members
                .into_iter()
                .map(|(name, member)| Ok((name, resolve_value(member, properties)?)));
            Value::Object(resolved.collect::<Result<_, _>>()?)
        }
        other => other,
    })
}

struct Resolver<'a> {
    properties: &'a Map<String, Value>,
    /// Keys whose values are being resolved: a key that is met inside its own value leads nowhere.
    open: Vec<String>,
    written: usize,
}

impl Resolver<'_> {
    fn resolve(&mut self, text: &str, depth: usize) -> Result<String, Expansion> {
        if depth > DEEPEST {
            return Err(Expansion);
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let before = &rest[..at];
            let after = &rest[at + 2..];
            if let Some(unescaped) = before.strip_suffix('\\') {
                self.write(&mut out, unescaped.strip_suffix('\\').unwrap_or(unescaped))?;
                self.write(&mut out, "${")?;
                rest = after;
                continue;
            }
            self.write(&mut out, before)?;
            let Some(end) = closing_brace(after) else {
                rest = &rest[at..];
                break;
            };
            let value = self.placeholder(&after[..end], depth)?;
            self.write(&mut out, &value)?;
            rest = &after[end + 1..];
        }
        self.write(&mut out, rest)?;
        Ok(out)
    }

    fn placeholder(&mut self, inner: &str, depth: usize) -> Result<String, Expansion> {
        let inner = self.resolve(inner, depth + 1)?;
        if let Some(value) = self.lookup(inner.trim(), depth)? {
            return Ok(value);
        }
        let Some((key, default)) = inner.split_once(':') else {
            return Ok(format!("${{{inner}}}"));
        };
        Ok(self
            .lookup(key.trim(), depth)?
            .unwrap_or_else(|| default.to_owned()))
    }

    fn lookup(&mut self, key: &str, depth: usize) -> Result<Option<String>, Expansion> {
        let Some(value) = self.properties.get(key) else {
            return Ok(None);
        };
        if self.open.iter().any(|open| open == key) {
            return Ok(None);
        }
        self.open.push(key.to_owned());
        let resolved = self.resolve(&text(value), depth + 1);
        self.open.pop();
        resolved.map(Some)
    }

    fn write(&mut self, out: &mut String, text: &str) -> Result<(), Expansion> {
        self.written += text.len();
        if self.written > LARGEST {
            return Err(Expansion);
        }
        out.push_str(text);
        Ok(())
    }
}

/// Where the placeholder that has just been opened ends, past the ones inside it.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if at > 0 && bytes[at - 1] == b'$' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn properties() -> Map<String, Value> {
        let value = json!({
            "host": "db", "port": 3306, "url": "mysql://${host}:${port}", "which": "host", "a": "${b}", "b": "${a}",
            "self": "x${self}", "with:colon": "yes", "on": true
        });
        value.as_object().unwrap().clone()
    }

    #[test]
    fn placeholders_resolve() {
        let cases = [
            ("${host}:${port}", "db:3306"),
            ("${url}/x", "mysql://db:3306/x"),
            ("${${which}}", "db"),
            ("${nobody:fallback}", "fallback"),
            ("${nobody:${host}}", "db"),
            ("${nobody:}", ""),
            ("${nobody:a:b}", "a:b"),
            ("${with:colon}", "yes"),
            ("${ host }", "db"),
            ("${on}", "true"),
            ("no placeholder $ { }", "no placeholder $ { }"),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve(text, &properties()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_does_not_resolve_stays() {
        for text in ["${nobody}", "${unclosed", "a ${x${y}", "$$ {", "${}"] {
            assert_eq!(resolve(text, &properties()).unwrap(), text);
        }
        assert_eq!(
            resolve(r"\${host} \\${host}", &properties()).unwrap(),
            "${host} ${host}"
        );
        assert_eq!(resolve("${a}", &properties()).unwrap(), "${a}");
        assert_eq!(resolve("${self}", &properties()).unwrap(), "x${self}");
    }

    #[test]
    fn placeholders_that_multiply_are_stopped() {
        let mut bomb = Map::new();
        bomb.insert("k0".into(), "x".repeat(100).into());
        for i in 1..40 {
            bomb.insert(format!("k{i}"), format!("${{k{}}}${{k{}}}", i - 1, i - 1).into());
        }
        assert_eq!(resolve("${k25}", &bomb), Err(Expansion));
        let chain: Map<String, Value> = (0..1000)
            .map(|i| (format!("c{i}"), format!("${{c{}}}", i + 1).into()))
            .collect();
        assert_eq!(resolve("${c0}", &chain), Err(Expansion));
        assert_eq!(
            resolve(&"${".repeat(100_000), &properties()).unwrap().len(),
            200_000
        );
        assert_eq!(
            resolve(
                &format!("{}{}", "${".repeat(1000), "}".repeat(1000)),
                &properties()
            ),
            Err(Expansion)
        );
    }
}
