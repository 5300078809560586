//! The git backend: a bare copy without a work tree, read object by object. There is no checkout that a crafted
//! repository could place files, links or hooks in.

mod command;
mod objects;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use command::Git as Command;

use super::ReadError;
use crate::domain::tree::Tree;

/// A repository somewhere else and our bare copy of it.
#[derive(Debug, Clone)]
pub struct Git {
    command: Command,
    url: String,
}

/// Where the repository is and who may read it.
#[derive(Debug)]
pub struct Remote<'a> {
    /// A path or an `https`, `http`, `ssh` or `file` URL without credentials.
    pub url: &'a str,
    /// Sent as HTTP Basic.
    pub login: Option<(&'a str, &'a str)>,
}

impl Git {
    /// Prepare the bare copy in `folder`.
    pub async fn open(remote: &Remote<'_>, folder: &Path, timeout: Duration) -> Result<Self, ReadError> {
        let protocol = protocol(remote.url).map_err(ReadError::Refused)?;
        let folder: PathBuf = std::path::absolute(folder).map_err(|cause| file_error(folder, cause))?;
        tokio::fs::create_dir_all(&folder)
            .await
            .map_err(|cause| file_error(&folder, cause))?;
        let command = Command::new(&folder, timeout);
        command
            .write_config(protocol, remote)
            .await
            .map_err(|cause| file_error(&folder, cause))?;
        let git = Self {
            command,
            url: remote.url.trim_end_matches('/').to_owned(),
        };
        if git.prepare().await.is_err() {
            // It is only a copy: a damaged one is made anew.
            let _ = tokio::fs::remove_dir_all(git.command.repository()).await;
            git.prepare().await?;
        }
        Ok(git)
    }

    async fn prepare(&self) -> Result<(), ReadError> {
        self.command.run(&["init", "--bare", "--quiet"]).await?;
        self.command
            .unlock()
            .await
            .map_err(|cause| file_error(self.command.repository(), cause))?;
        self.heads().await.map(drop)
    }

    /// Bring the copy up to date.
    pub async fn fetch(&self) -> Result<(), ReadError> {
        let fetch = [
            "fetch",
            "--quiet",
            "--prune",
            "--force",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
        ];
        let refs = [
            "--",
            self.url.as_str(),
            "+refs/heads/*:refs/heads/*",
            "+refs/tags/*:refs/tags/*",
        ];
        self.command
            .run(&[&fetch[..], &refs[..]].concat())
            .await
            .map(drop)
    }

    /// Every branch and tag with its commit; a branch hides a tag of the same name.
    pub async fn heads(&self) -> Result<BTreeMap<String, String>, ReadError> {
        let format = "--format=%(refname)%00%(objectname)%00%(*objectname)";
        let listing = self
            .command
            .run(&["for-each-ref", format, "refs/tags/", "refs/heads/"])
            .await?;
        Ok(String::from_utf8_lossy(&listing)
            .lines()
            .filter_map(head)
            .collect())
    }

    /// Does the label look like a commit? Anything else is a branch, a tag or nothing.
    pub fn may_be_commit(label: &str) -> bool {
        (7..=40).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_hexdigit())
    }

    /// The commit that a label like `1f2e3d4` names, if one of the branches or tags holds it: what was once pushed and
    /// then taken back is still in the copy, but is no longer served.
    pub async fn commit(&self, label: &str) -> Result<Option<String>, ReadError> {
        if !Self::may_be_commit(label) {
            return Ok(None);
        }
        let revision = format!("{label}^{{commit}}");
        let parsed = self
            .command
            .run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &revision])
            .await;
        let Ok(parsed) = parsed else { return Ok(None) };
        let commit = String::from_utf8_lossy(&parsed).trim().to_owned();
        let holders = self
            .command
            .run(&[
                "for-each-ref",
                "--count=1",
                "--contains",
                &commit,
                "refs/heads/",
                "refs/tags/",
            ])
            .await?;
        Ok((!holders.is_empty()).then_some(commit))
    }

    /// The commit of `label` whose files were accepted last, be it by a former process.
    pub async fn accepted(&self, label: &str) -> Option<String> {
        let revision = format!("{}^{{commit}}", accepted_ref(label));
        let parse = ["rev-parse", "--verify", "--quiet", &revision];
        let parsed = self.command.run(&parse).await.ok()?;
        Some(String::from_utf8_lossy(&parsed).trim().to_owned())
    }

    /// Remember `commit` as that. It also keeps the commit's files when the branch moves on.
    pub async fn accept(&self, label: &str, commit: &str) -> Result<(), ReadError> {
        let update = ["update-ref", &accepted_ref(label), commit];
        self.command.run(&update).await.map(drop)
    }

    /// The files of a commit.
    pub async fn tree(&self, commit: &str) -> Result<Tree, ReadError> {
        let files = objects::files(&self.command, commit).await?;
        Ok(Tree::new(&self.url, Some(commit.to_owned()), files))
    }
}

