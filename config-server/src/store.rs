//! Where the files come from: a folder or a git repository, read in the background into memory.

pub mod git;
pub mod native;
pub mod repository;
mod snapshot;

/// A property file larger than this is none; other files have the same limit.
const LARGEST_FILE: u64 = 1 << 20;
const MOST_FILES: usize = 2_000;
const LARGEST_TREE: u64 = 32 << 20;

/// Why the files cannot be read now. What was read before stays in force.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The folder, or a file in it.
    #[error("{path}: {cause}")]
    File {
        /// Relative to the root.
        path: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// Too large, too many, or changing all the time.
    #[error("{0}")]
    Refused(String),
    /// A git command.
    #[error("git {command}: {cause}")]
    Git {
        /// The subcommand.
        command: String,
        /// What it wrote, or how it ended.
        cause: String,
    },
    /// Files that could be read before cannot be any more.
    #[error("the change is refused: {0}")]
    Broken(String),
}

/// Names that are served to nobody: `.git`, editors' and systems' files.
fn is_hidden(path: &str) -> bool {
    path.split('/').any(|segment| segment.starts_with('.'))
}

/// Counts what a tree holds and refuses one that would fill the memory.
#[derive(Default)]
struct Budget {
    files: usize,
    bytes: u64,
}

impl Budget {
    fn take(&mut self, path: &str, size: u64) -> Result<(), ReadError> {
        self.files += 1;
        self.bytes += size;
        if size > LARGEST_FILE {
            return Err(ReadError::Refused(format!(
                "{path} is larger than {LARGEST_FILE} bytes"
            )));
        }
        if self.files > MOST_FILES || self.bytes > LARGEST_TREE {
            return Err(ReadError::Refused(format!(
                "more than {MOST_FILES} files or {LARGEST_TREE} bytes"
            )));
        }
        Ok(())
    }
}
