//! The files of a commit, straight from git's objects.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::command::Git;
use crate::domain::tree::RawFile;
use crate::store::{Budget, ReadError, is_hidden};

/// A file as the listing names it.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    object: String,
    path: String,
}

/// Every regular file of `commit`. Links and submodules are left out: both point elsewhere.
pub(super) async fn files(git: &Git, commit: &str) -> Result<Vec<RawFile>, ReadError> {
    let listing = git
        .run(&["ls-tree", "-r", "-z", "-l", "--full-tree", commit])
        .await?;
    let entries = entries(&listing)?;
    let time = git.run(&["show", "--no-patch", "--format=%ct", commit]).await?;
    let modified = String::from_utf8_lossy(&time)
        .trim()
        .parse()
        .ok()
        .and_then(|secs| DateTime::from_timestamp(secs, 0));
    let wanted: Vec<&str> = entries
        .iter()
        .flat_map(|entry| [entry.object.as_str(), "\n"])
        .collect();
    let contents = git
        .run_with(&["cat-file", "--batch"], wanted.concat().into_bytes())
        .await?;
    contents_of(entries, Bytes::from(contents), modified)
}

fn entries(listing: &[u8]) -> Result<Vec<Entry>, ReadError> {
    let mut budget = Budget::default();
    let mut entries = Vec::new();
    for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        // mode type object size<tab>path
        let Some((head, path)) = std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.split_once('\t'))
        else {
            continue;
        };
        let fields: Vec<&str> = head.split_ascii_whitespace().collect();
        let [mode, "blob", object, size] = fields[..] else {
            continue;
        };
        if is_hidden(path) {
            continue;
        }
        if !["100644", "100755", "100664"].contains(&mode) {
            tracing::warn!(path, "not served: not a regular file");
            continue;
        }
        budget.take(path, size.parse().unwrap_or(u64::MAX / 2))?;
        entries.push(Entry {
            object: object.to_owned(),
            path: path.to_owned(),
        });
    }
    Ok(entries)
}

/// Cut the output of `cat-file --batch`: for each object a line `id type size`, the content and a line end.
fn contents_of(
    entries: Vec<Entry>,
    mut rest: Bytes,
    modified: Option<DateTime<Utc>>,
) -> Result<Vec<RawFile>, ReadError> {
    let mut files = Vec::with_capacity(entries.len());
    for entry in entries {
        let unreadable = || ReadError::Git {
            command: "cat-file".to_owned(),
            cause: format!("{} is missing", entry.path),
        };
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(unreadable)?;
        let head = rest.split_to(end + 1);
        let size = std::str::from_utf8(&head)
            .ok()
            .and_then(|head| head.trim_end().strip_prefix(&entry.object));
        let size: usize = size
            .and_then(|rest| rest.strip_prefix(" blob ")?.parse().ok())
            .ok_or_else(unreadable)?;
        if rest.len() <= size {
            return Err(unreadable());
        }
        // A copy: a slice would keep all other files' bytes alive with it.
        let bytes = Bytes::copy_from_slice(&rest.split_to(size + 1)[..size]);
        files.push(RawFile {
            path: entry.path,
            bytes,
            modified,
        });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_submodules_and_hidden_files_are_left_out() {
        let listing = b"100644 blob aa      3\ta.yml\x00120000 blob bb      3\tlink.yml\x00160000 commit cc       -\tmodule\0\
            100644 blob dd      3\t.github/x.yml\x00100755 blob ee      3\tdir/b c.yml\0";
        let paths: Vec<String> = entries(listing)
            .unwrap()
            .into_iter()
            .map(|entry| entry.path)
            .collect();
        assert_eq!(paths, ["a.yml", "dir/b c.yml"]);
    }

    #[test]
    fn what_would_fill_the_memory_is_refused() {
        assert!(entries(b"100644 blob aa 9999999999\tbig\0").is_err());
        let many = "100644 blob aa 1\tf\0".repeat(3000);
        assert!(entries(many.as_bytes()).is_err());
    }

    #[test]
    fn contents_are_cut_where_git_says() {
        let entry = |object: &str, path: &str| Entry {
            object: object.to_owned(),
            path: path.to_owned(),
        };
        let both = || vec![entry("aa", "x"), entry("bb", "y")];
        let files = contents_of(
            both(),
            Bytes::from_static(b"aa blob 3\na\nb\nbb blob 0\n\n"),
            None,
        )
        .unwrap();
        assert_eq!(
            files.iter().map(|file| &file.bytes[..]).collect::<Vec<_>>(),
            [b"a\nb".as_slice(), b""]
        );
        for bad in [
            "",
            "aa missing\n",
            "aa blob 3\na\nb\n",
            "aa blob 9\nx\n",
            "aa tree 1\nx\nbb blob 0\n\n",
            "zz blob 0\n\nbb blob 0\n\n",
        ] {
            assert!(
                contents_of(both(), Bytes::copy_from_slice(bad.as_bytes()), None).is_err(),
                "{bad:?}"
            );
        }
    }
}
