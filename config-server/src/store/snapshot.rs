//! What is served at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::tree::Tree;

/// Labels that are kept in memory.
const MOST_LABELS: usize = 32;
/// Bytes of the files of all labels together: two of the largest that are read.
const MOST_BYTES: usize = 64 << 20;

/// All labels, and the files of those that have been asked for.
#[derive(Debug, Default, Clone)]
pub(super) struct Snapshot {
    /// git: every label and its commit.
    pub(super) heads: BTreeMap<String, String>,
    /// The one asked for last at the end. A folder has one, called "".
    pub(super) loaded: Vec<(String, Arc<Tree>)>,
}

impl Snapshot {
    pub(super) fn tree(&self, label: &str) -> Option<&Arc<Tree>> {
        self.loaded
            .iter()
            .find(|(known, _)| known == label)
            .map(|(_, tree)| tree)
    }

    /// Keep the files of one more label. Those asked for longest ago make room for it, but never those of `default`.
    pub(super) fn keep(&mut self, label: &str, tree: Arc<Tree>, default: &str) {
        self.loaded.push((label.to_owned(), tree));
        while self.is_too_much() {
            let last = self.loaded.len() - 1;
            let oldest = self.loaded[..last].iter().position(|(label, _)| label != default);
            match oldest {
                Some(at) => drop(self.loaded.remove(at)),
                None => return,
            }
        }
    }

    fn is_too_much(&self) -> bool {
        let bytes: usize = self.loaded.iter().map(|(_, tree)| tree.bytes()).sum();
        self.loaded.len() > MOST_LABELS || bytes > MOST_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tree::testing::tree;

    fn labels(snapshot: &Snapshot) -> Vec<&str> {
        snapshot.loaded.iter().map(|(label, _)| label.as_str()).collect()
    }

    #[test]
    fn large_labels_push_each_other_out_and_small_ones_only_when_they_are_many() {
        let large = Arc::new(tree(&[("a.txt", &"x".repeat(MOST_BYTES / 2 - 1_000))]));
        let small = Arc::new(tree(&[("a.txt", "x")]));
        let mut snapshot = Snapshot::default();
        for (label, tree) in [("main", &large), ("a", &small), ("b", &large), ("c", &large)] {
            snapshot.keep(label, Arc::clone(tree), "main");
        }
        assert_eq!(labels(&snapshot), ["main", "c"]);
        let mut snapshot = Snapshot::default();
        for label in std::iter::once("main".to_owned()).chain((0..40).map(|n| n.to_string())) {
            snapshot.keep(&label, Arc::clone(&small), "main");
        }
        assert_eq!(snapshot.loaded.len(), MOST_LABELS);
        assert_eq!((labels(&snapshot)[0], labels(&snapshot)[1]), ("main", "9"));
    }
}
