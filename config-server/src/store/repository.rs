//! The files in memory: read in the background, replaced as a whole, never half.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::ReadError;
use super::git::Git;
use super::native::Native;
use super::snapshot::Snapshot;
use crate::domain::tree::Tree;

/// The kinds of places that files come from.
#[derive(Debug)]
pub enum Backend {
    /// A folder; a label is a folder in it.
    Native(Native),
    /// A git repository; a label is a branch, a tag or a commit.
    Git {
        /// The repository.
        git: Git,
        /// What a request without a label gets.
        default_label: String,
    },
}

/// Why there are no files for a label.
#[derive(Debug)]
pub enum NoTree {
    /// Nothing has been read yet.
    NotReady,
    /// There is no such label.
    NoSuchLabel,
    /// It could not be read.
    Failed(ReadError),
}

/// The files of a backend, in memory.
pub struct Repository {
    backend: Backend,
    snapshot: ArcSwap<Snapshot>,
    problem: ArcSwap<Option<String>>,
    /// One look at the backend at a time, however many ask.
    refreshing: Mutex<()>,
    /// Held by whoever replaces the snapshot; never while a remote is waited for.
    writing: Mutex<()>,
}

impl Repository {
    /// Nothing read yet.
    pub fn new(backend: Backend) -> Self {
        Self {
            backend,
            snapshot: ArcSwap::default(),
            problem: ArcSwap::default(),
            refreshing: Mutex::new(()),
            writing: Mutex::new(()),
        }
    }

    /// Is a label a folder among the files, and not a state of all of them?
    pub fn has_label_folders(&self) -> bool {
        matches!(self.backend, Backend::Native(_))
    }

    /// The version that a request without a label gets.
    pub fn version(&self) -> Option<String> {
        self.snapshot
            .load()
            .tree(self.default_label())
            .and_then(|tree| tree.version.clone())
    }

    /// Why the last read changed nothing, if it failed.
    pub fn problem(&self) -> Option<String> {
        self.problem.load().as_ref().clone()
    }

    fn default_label(&self) -> &str {
        match &self.backend {
            Backend::Native(_) => "",
            Backend::Git { default_label, .. } => {
                // Repositories made before 2020 have no `main`.
                let heads = &self.snapshot.load().heads;
                let fallback =
                    default_label == "main" && !heads.contains_key("main") && heads.contains_key("master");
                if fallback { "master" } else { default_label }
            }
        }
    }

    /// The files of a label, from memory unless it is asked for the first time.
    pub async fn tree(&self, label: Option<&str>) -> Result<Arc<Tree>, NoTree> {
        let label = match (&self.backend, label) {
            (Backend::Git { .. }, Some(label)) => label,
            _ => self.default_label(),
        };
        let snapshot = self.snapshot.load();
        if let Some(tree) = snapshot.tree(label) {
            return Ok(tree.clone());
        }
        match &self.backend {
            Backend::Git { git, .. } if !snapshot.heads.is_empty() => self.load(git, label).await,
            _ => Err(NoTree::NotReady),
        }
    }

    async fn load(&self, git: &Git, label: &str) -> Result<Arc<Tree>, NoTree> {
        if !self.snapshot.load().heads.contains_key(label) && !Git::may_be_commit(label) {
            return Err(NoTree::NoSuchLabel);
        }
        let _one_at_a_time = self.writing.lock().await;
        let mut snapshot = Snapshot::clone(&self.snapshot.load());
        if let Some(tree) = snapshot.tree(label) {
            return Ok(tree.clone());
        }
        let tree = if let Some(commit) = snapshot.heads.get(label) {
            first(git, label, commit).await.map_err(NoTree::Failed)?.0
        } else {
            let commit = git.commit(label).await.map_err(NoTree::Failed)?;
            let tree = git.tree(&commit.ok_or(NoTree::NoSuchLabel)?).await;
            Arc::new(tree.map_err(NoTree::Failed)?)
        };
        snapshot.keep(label, tree.clone(), self.default_label());
        self.snapshot.store(Arc::new(snapshot));
        Ok(tree)
    }

    /// Read the backend now. On an error what was read before stays in force.
    pub async fn refresh(&self) -> Result<(), ReadError> {
        let _one_at_a_time = self.refreshing.lock().await;
        let outcome = match &self.backend {
            Backend::Native(native) => self.refresh_native(native).await,
            Backend::Git { git, .. } => self.refresh_git(git).await,
        };
        let problem = outcome.as_ref().err().map(ToString::to_string);
        metrics::counter!("config_refresh_total", "outcome" => if problem.is_some() { "error" } else { "success" })
            .increment(1);
        // The same trouble every few seconds is one line in the log.
        match &problem {
            Some(problem) if self.problem().as_ref() != Some(problem) => {
                tracing::error!(problem, "the last good files stay in force");
            }
            None if self.problem().is_some() => tracing::info!("the files can be read again"),
            _ => {}
        }
        self.problem.store(Arc::new(problem));
        outcome
    }

