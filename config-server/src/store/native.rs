//! The folder backend. Symbolic links are not followed, so nothing outside the folder can be reached.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;

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
            walk(&root, "", 0, &mut Budget::default(), &mut files).map(|()| files)
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
    root: &Path,
    folder: &str,
    depth: usize,
    budget: &mut Budget,
    files: &mut Vec<RawFile>,
) -> Result<(), ReadError> {
    let failed = |cause| ReadError::File {
        path: format!("{folder}/"),
        cause,
    };
    if depth > DEEPEST {
        return Err(ReadError::Refused(format!("{folder} is nested too deeply")));
    }
    let mut entries = fs::read_dir(root.join(folder))
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = if folder.is_empty() {
            name
        } else {
            format!("{folder}/{name}")
        };
        if is_hidden(&path) {
            continue;
        }
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            walk(root, &path, depth + 1, budget, files)?;
        } else if kind.is_file() {
            files.extend(read_file(root, path, budget)?);
        } else {
            tracing::warn!(path, "not served: neither a file nor a folder");
        }
    }
    Ok(())
}

/// `None` if the file has been replaced by something else since it was listed.
fn read_file(root: &Path, path: String, budget: &mut Budget) -> Result<Option<RawFile>, ReadError> {
    let read = || -> io::Result<Option<(Vec<u8>, fs::Metadata)>> {
        let full = root.join(&path);
        let listed = fs::symlink_metadata(&full)?;
        let file = File::open(&full)?;
        let opened = file.metadata()?;
        // Opening follows links: what was opened must be the file that was looked at.
        if !listed.is_file() || (listed.dev(), listed.ino()) != (opened.dev(), opened.ino()) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
        Ok(Some((bytes, opened)))
    };
    let (bytes, metadata) = match read() {
        Ok(Some(read)) => read,
        Ok(None) => return Ok(None),
        Err(cause) => return Err(ReadError::File { path, cause }),
    };
    budget.take(&path, bytes.len() as u64)?;
    let modified = metadata.modified().ok().map(Into::into);
    Ok(Some(RawFile {
        path,
        bytes: Bytes::from(bytes),
        modified,
    }))
}
