//! Which files speak to a request, and in which order.

use serde_json::{Map, Value};

use super::document::{Document, FORMATS, Property};
use super::names::Target;
use super::tree::Tree;

/// What a request is answered from: the property sources, the strongest first.
#[derive(Debug, Clone)]
pub struct Environment {
    /// What was asked for.
    pub target: Target,
    /// The versions of the labels that answered, joined by commas.
    pub version: Option<String>,
    /// The strongest first.
    pub sources: Vec<PropertySource>,
}

/// The properties of one document of one file.
#[derive(Debug, Clone)]
pub struct PropertySource {
    /// How clients and logs call it: `file:config/application.yml`.
    pub name: String,
    /// The file's path under the root; empty for overrides.
    pub path: String,
    /// In the order of the file.
    pub properties: Vec<Property>,
}

impl PropertySource {
    /// The properties as a flat map.
    pub fn flat(&self) -> Map<String, Value> {
        self.properties
            .iter()
            .map(|property| (property.key.clone(), property.value.clone()))
            .collect()
    }
}

/// A file that the answer needs cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its path.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Folders in which files are looked up, weakest first, each empty or ending in `/`.
///
/// `search_paths` may hold `{application}`, `{profile}` and `{label}`. Whatever a caller puts in there stays a key into
/// a [`Tree`]: it can name no file outside it.
pub fn folders(target: &Target, search_paths: &[String], label_folders: bool) -> Vec<String> {
    let mut folders = vec![String::new()];
    for pattern in search_paths {
        for profile in &target.profiles {
            for application in
                std::iter::once("application").chain(target.applications.iter().map(String::as_str))
            {
                let label = target.labels().next_back().unwrap_or_default();
                let folder = pattern
                    .replace("{application}", application)
                    .replace("{profile}", profile);
                folders.push(format!(
                    "{}/",
                    folder.replace("{label}", label).trim_end_matches('/')
                ));
            }
        }
    }
    if label_folders {
        folders.extend(target.labels().map(|label| format!("{label}/")));
    }
    let mut seen = Vec::new();
    folders.retain(|folder| {
        !seen.contains(folder) && {
            seen.push(folder.clone());
            true
        }
    });
    folders
}

/// The property sources of `tree` for the request, the strongest first.
///
/// The profile is the outer key and the name the inner one, as in Spring's loader: `application-dev` beats `svc`,
/// and `application-dev2` beats `svc-dev1`.
pub fn sources(tree: &Tree, target: &Target, folders: &[String]) -> Result<Vec<PropertySource>, Broken> {
    let names: Vec<&str> = std::iter::once("application")
        .chain(target.applications.iter().map(String::as_str))
        .collect();
    let mut sources = Vec::new();
    let suffixes =
        std::iter::once(String::new()).chain(target.profiles.iter().map(|profile| format!("-{profile}")));
    for suffix in suffixes {
        for folder in folders {
            for name in &names {
                for format in FORMATS {
                    let path = format!("{folder}{name}{suffix}.{format}");
                    sources.extend(file_sources(tree, &path, &target.profiles)?);
                }
            }
        }
    }
    sources.reverse();
    Ok(sources)
}

/// The active documents of one file, in the file's order: a later one is stronger.
fn file_sources(tree: &Tree, path: &str, profiles: &[String]) -> Result<Vec<PropertySource>, Broken> {
    let documents = match tree.file(path).map(|file| &file.documents) {
        Some(Some(Ok(documents))) => documents,
        Some(Some(Err(reason))) => {
            return Err(Broken {
                path: path.to_owned(),
                reason: reason.clone(),
            });
        }
        _ => return Ok(Vec::new()),
    };
    let name = |number: usize| match documents.len() {
        1 => format!("{}/{path}", tree.origin),
        _ => format!("{}/{path} (document #{number})", tree.origin),
    };
    let active = documents
        .iter()
        .enumerate()
        .filter(|(_, document)| document.is_active(profiles));
    Ok(active
        .map(|(number, document)| source(name(number), path, document))
        .collect())
}