    async fn refresh_native(&self, native: &Native) -> Result<(), ReadError> {
        let previous = self.snapshot.load().tree("").cloned();
        let Some(tree) = native.read(previous.as_deref()).await? else {
            return Ok(());
        };
        let tree = accept("", previous, tree)?;
        let _writer = self.writing.lock().await;
        self.snapshot.store(Arc::new(Snapshot {
            heads: BTreeMap::new(),
            loaded: vec![(String::new(), tree)],
        }));
        Ok(())
    }

    /// A fetch that fails leaves the heads as they are; what they hold may still not have been read.
    async fn refresh_git(&self, git: &Git) -> Result<(), ReadError> {
        let fetched = git.fetch().await;
        let _writer = self.writing.lock().await;
        let mut snapshot = Snapshot {
            heads: git.heads().await?,
            loaded: Vec::new(),
        };
        let (previous, default) = (self.snapshot.load_full(), self.default_label().to_owned());
        let mut refused = Ok(());
        for (label, old) in &previous.loaded {
            let commit = snapshot.heads.get(label);
            if commit.is_none() && previous.heads.contains_key(label) && *label != default {
                // A branch or tag that is gone, is gone.
                continue;
            }
            let tree = match commit {
                Some(commit) => newer(git, label, commit, Some(old.clone())).await,
                None if *label == default => Err(ReadError::Refused(format!("the label '{label}' is gone"))),
                None => Ok(old.clone()),
            };
            let kept = tree.unwrap_or_else(|error| {
                refused = Err(error);
                old.clone()
            });
            snapshot.keep(label, kept, &default);
        }
        self.snapshot.store(Arc::new(snapshot));
        self.read_default(git).await?;
        fetched.and(refused)
    }

    /// The default label is in memory before anybody asks for it.
    async fn read_default(&self, git: &Git) -> Result<(), ReadError> {
        let mut snapshot = Snapshot::clone(&self.snapshot.load());
        let label = self.default_label().to_owned();
        if snapshot.tree(&label).is_some() {
            return Ok(());
        }
        let commit = snapshot
            .heads
            .get(&label)
            .ok_or_else(|| ReadError::Refused(format!("there is no label '{label}'")))?;
        let (tree, problem) = first(git, &label, commit).await?;
        snapshot.keep(&label, tree, &label);
        self.snapshot.store(Arc::new(snapshot));
        problem.map_or(Ok(()), Err)
    }

    /// Read the backend every `interval` until the stop.
    pub async fn watch(&self, interval: Duration, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(interval))
            .await
            .is_some()
        {
            // Trouble has been logged.
            let _ = stop.run_until_cancelled(self.refresh()).await;
        }
    }
}

/// The files of a label that is not in memory. Where they are worse than those that were accepted last, maybe by a
/// former process, it is those, and why.
async fn first(git: &Git, label: &str, commit: &str) -> Result<(Arc<Tree>, Option<ReadError>), ReadError> {
    let accepted = match git.accepted(label).await {
        Some(accepted) => git.tree(&accepted).await.ok().map(Arc::new),
        None => None,
    };
    match (newer(git, label, commit, accepted.clone()).await, accepted) {
        (Ok(tree), _) => Ok((tree, None)),
        (Err(error), Some(accepted)) => Ok((accepted, Some(error))),
        (Err(error), None) => Err(error),
    }
}

async fn newer(git: &Git, label: &str, commit: &str, old: Option<Arc<Tree>>) -> Result<Arc<Tree>, ReadError> {
    if let Some(old) = &old
        && old.version.as_deref() == Some(commit)
    {
        return Ok(old.clone());
    }
    let tree = accept(label, old, git.tree(commit).await?)?;
    if let Err(error) = git.accept(label, commit).await {
        tracing::warn!(%error, label, "a restart will not know that these files were accepted");
    }
    Ok(tree)
}

/// Take the new files, unless one that could be read before cannot be now. The first files are taken as they are: what
/// is broken in them is an error only to those who need it.
fn accept(label: &str, previous: Option<Arc<Tree>>, tree: Tree) -> Result<Arc<Tree>, ReadError> {
    let previous = previous.unwrap_or_default();
    if !previous.is_empty() {
        let broken: Vec<String> = tree
            .newly_broken(&previous)
            .map(|(path, reason)| format!("{path}: {reason}"))
            .collect();
        if !broken.is_empty() {
            return Err(ReadError::Broken(broken.join("; ")));
        }
    }
    for (path, reason) in tree.broken() {
        tracing::error!(label, path, reason, "this file cannot be read and is not served");
    }
    let (from, to) = (previous.version.as_deref(), tree.version.as_deref());
    tracing::info!(label, from, to, files = ?tree.changed_since(&previous), "configuration changed");
    Ok(Arc::new(tree))
}
