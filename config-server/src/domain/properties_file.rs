//! Java's `.properties` into flat properties.

use super::document::Property;

/// The documents of a file; a line `#---` or `!---` begins the next one. A key that comes again wins.
pub(super) fn parse(text: &str) -> Result<Vec<Vec<Property>>, String> {
    let mut documents = vec![Vec::new()];
    let mut lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate();
    while let Some((index, first)) = lines.next() {
        if ["#---", "!---"].contains(&first.trim_end()) {
            documents.push(Vec::new());
            continue;
        }
        let first = first.trim_start_matches(BLANKS);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut line = first.to_owned();
        while continues(&line) {
            line.pop();
            let Some((_, next)) = lines.next() else { break };
            line.push_str(next.trim_start_matches(BLANKS));
        }
        let property = property(&line, index).map_err(|reason| format!("line {}: {reason}", index + 1))?;
        if let Some(document) = documents.last_mut() {
            document.retain(|earlier: &Property| earlier.key != property.key);
            document.push(property);
        }
    }
    Ok(documents)
}

const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

/// An odd number of backslashes at the end joins the next line.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

fn property(line: &str, index: usize) -> Result<Property, String> {
    let end = key_end(line);
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(BLANKS);
    let value = rest
        .strip_prefix(['=', ':'])
        .unwrap_or(rest)
        .trim_start_matches(BLANKS);
    let column = line.len() - value.len() + 1;
    Ok(Property {
        key: unescape(key)?,
        value: unescape(value)?.into(),
        position: (index as u64 + 1, column as u64),
    })
}

/// Where the key ends: at the first separator that is not escaped.
fn key_end(line: &str) -> usize {
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '=' | ':' | ' ' | '\t' | '\u{c}' => return at,
            _ => {}
        }
    }
    line.len()
}

fn unescape(text: &str) -> Result<String, String> {
    let mut units = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = if c == '\\' {
            chars.next().unwrap_or_default()
        } else {
            push(&mut units, c);
            continue;
        };
        match c {
            't' => push(&mut units, '\t'),
            'n' => push(&mut units, '\n'),
            'r' => push(&mut units, '\r'),
            'f' => push(&mut units, '\u{c}'),
            'u' => units.push(hex_unit(&mut chars)?),
            other => push(&mut units, other),
        }
    }
    String::from_utf16(&units).map_err(|_| "half of a \\u pair".to_owned())
}

/// `\u` escapes are UTF-16: two of them may make one character.
fn push(units: &mut Vec<u16>, c: char) {
    units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
}

fn hex_unit(chars: &mut std::str::Chars<'_>) -> Result<u16, String> {
    let digits: String = chars.by_ref().take(4).collect();
    let is_hex = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    u16::from_str_radix(&digits, 16)
        .ok()
        .filter(|_| is_hex)
        .ok_or_else(|| "a \\u escape needs four hex digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(text: &str) -> Vec<Vec<(String, String)>> {
        let documents = parse(text).unwrap();
        documents
            .into_iter()
            .map(|d| {
                d.into_iter()
                    .map(|p| (p.key, super::super::document::text(&p.value)))
                    .collect()
            })
            .collect()
    }

    fn one(text: &str) -> (String, String) {
        flat(text)[0][0].clone()
    }

    #[test]
    fn separators_and_escapes() {
        for line in ["a=b", "a:b", "a b", "a = b", "  a\t:\tb", "a =b"] {
            assert_eq!(one(line), ("a".into(), "b".into()), "{line}");
        }
        assert_eq!(one(r"a\ b\:c=d\=e"), ("a b:c".into(), "d=e".into()));
        assert_eq!(one(r"a=\u00e9\t\uD83D\uDE00\q"), ("a".into(), "é\t😀q".into()));
        assert_eq!(
            one("url=jdbc:mysql://x?a=b"),
            ("url".into(), "jdbc:mysql://x?a=b".into())
        );
        assert_eq!(one("a=b  "), ("a".into(), "b  ".into()));
        assert_eq!(one("alone"), ("alone".into(), String::new()));
        assert_eq!(one("a==b"), ("a".into(), "=b".into()));
    }

    #[test]
    fn lines_join_and_comments_do_not() {
        assert_eq!(one("a=b,\\\n   c\\\\"), ("a".into(), "b,c\\".into()));
        assert_eq!(flat("# x\\\n! y\n\na=1\n")[0].len(), 1);
        assert_eq!(flat("a=1\na=2")[0], [("a".into(), "2".into())]);
    }

    #[test]
    fn documents_are_kept_apart() {
        let documents = flat("a=1\n#---\nspring.config.activate.on-profile=dev\na=2\n!---\nb=3");
        assert_eq!(documents.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 1]);
    }

    #[test]
    fn a_bad_escape_is_refused_with_its_line() {
        for bad in [
            "a=1\nb=\\u12",
            "a=1\nb=\\uZZZZ",
            "a=1\nb=\\ud83d",
            "a=1\nb=\\u+123",
        ] {
            assert!(parse(bad).unwrap_err().starts_with("line 2"), "{bad}");
        }
    }
}
