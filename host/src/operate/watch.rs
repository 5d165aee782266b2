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
        // A mounted ConfigMap or Secret is a chain of links, and it is one in the middle that is
        // replaced: `keys.toml` leads to `..data/keys.toml`, and `..data` to a folder of its time.
        let names: HashSet<PathBuf> = files.iter().flat_map(|file| chain(file)).collect();
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

/// A file and every link on the way to it, each by its own name.
fn chain(file: &Path) -> Vec<PathBuf> {
    let mut found = vec![absolute(file)];
    let mut at = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    // 40: what Linux follows before it gives up (path_resolution(7)).
    for _ in 0..40 {
        let link = at
            .ancestors()
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .find_map(|part| Some((part.to_owned(), std::fs::read_link(part).ok()?)));
        let Some((link, target)) = link else { break };
        let rest = at
            .strip_prefix(&link)
            .map(Path::to_owned)
            .unwrap_or_default();
        let folder = link.parent().unwrap_or(Path::new("/")).to_owned();
        found.push(absolute(&link));
        at = folder.join(target);
        if !rest.as_os_str().is_empty() {
            at.push(rest);
        }
    }
    found.push(absolute(&at));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_swapped_link_in_the_middle_is_a_change() {
        let folder = std::env::temp_dir().join(format!("forebay-watch-{}", std::process::id()));
        let write = |version: &str| {
            std::fs::create_dir_all(folder.join(version)).unwrap();
            std::fs::write(folder.join(version).join("keys.toml"), version).unwrap();
        };
        write("..1");
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, folder.join(name)).unwrap();
        };
        link("..1", "..data");
        link("..data/keys.toml", "keys.toml");
        let mut watch = Watch::new(&[folder.join("keys.toml")]).unwrap();
        write("..2");
        link("..2", "..data_tmp");
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        let changed = tokio::time::timeout(Duration::from_secs(10), watch.changed()).await;
        std::fs::remove_dir_all(&folder).unwrap();
        changed.expect("the change is seen");
    }
}
