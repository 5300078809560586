//! What a caller asks for, checked before anything is looked up: application names, profiles, labels, paths.

use std::fmt;

/// Stands for `/` where a slash cannot stand in a URL.
const SLASH: &str = "(_)";
const LONGEST: usize = 256;

/// A part of the address that no file can be named by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadName {
    part: &'static str,
    reason: &'static str,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.part, self.reason)
    }
}

impl std::error::Error for BadName {}

/// Applications, profiles and labels of one request, each list weakest first: the last one wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The name as it was asked for.
    pub name: String,
    /// The applications in it, without `application` itself.
    pub applications: Vec<String>,
    /// The active profiles.
    pub profiles: Vec<String>,
    /// The label as it was asked for.
    pub label: Option<String>,
}

impl Target {
    /// Check and split what stands in the address.
    pub fn parse(name: &str, profiles: &str, label: Option<&str>) -> Result<Self, BadName> {
        let name = slashes("application name", name)?;
        for one in name.split(',') {
            check_path("application name", one)?;
        }
        for one in profiles.split(',') {
            check_profile(one)?;
        }
        let label = label.map(|label| slashes("label", label)).transpose()?;
        for one in label.iter().flat_map(|label| label.split(',')) {
            check_path("label", one)?;
        }
        let applications = name
            .split(',')
            .filter(|one| *one != "application")
            .map(str::to_owned)
            .collect();
        Ok(Self {
            applications,
            profiles: profiles.split(',').map(str::to_owned).collect(),
            label,
            name,
        })
    }

    /// The labels, weakest first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.label.iter().flat_map(|label| label.split(','))
    }
}

/// The path of a plain-text resource, relative to the root of the files.
pub fn resource_path(path: &str) -> Result<String, BadName> {
    let path = slashes("path", path)?;
    check_path("path", &path)?;
    Ok(path)
}

fn slashes(part: &'static str, text: &str) -> Result<String, BadName> {
    if text.starts_with(SLASH) {
        return Err(BadName {
            part,
            reason: "must not begin with a slash",
        });
    }
    Ok(text.replace(SLASH, "/"))
}

/// A relative path that names the same thing for every reader: nothing in it is decoded, climbed or skipped again.
fn check_path(part: &'static str, text: &str) -> Result<(), BadName> {
    let bad = |reason| Err(BadName { part, reason });
    if text.len() > LONGEST {
        return bad("is too long");
    }
    if text.contains("..") {
        return bad("must not contain '..'");
    }
    if text
        .chars()
        .any(|c| c.is_control() || "%#\\:;?*\"'<>|{}$`".contains(c))
    {
        return bad("contains a character that is not allowed");
    }
    if text
        .split('/')
        .any(|segment| segment.is_empty() || segment.starts_with(['.', '-', ' ']))
    {
        return bad("has a segment that is empty or begins with '.', '-' or a space");
    }
    Ok(())
}

fn check_profile(profile: &str) -> Result<(), BadName> {
    let bad = |reason| {
        Err(BadName {
            part: "profile",
            reason,
        })
    };
    if profile.len() > LONGEST || profile.contains("..") {
        return bad("is too long or contains '..'");
    }
    if !profile
        .chars()
        .all(|c| c.is_alphanumeric() || "-_.+@".contains(c))
    {
        return bad("may hold letters, digits and - _ . + @ only");
    }
    if !(profile.starts_with(char::is_alphanumeric) && profile.ends_with(char::is_alphanumeric)) {
        return bad("must begin and end with a letter or a digit");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_and_the_placeholder_is_a_slash() {
        let target = Target::parse("application,foo,bar", "dev,mysql", Some("feature(_)x")).unwrap();
        assert_eq!(target.applications, ["foo", "bar"]);
        assert_eq!(target.profiles, ["dev", "mysql"]);
        assert_eq!(target.label.as_deref(), Some("feature/x"));
        assert_eq!(
            Target::parse("a", "b", Some("x,y"))
                .unwrap()
                .labels()
                .collect::<Vec<_>>(),
            ["x", "y"]
        );
    }

    #[test]
    fn nothing_leaves_the_root() {
        let bad = [
            "..",
            "../etc/passwd",
            "a/../b",
            "(_)etc",
            "(_)..(_)x",
            "..(_)x",
            "%2e%2e",
            "..%2f",
            "%252F..",
            "a%2Fb",
            "/etc",
            "a//b",
            "a\\b",
            "..\\b",
            "a\0b",
            "a\nb",
            ".git",
            "a/.env",
            "./a",
            "-x",
            "a#b",
            "file:x",
            "http:(_)(_)x",
            "${x}",
            "",
            " ",
            "a,",
        ];
        for name in bad {
            assert!(Target::parse(name, "default", None).is_err(), "name {name:?}");
            assert!(
                Target::parse("a", "default", Some(name)).is_err(),
                "label {name:?}"
            );
            if name != "a," {
                assert!(resource_path(name).is_err(), "path {name:?}");
            }
        }
        assert!(Target::parse(&"a".repeat(300), "default", None).is_err());
    }

    #[test]
    fn profiles_are_letters_digits_and_a_few_signs() {
        for good in ["default", "dev", "us-east_1", "a.b", "v1+x", "me@home", "é"] {
            assert!(Target::parse("a", good, None).is_ok(), "{good}");
        }
        for bad in [
            "", ",", "dev,", "-dev", "dev-", "a b", "a/b", "(_)a", "a(_)b", "..", "a..b", "%2e", "a:b",
            "{x}", "a\0",
        ] {
            assert!(Target::parse("a", bad, None).is_err(), "{bad:?}");
        }
    }
}
