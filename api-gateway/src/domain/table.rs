//! Exact path templates, and what stands behind each of their methods.

use http::Method;

/// A set of templates such as `/users/{id}`; a literal segment wins over a parameter.
#[derive(Debug)]
pub struct Table<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    literals: Vec<(String, Node<T>)>,
    parameter: Option<Box<Node<T>>>,
    methods: Vec<(Method, T)>,
    allow: String,
}

/// What a path and a method lead to.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup<'t, T> {
    Found(&'t T),
    /// The path is there, the method is not; the text is the value of `Allow`.
    WrongMethod(&'t str),
    Nothing,
}

/// Why an entry cannot join the table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEntry {
    #[error("`{0}` is not a template: it must begin with a slash and have no empty segment")]
    Template(String),
    #[error("`{1} {0}` stands in the table twice")]
    Twice(String, Method),
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            literals: Vec::new(),
            parameter: None,
            methods: Vec::new(),
            allow: String::new(),
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            root: Node::default(),
        }
    }
}

impl<T> Table<T> {
    /// Add one template and method.
    ///
    /// # Errors
    /// The template is malformed, or the pair is there already.
    pub fn insert(&mut self, template: &str, method: Method, value: T) -> Result<(), BadEntry> {
        let inner = template
            .strip_prefix('/')
            .ok_or_else(|| BadEntry::Template(template.to_owned()))?;
        let mut node = &mut self.root;
        if !inner.is_empty() {
            for segment in inner.split('/') {
                node = node
                    .child(segment)
                    .ok_or_else(|| BadEntry::Template(template.to_owned()))?;
            }
        }
        if node.methods.iter().any(|(there, _)| *there == method) {
            return Err(BadEntry::Twice(template.to_owned(), method));
        }
        node.methods.push((method, value));
        node.allow = allow(node.methods.iter().map(|(method, _)| method));
        Ok(())
    }

    /// What stands behind `method` on `path`, which must be canonical.
    pub fn find(&self, path: &str, method: &Method) -> Lookup<'_, T> {
        let inner = path.strip_prefix('/').unwrap_or(path);
        let node = if inner.is_empty() {
            Some(&self.root)
        } else {
            self.root.walk(inner)
        };
        let Some(node) = node.filter(|node| !node.methods.is_empty()) else {
            return Lookup::Nothing;
        };
        // Whoever may GET may also ask for the head alone.
        let method = if *method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        match node.methods.iter().find(|(there, _)| there == method) {
            Some((_, value)) => Lookup::Found(value),
            None => Lookup::WrongMethod(&node.allow),
        }
    }
}

impl<T> Node<T> {
    fn child(&mut self, segment: &str) -> Option<&mut Self> {
        if segment.starts_with('{') && segment.ends_with('}') {
            return Some(self.parameter.get_or_insert_default());
        }
        // A literal that no canonical path can spell would be a route that never matches.
        if segment.is_empty() || super::target::canonical(&format!("/{segment}")).is_err() {
            return None;
        }
        let known = self.literals.iter().position(|(literal, _)| literal == segment);
        let index = known.unwrap_or_else(|| {
            self.literals.push((segment.to_owned(), Self::default()));
            self.literals.len() - 1
        });
        Some(&mut self.literals[index].1)
    }

    fn walk(&self, path: &str) -> Option<&Self> {
        let (segment, rest) = path
            .split_once('/')
            .map_or((path, None), |(head, rest)| (head, Some(rest)));
        if segment.is_empty() {
            return None;
        }
        let literal = self
            .literals
            .iter()
            .find(|(literal, _)| literal == segment)
            .map(|(_, node)| node);
        literal
            .and_then(|node| node.descend(rest))
            .or_else(|| self.parameter.as_deref().and_then(|node| node.descend(rest)))
    }

    /// The node that the rest of the path ends at, if something is served there.
    fn descend(&self, rest: Option<&str>) -> Option<&Self> {
        match rest {
            Some(rest) => self.walk(rest),
            None => (!self.methods.is_empty()).then_some(self),
        }
    }
}

fn allow<'m>(methods: impl Iterator<Item = &'m Method>) -> String {
    let mut names: Vec<&str> = methods.map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.sort_unstable();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(&str, Method, u8)]) -> Table<u8> {
        let mut table = Table::default();
        for (template, method, value) in entries {
            table
                .insert(template, method.clone(), *value)
                .expect("a good entry");
        }
        table
    }

    #[test]
    fn a_literal_wins_over_a_parameter_but_does_not_hide_it() {
        let table = table(&[
            ("/users/{id}", Method::GET, 1),
            ("/users/me", Method::GET, 2),
            ("/users/me/password", Method::PUT, 3),
            ("/users/{id}/sessions", Method::GET, 4),
        ]);
        assert_eq!(table.find("/users/42", &Method::GET), Lookup::Found(&1));
        assert_eq!(table.find("/users/me", &Method::GET), Lookup::Found(&2));
        assert_eq!(table.find("/users/me/password", &Method::PUT), Lookup::Found(&3));
        assert_eq!(table.find("/users/me/sessions", &Method::GET), Lookup::Found(&4));
    }

    #[test]
    fn only_whole_templates_match() {
        let table = table(&[("/", Method::GET, 0), ("/users/{id}", Method::GET, 1)]);
        assert_eq!(table.find("/", &Method::GET), Lookup::Found(&0));
        for path in [
            "/users",
            "/users/",
            "/users/42/",
            "/users/42/x",
            "/Users/42",
            "/user",
            "/users/42/..",
        ] {
            assert_eq!(table.find(path, &Method::GET), Lookup::Nothing, "{path}");
        }
    }

    #[test]
    fn a_wrong_method_hears_the_right_ones() {
        let table = table(&[("/users", Method::GET, 1), ("/users", Method::POST, 2)]);
        assert_eq!(table.find("/users", &Method::HEAD), Lookup::Found(&1));
        assert_eq!(
            table.find("/users", &Method::DELETE),
            Lookup::WrongMethod("GET, HEAD, POST")
        );
        assert_eq!(
            table.find("/users", &Method::TRACE),
            Lookup::WrongMethod("GET, HEAD, POST")
        );
    }

    #[test]
    fn a_bad_or_double_entry_is_refused() {
        let mut table = table(&[("/users/{id}", Method::GET, 1)]);
        assert!(matches!(
            table.insert("users", Method::GET, 2),
            Err(BadEntry::Template(_))
        ));
        assert!(matches!(
            table.insert("/users//x", Method::GET, 2),
            Err(BadEntry::Template(_))
        ));
        assert!(matches!(
            table.insert("/users/{id", Method::GET, 2),
            Err(BadEntry::Template(_))
        ));
        assert!(matches!(
            table.insert("/users/../x", Method::GET, 2),
            Err(BadEntry::Template(_))
        ));
        assert!(matches!(
            table.insert("/users/{other}", Method::GET, 2),
            Err(BadEntry::Twice(..))
        ));
    }
}
