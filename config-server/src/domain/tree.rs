//! The files of one label as they were at one moment. Nothing in it changes, so a request sees one version throughout.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::document::{self, Document, FORMATS};

/// A file as a backend hands it over.
#[derive(Debug, Clone)]
pub struct RawFile {
    /// Relative to the root, with `/`.
    pub path: String,
    /// All of it.
    pub bytes: Bytes,
    /// When it was last changed, as far as the backend knows.
    pub modified: Option<DateTime<Utc>>,
}

/// A file, read.
#[derive(Debug, Clone)]
pub struct File {
    /// All of it.
    pub bytes: Bytes,
    /// For `Last-Modified`.
    pub modified: Option<DateTime<Utc>>,
    /// The properties in it; `None` for a file that holds none; what is wrong with it, if it cannot be read.
    pub documents: Option<Result<Vec<Document>, String>>,
}

/// All files of one label.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// What the names of property sources begin with: `file:config` or the URL of the repository.
    pub origin: String,
    /// The commit, or a hash over all files.
    pub version: Option<String>,
    files: BTreeMap<String, File>,
}

impl Tree {
    /// Read every file.
    pub fn new(origin: &str, version: Option<String>, raw: Vec<RawFile>) -> Self {
        let files = raw
            .into_iter()
            .map(|file| (file.path.clone(), File::read(file)))
            .collect();
        Self {
            origin: origin.to_owned(),
            version,
            files,
        }
    }

    /// The file at exactly this path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// Are there no files at all?
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The size of all files together.
    pub fn bytes(&self) -> usize {
        self.files.values().map(|file| file.bytes.len()).sum()
    }

    /// The files that cannot be read, with the reasons.
    pub fn broken(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter_map(|(path, file)| match &file.documents {
                Some(Err(reason)) => Some((path.as_str(), reason.as_str())),
                _ => None,
            })
    }

    /// Files that were fine, or absent, in `previous` and are broken now.
    pub fn newly_broken<'a>(&'a self, previous: &'a Self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let was_broken = |path: &str| previous.broken().any(|(earlier, _)| earlier == path);
        self.broken().filter(move |(path, _)| !was_broken(path))
    }

    /// Paths of files that were added, removed or changed since `previous`.
    pub fn changed_since(&self, previous: &Self) -> Vec<String> {
        let differs =
            |path: &String| self.file(path).map(|f| &f.bytes) != previous.file(path).map(|f| &f.bytes);
        let mut paths: Vec<String> = self
            .files
            .keys()
            .chain(previous.files.keys())
            .filter(|p| differs(p))
            .cloned()
            .collect();
        paths.sort();
        paths.dedup();
        paths
    }
}

impl File {
    fn read(raw: RawFile) -> Self {
        let format = raw
            .path
            .rsplit_once('.')
            .map(|(_, ending)| ending)
            .filter(|ending| FORMATS.contains(ending));
        let documents = format.map(|format| document::parse(format, &text(&raw.bytes, format)?));
        Self {
            bytes: raw.bytes,
            modified: raw.modified,
            documents,
        }
    }
}

/// Java wrote `.properties` in Latin-1 for two decades; everything else is UTF-8.
fn text(bytes: &[u8], format: &str) -> Result<String, String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) if format == "properties" => Ok(bytes.iter().map(|&byte| char::from(byte)).collect()),
        Err(_) => Err("not UTF-8".to_owned()),
    }
}

#[cfg(test)]
pub mod testing {
    use super::*;

    /// A tree of these files.
    pub fn tree(files: &[(&str, &str)]) -> Tree {
        let raw = files.iter().map(|(path, text)| RawFile {
            path: (*path).to_owned(),
            bytes: Bytes::copy_from_slice(text.as_bytes()),
            modified: None,
        });
        Tree::new("file:config", Some("v1".to_owned()), raw.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::testing::tree;
    use super::*;

    #[test]
    fn a_broken_file_is_known_as_such() {
        let old = tree(&[("a.yml", "a: 1"), ("b.yml", "b: ["), ("note.txt", "a: [")]);
        assert_eq!(old.broken().map(|(path, _)| path).collect::<Vec<_>>(), ["b.yml"]);
        let new = tree(&[("a.yml", "a: ["), ("b.yml", "b: ["), ("c.properties", "x=\\u1")]);
        assert_eq!(
            new.newly_broken(&old).map(|(path, _)| path).collect::<Vec<_>>(),
            ["a.yml", "c.properties"]
        );
        assert_eq!(new.changed_since(&old), ["a.yml", "c.properties", "note.txt"]);
    }

    #[test]
    fn properties_may_be_latin_1_and_yaml_may_not() {
        let raw = |path: &str| RawFile {
            path: path.to_owned(),
            bytes: Bytes::from_static(b"a: \xe9"),
            modified: None,
        };
        let tree = Tree::new("", None, vec![raw("a.yml"), raw("a.properties")]);
        assert!(matches!(tree.file("a.yml").unwrap().documents, Some(Err(_))));
        let documents = tree
            .file("a.properties")
            .unwrap()
            .documents
            .clone()
            .unwrap()
            .unwrap();
        assert_eq!(documents[0].properties[0].value, "é");
    }
}
