//! The folder backend. Symbolic links are not followed, so nothing outside the folder can be reached: every name is opened
//! below the folder that was opened before it, and never through a link that somebody puts there in between.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::Errno;

use super::{Budget, LARGEST_FILE, ReadError, is_hidden};
use crate::domain::tree::{RawFile, Tree};

const DEEPEST: usize = 16;
/// An editor or a copy writes a file in several steps; only what is the same after this pause counts.
const SETTLING: Duration = Duration::from_millis(150);
const TRIES: usize = 20;

/// A folder of files.
#[derive(Debug, Clone)]
pub struct Native {
    root: PathBuf,
    origin: String,
}

impl Native {
    /// The folder `folder`. Sources are named by the path as it is configured, not by where it is on this machine.
    pub fn new(folder: &Path) -> Self {
        Self {
            root: folder.to_owned(),
            origin: format!("file:{}", folder.display().to_string().trim_end_matches('/')),
        }
    }

    /// The files as they are now; `None` if they are what `previous` holds.
    pub async fn read(&self, previous: Option<&Tree>) -> Result<Option<Tree>, ReadError> {
        let mut files = self.scan().await?;
        let mut version = fingerprint(&files);
        let known = previous.and_then(|tree| tree.version.as_deref());
        if known == Some(version.as_str()) {
            return Ok(None);
        }
        if previous.is_some_and(|tree| !tree.is_empty()) && files.is_empty() {
            // A volume that is not mounted looks like this; settings are not all deleted at once.
            return Err(ReadError::Refused("the folder is empty now".to_owned()));
        }
        for _ in 0..TRIES {
            tokio::time::sleep(SETTLING).await;
            let again = self.scan().await?;
            let same = fingerprint(&again);
            if same == version {
                return Ok(Some(Tree::new(&self.origin, Some(version), files)));
            }
            (files, version) = (again, same);
        }
        Err(ReadError::Refused("the files do not stop changing".to_owned()))
    }

    async fn scan(&self) -> Result<Vec<RawFile>, ReadError> {
        let root = self.root.clone();
        let scan = tokio::task::spawn_blocking(move || {
            let mut files = Vec::new();
            let folder = File::open(&root).map_err(|cause| failed("", cause))?;
            walk(&folder, "", 0, &mut Budget::default(), &mut files).map(|()| files)
        });
        scan.await
            .map_err(|error| ReadError::Refused(error.to_string()))?
    }
}

fn fingerprint(files: &[RawFile]) -> String {
    let mut context = Context::new(&SHA256);
    for file in files {
        for part in [file.path.as_bytes(), &file.bytes] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
    }
    hex::encode(&context.finish().as_ref()[..20])
}

fn walk(
    folder: &File,
    path: &str,
    depth: usize,
    budget: &mut Budget,
    files: &mut Vec<RawFile>,
) -> Result<(), ReadError> {
    if depth > DEEPEST {
        return Err(ReadError::Refused(format!("{path} is nested too deeply")));
    }
    for name in names(folder).map_err(|cause| failed(path, cause.into()))? {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}/{name}")
        };
        let read = |cause| failed(&path, cause);
        let Some(opened) = open(folder, &name).map_err(|cause| read(cause.into()))? else {
            tracing::warn!(path, "not served: neither a file nor a folder");
            continue;
        };
        let kind = opened.metadata().map_err(read)?.file_type();
        if kind.is_dir() {
            walk(&opened, &path, depth + 1, budget, files)?;
        } else if kind.is_file() {
            files.push(read_file(opened, path, budget)?);
        } else {
            tracing::warn!(path, "not served: neither a file nor a folder");
        }
    }
    Ok(())
}

/// What is served of a folder, in a fixed order.
fn names(folder: &File) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_str().map(str::to_owned);
        names.extend(name.ok().filter(|name| !is_hidden(name)));
    }
    names.sort();
    Ok(names)
}

/// `None` for a link, a socket, or what has gone since it was listed. A pipe is opened without waiting for its writer.
fn open(folder: &File, name: &str) -> Result<Option<File>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match openat(folder, name, flags, Mode::empty()) {
        Ok(opened) => Ok(Some(opened.into())),
        Err(Errno::LOOP | Errno::NXIO | Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_file(file: File, path: String, budget: &mut Budget) -> Result<RawFile, ReadError> {
    let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|cause| failed(&path, cause))?;
    budget.take(&path, bytes.len() as u64)?;
    Ok(RawFile {
        path,
        bytes: Bytes::from(bytes),
        modified: modified.map(Into::into),
    })
}

fn failed(path: &str, cause: io::Error) -> ReadError {
    ReadError::File {
        path: path.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A folder that is a link to somewhere else every other moment.
    #[tokio::test]
    async fn a_link_put_there_while_it_is_read_leads_nowhere() {
        let root = std::env::temp_dir().join(format!("native-{}", uuid::Uuid::now_v7()));
        let (served, outside) = (root.join("served"), root.join("outside"));
        for folder in [&served.join("sub"), &outside] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(served.join("sub/a.yml"), "mine").unwrap();
        std::fs::write(outside.join("a.yml"), "canary").unwrap();
        std::os::unix::fs::symlink(&outside, served.join(".link")).unwrap();
        let (over, swapped) = (AtomicBool::new(false), served.clone());
        let native = Native::new(&served);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    for (from, to) in [
                        ("sub", ".sub"),
                        (".link", "sub"),
                        ("sub", ".link"),
                        (".sub", "sub"),
                    ] {
                        std::fs::rename(swapped.join(from), swapped.join(to)).unwrap();
                    }
                }
            });
            let mut seen = 0;
            let looks = (0..2_000).all(|_| {
                let mut files = Vec::new();
                let folder = File::open(&native.root).unwrap();
                walk(&folder, "", 0, &mut Budget::default(), &mut files).unwrap();
                seen += files.len();
                files.iter().all(|file| file.bytes == "mine".as_bytes())
            });
            over.store(true, Ordering::Relaxed);
            assert!(looks, "a file from outside was read");
            assert!(seen > 0);
        });
        std::fs::remove_dir_all(&root).unwrap();
    }
}
