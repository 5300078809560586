//! What a push notification of a git host says, as far as it concerns us: which files changed.

use serde_json::Value;

/// The git hosts whose notifications are understood, told apart by the header that names the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// GitHub, GitLab, Gitea, Gogs and Gitee list the files of each commit.
    Push,
    /// Bitbucket tells that something changed, not what.
    SomethingChanged,
}

/// The header and the values by which each host announces a push.
pub const EVENT_HEADERS: [(&str, &[&str], Event); 6] = [
    ("x-github-event", &["push"], Event::Push),
    ("x-gitlab-event", &["Push Hook"], Event::Push),
    ("x-gitea-event", &["push"], Event::Push),
    ("x-gogs-event", &["push"], Event::Push),
    ("x-git-oschina-event", &["Push Hook"], Event::Push),
    (
        "x-event-key",
        &[
            "repo:push",
            "pullrequest:fulfilled",
            "repo:refs_changed",
            "pr:merged",
        ],
        Event::SomethingChanged,
    ),
];

/// Paths of the files that the body of `event` names.
pub fn paths(event: Event, body: &Value) -> Vec<String> {
    if event == Event::SomethingChanged {
        return vec!["application.yml".to_owned()];
    }
    let commits = body["commits"].as_array().into_iter().flatten();
    let lists = commits.flat_map(|commit| ["added", "removed", "modified"].map(|list| &commit[list]));
    lists
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// The applications that a change of this file may concern: `a-b.yml` may be `a-b`, or `a` with the profile `b`.
/// `*` stands for all of them.
pub fn applications(path: &str) -> Vec<String> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let mut rest = Some(file.rsplit_once('.').map_or(file, |(stem, _)| stem));
    let mut names = Vec::new();
    while let Some(name) = rest {
        names.push(if name == "application" {
            "*".to_owned()
        } else {
            name.to_owned()
        });
        rest = name.rsplit_once('-').map(|(shorter, _)| shorter);
    }
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_push_lists_its_files() {
        let body =
            json!({"commits": [{"added": ["a.yml"], "modified": ["b/c-dev.yml"]}, {"removed": ["d.yml"]}]});
        assert_eq!(paths(Event::Push, &body), ["a.yml", "b/c-dev.yml", "d.yml"]);
        assert_eq!(paths(Event::SomethingChanged, &Value::Null), ["application.yml"]);
        for odd in [
            json!(null),
            json!([]),
            json!({"commits": 1}),
            json!({"commits": [1, {"added": {"a": 1}}, {"added": [1]}]}),
        ] {
            assert!(paths(Event::Push, &odd).is_empty(), "{odd}");
        }
    }

    #[test]
    fn a_file_name_says_whom_it_concerns() {
        assert_eq!(
            applications("x/user-service-dev.yml"),
            ["user-service-dev", "user-service", "user"]
        );
        assert_eq!(applications("application.yml"), ["*"]);
        assert_eq!(applications("application-dev.yml"), ["application-dev", "*"]);
        assert_eq!(applications("README"), ["README"]);
    }
}
