//! Watches the files of a configuration, and tells when they have come to rest after a change.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// How long files must be quiet: editors and copying tools write in several steps.
const QUIET: Duration = Duration::from_millis(200);

/// Watches files until dropped.
pub(super) struct Watch {
    _watcher: RecommendedWatcher,
    changes: mpsc::Receiver<()>,
}

impl Watch {
    /// Watches the folders of these files, since editors replace files rather than write into them.
    pub(super) fn new(files: &[PathBuf]) -> notify::Result<Self> {
        // One: that something changed is all there is to know.
        let (tell, changes) = mpsc::channel(1);
        let names: HashSet<PathBuf> = files.iter().map(|file| absolute(file)).collect();
        let mine = names.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let concerns_us = event.is_ok_and(|event| {
                !event.kind.is_access() && event.paths.iter().any(|path| mine.contains(path))
            });
            if concerns_us {
                // Full: a change is announced already.
                let _ = tell.try_send(());
            }
        })?;
        let folders: HashSet<&Path> = names.iter().filter_map(|file| file.parent()).collect();
        for folder in folders {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        Ok(Self {
            _watcher: watcher,
            changes,
        })
    }

    /// Whether a change waits to be told. It then still waits.
    pub(super) fn has_changed(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Resolves when files have changed and come to rest. Never resolves where nothing is watched.
    pub(super) async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            return std::future::pending().await;
        }
        while tokio::time::timeout(QUIET, self.changes.recv())
            .await
            .is_ok()
        {}
    }
}

fn absolute(file: &Path) -> PathBuf {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // The folder, not the file: the file may be a link, or be gone at this moment.
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    folder.join(file.file_name().unwrap_or_default())
}
