//! The last known registry on disk, so that a process can start while the registry is away.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::instance::Instance;
use super::view::View;

/// What the file holds; nothing if it is missing or broken.
pub(super) fn load(file: &Path) -> Vec<Arc<Instance>> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!(%error, file = %file.display(), "cached registry cannot be read");
            return Vec::new();
        }
    };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::warn!(%error, file = %file.display(), "cached registry is not understood");
        Vec::new()
    })
}

/// Replace the file as a whole; a failure costs nothing but the head start.
pub(super) async fn store(file: PathBuf, view: Arc<View>) {
    let written = tokio::task::spawn_blocking(move || {
        let instances: Vec<&Instance> = view.instances().map(AsRef::as_ref).collect();
        let text = serde_json::to_vec(&instances)?;
        let fresh = file.with_extension("new");
        std::fs::write(&fresh, text)?;
        std::fs::rename(fresh, file)
    });
    if let Ok(Err(error)) = written.await {
        tracing::warn!(%error, "registry cannot be cached on disk");
    }
}