fn source(name: String, path: &str, document: &Document) -> PropertySource {
    PropertySource {
        name,
        path: path.to_owned(),
        properties: document.properties.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::testing::tree;
    use super::*;

    fn paths(tree: &Tree, name: &str, profiles: &str, label: Option<&str>, search: &[&str]) -> Vec<String> {
        let target = Target::parse(name, profiles, label).unwrap();
        let search: Vec<String> = search.iter().map(|&s| s.to_owned()).collect();
        let sources = sources(tree, &target, &folders(&target, &search, true)).unwrap();
        sources
            .into_iter()
            .map(|source| source.name.trim_start_matches("file:config/").to_owned())
            .collect()
    }

    #[test]
    fn the_profile_is_the_outer_key_and_the_name_the_inner_one() {
        let names = [
            "application",
            "svc",
            "application-dev1",
            "svc-dev1",
            "application-dev2",
            "svc-dev2",
            "other",
            "svc-prod",
        ];
        let files: Vec<(String, &str)> = names.iter().map(|name| (format!("{name}.yml"), "a: 1")).collect();
        let tree = tree(
            &files
                .iter()
                .map(|(path, text)| (path.as_str(), *text))
                .collect::<Vec<_>>(),
        );
        let expected = [
            "svc-dev2.yml",
            "application-dev2.yml",
            "svc-dev1.yml",
            "application-dev1.yml",
            "svc.yml",
            "application.yml",
        ];
        assert_eq!(paths(&tree, "svc", "dev1,dev2", None, &[]), expected);
        assert_eq!(
            paths(&tree, "application", "default", None, &[]),
            ["application.yml"]
        );
    }

    #[test]
    fn the_last_of_several_names_wins() {
        let tree = tree(&[("a.yml", "x: 1"), ("b.yml", "x: 2"), ("application.yml", "x: 3")]);
        assert_eq!(
            paths(&tree, "a,b", "default", None, &[]),
            ["b.yml", "a.yml", "application.yml"]
        );
    }

    #[test]
    fn properties_beat_yml_and_yml_beats_yaml() {
        let tree = tree(&[
            ("svc.yml", "a: 1"),
            ("svc.properties", "a=1"),
            ("svc.yaml", "a: 1"),
            ("svc.json", "{}"),
        ]);
        assert_eq!(
            paths(&tree, "svc", "default", None, &[]),
            ["svc.properties", "svc.yml", "svc.yaml"]
        );
    }

    #[test]
    fn documents_rank_inside_their_file() {
        let file = "a: 1\n---\nspring.config.activate.on-profile: dev\na: 2\n---\nspring.config.activate.on-profile: prod\na: 3";
        let tree = tree(&[
            ("svc.yml", file),
            ("svc-dev.yml", "a: 4"),
            ("application-dev.yml", "a: 5"),
        ]);
        let expected = [
            "svc-dev.yml",
            "application-dev.yml",
            "svc.yml (document #1)",
            "svc.yml (document #0)",
        ];
        assert_eq!(paths(&tree, "svc", "dev", None, &[]), expected);
        assert_eq!(
            paths(&tree, "svc", "default", None, &[]),
            ["svc.yml (document #0)"]
        );
    }

    #[test]
    fn label_folders_and_search_paths_beat_the_root_within_a_profile() {
        let tree = tree(&[
            ("svc.yml", "a: 1"),
            ("svc-dev.yml", "a: 1"),
            ("v2/svc.yml", "a: 1"),
            ("v3/svc.yml", "a: 1"),
            ("apps/svc/svc.yml", "a: 1"),
        ]);
        let expected = [
            "svc-dev.yml",
            "v3/svc.yml",
            "v2/svc.yml",
            "apps/svc/svc.yml",
            "svc.yml",
        ];
        assert_eq!(
            paths(&tree, "svc", "dev", Some("v2,v3"), &["apps/{application}"]),
            expected
        );
        assert_eq!(paths(&tree, "svc", "default", Some("nothing"), &[]), ["svc.yml"]);
    }

    #[test]
    fn a_broken_file_is_an_error_for_those_who_need_it_only() {
        let tree = tree(&[("svc.yml", "a: ["), ("other.yml", "a: 1")]);
        let target = Target::parse("svc", "default", None).unwrap();
        assert_eq!(
            sources(&tree, &target, &folders(&target, &[], true))
                .unwrap_err()
                .path,
            "svc.yml"
        );
        assert_eq!(paths(&tree, "other", "default", None, &[]), ["other.yml"]);
    }
}
