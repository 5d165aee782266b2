//! Snapshots and compiled components kept between starts, in a directory of our own.
//!
//! Loading a compiled component is running it, so nothing is read from a directory that
//! anybody else could have written to.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Files kept: a handful of configurations and versions, five files each.
const FILES: usize = 64;

/// A private directory, or none.
#[derive(Debug, Clone)]
pub(crate) struct Cache(Option<PathBuf>);

impl Cache {
    /// Uses `dir` if it belongs to this user alone, making it where it is missing.
    pub(crate) fn open(dir: Option<&Path>) -> Self {
        let Some(dir) = dir else { return Self(None) };
        match private(dir) {
            Ok(()) => Self(Some(dir.to_owned())),
            Err(e) => {
                tracing::warn!(dir = %dir.display(), error = %e, "the cache of compiled components is not used");
                Self(None)
            }
        }
    }

    /// Reads plain bytes that [`Cache::write`] kept under this name.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.0.as_ref()?.join(name)).ok()
    }

    /// Keeps bytes. That this may fail costs only time at the next start.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let Some(dir) = &self.0 else { return };
        let written = replace(dir, name, bytes).and_then(|()| prune(dir));
        if let Err(e) = written {
            tracing::warn!(dir = %dir.display(), error = %e, "could not keep a compiled component");
        }
    }

    /// Compiles a component, or loads what an earlier start compiled.
    pub(crate) fn compile(&self, engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
        let Some(dir) = &self.0 else {
            return Component::new(engine, bytes);
        };
        let mut key = Fingerprint(Sha256::new());
        key.0.update(bytes);
        // The version of wasmtime and every setting that shapes the code.
        engine.precompile_compatibility_hash().hash(&mut key);
        let name = format!("{}.cwasm", hex::encode(key.0.finalize()));
        if let Some(component) = load(engine, &dir.join(&name)) {
            return Ok(component);
        }
        let compiled = engine.precompile_component(bytes)?;
        self.write(&name, &compiled);
        match load(engine, &dir.join(&name)) {
            Some(component) => Ok(component),
            None => Component::new(engine, bytes),
        }
    }
}

/// Loads a compiled component that this process's user wrote.
#[allow(unsafe_code)]
fn load(engine: &Engine, path: &Path) -> Option<Component> {
    if !path.exists() {
        return None;
    }
    // SAFETY: the file must be what `Engine::precompile_component` wrote, unchanged, for its
    // contents become machine code; and it must not change while it is mapped. It lies in a
    // directory that `private` found to be owned by this user with mode 0700, so only this
    // user can have written it; `replace` writes a whole file under another name and renames
    // it, never into one that may be mapped; and its name is the digest of the component and
    // of the compiler's settings, which wasmtime checks once more in the file's own header.
    match unsafe { Component::deserialize_file(engine, path) } {
        Ok(component) => Some(component),
        Err(e) => {
            tracing::warn!(file = %path.display(), error = %e, "a kept component can't be loaded: compiling it anew");
            None
        }
    }
}

/// Whether `dir` is a directory, not a link, of this user, closed to everybody else.
fn private(dir: &Path) -> io::Result<()> {
    if !dir.exists() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)?;
    }
    let found = fs::symlink_metadata(dir)?;
    let refuse = |why: &str| {
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            why.to_owned(),
        ))
    };
    if !found.is_dir() {
        return refuse("not a directory");
    }
    if found.permissions().mode() & 0o077 != 0 {
        return refuse("others may enter it (its mode must be 0700)");
    }
    // A file that we make is ours, so its owner says who we are.
    let probe = dir.join(format!(".{}.probe", std::process::id()));
    let ours = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&probe)?;
    let owner = ours.metadata()?.uid();
    fs::remove_file(&probe)?;
    if owner != found.uid() {
        return refuse("it belongs to another user");
    }
    Ok(())
}

fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let draft = dir.join(format!(".{}.{name}", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    io::Write::write_all(&mut file, bytes)?;
    fs::rename(&draft, dir.join(name))
}

/// Removes the oldest files beyond [`FILES`].
fn prune(dir: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        files.push((entry.metadata()?.modified()?, entry.path()));
    }
    files.sort();
    let surplus = files.len().saturating_sub(FILES);
    for (_, path) in files.into_iter().take(surplus) {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Feeds what implements `Hash` into SHA-256.
struct Fingerprint(Sha256);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