/// No fetch touches it, and one label's is never a folder of another's.
fn accepted_ref(label: &str) -> String {
    format!("refs/accepted/{}", hex::encode(digest(&SHA256, label.as_bytes())))
}

fn file_error(path: &Path, cause: std::io::Error) -> ReadError {
    ReadError::File {
        path: path.display().to_string(),
        cause,
    }
}

fn head(line: &str) -> Option<(String, String)> {
    let mut fields = line.split('\0');
    let (name, object, peeled) = (fields.next()?, fields.next()?, fields.next()?);
    let label = name
        .strip_prefix("refs/heads/")
        .or_else(|| name.strip_prefix("refs/tags/"))?;
    // An annotated tag is an object of its own; the commit is behind it.
    Some((
        label.to_owned(),
        if peeled.is_empty() { object } else { peeled }.to_owned(),
    ))
}

/// The one protocol that this URL needs; git is told to refuse all others, wherever they come from.
fn protocol(url: &str) -> Result<&'static str, String> {
    if url.starts_with('-')
        || url
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || "\"\\".contains(c))
    {
        return Err("the git URL has a character that is not allowed".to_owned());
    }
    if url.starts_with('/') {
        return Ok("file");
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return match url.split_once(':') {
            Some((host, _)) if host.contains('@') && !host.contains('/') => Ok("ssh"),
            _ => {
                Err("the git URL must be an absolute path, or begin with https, http, ssh or file".to_owned())
            }
        };
    };
    let authority = rest.split('/').next().unwrap_or_default();
    match scheme {
        "https" | "http" if authority.contains('@') => Err(
            "put the credentials for git into config.git.username and config.git.password, not into the URL"
                .to_owned(),
        ),
        "https" => Ok("https"),
        "http" => Ok("http"),
        "ssh" => Ok("ssh"),
        "file" => Ok("file"),
        _ => Err(format!("the protocol {scheme} is not supported for git")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_protocols_pass() {
        for (url, expected) in [
            ("/srv/config.git", "file"),
            ("file:///srv/config.git", "file"),
            ("https://host/config.git", "https"),
            ("ssh://git@host/config.git", "ssh"),
            ("git@host:config.git", "ssh"),
        ] {
            assert_eq!(protocol(url), Ok(expected), "{url}");
        }
        let bad = [
            "--upload-pack=touch /tmp/x",
            "ext::sh -c x",
            "ext::sh",
            "config",
            "../config",
            "fd::17",
            "git://host/x",
            "https://u:p@host/x",
            "https://host/a b",
            "/srv/x\ny",
            "",
            "ftp://host/x",
            "a:b",
            "/srv/\"x",
        ];
        for url in bad {
            assert!(protocol(url).is_err(), "{url:?}");
        }
    }

    #[test]
    fn a_tag_is_peeled_to_its_commit() {
        assert_eq!(
            head("refs/heads/a/b\0abc\0"),
            Some(("a/b".to_owned(), "abc".to_owned()))
        );
        assert_eq!(
            head("refs/tags/v1\0abc\0def"),
            Some(("v1".to_owned(), "def".to_owned()))
        );
        assert_eq!(head("refs/notes/x\0abc\0"), None);
    }
}
