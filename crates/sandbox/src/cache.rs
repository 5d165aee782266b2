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

/// Files kept: a handful of configurations and versions, ten files each.
const FILES: usize = 128;

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
                tracing::warn!(dir = %dir.display(), error = %e, "the cache of compiled components can't be used");
                Self(None)
            }
        }
    }

    /// Reads plain bytes that [`Cache::write`] kept under this name.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        whole(&self.0.as_ref()?.join(name), name)
    }

    /// Keeps bytes. That this may fail costs only time at the next start.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let Some(dir) = &self.0 else { return };
        let written = replace(dir, name, bytes)
            .and_then(|()| replace(dir, &seal_of(name), seal(name, bytes).as_bytes()))
            .and_then(|()| prune(dir));
        if let Err(e) = written {
            tracing::warn!(dir = %dir.display(), error = %e, "a compiled component could not be cached");
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
        if let Some(component) = load(engine, dir, &name) {
            return Ok(component);
        }
        let compiled = engine.precompile_component(bytes)?;
        self.write(&name, &compiled);
        match load(engine, dir, &name) {
            Some(component) => Ok(component),
            None => Component::new(engine, bytes),
        }
    }
}

/// Loads a compiled component that this process's user wrote.
#[allow(unsafe_code)]
fn load(engine: &Engine, dir: &Path, name: &str) -> Option<Component> {
    let path = &dir.join(name);
    whole(path, name)?;
    // SAFETY: the file must be what `Engine::precompile_component` wrote, unchanged, for its
    // contents become machine code; and it must not change while it is mapped. It lies in a
    // directory that `private` found to be owned by this user with mode 0700, so only this
    // user can have written it; `replace` writes a whole file under another name and renames
    // it, never into one that may be mapped; its name is the digest of the component and
    // of the compiler's settings, which wasmtime checks once more in the file's own header;
    // and `whole` found the digest beside it to be that of all its bytes under this name, so
    // it is neither cut off nor another's.
    match unsafe { Component::deserialize_file(engine, path) } {
        Ok(component) => Some(component),
        Err(e) => {
            tracing::warn!(file = %path.display(), error = %e, "a cached component can't be loaded; compiling it again");
            None
        }
    }
}

/// The bytes of a kept file, if they are what was written under this name, from the first to the last.
/// Anything else is removed, and as good as none.
fn whole(path: &Path, name: &str) -> Option<Vec<u8>> {
    let bytes = fs::read(path).ok()?;
    let beside = path.with_file_name(seal_of(name));
    if fs::read_to_string(&beside).is_ok_and(|found| found == seal(name, &bytes)) {
        return Some(bytes);
    }
    tracing::warn!(file = %path.display(), "a cached component is damaged or belongs to another user; compiling it again");
    // What can't be used is only in the way; that removing it may fail costs nothing.
    let _ = fs::remove_file(path);
    let _ = fs::remove_file(beside);
    None
}

/// The name of the file that says what another one holds.
fn seal_of(name: &str) -> String {
    format!("{name}.sha256")
}

/// What it says: the digest of a file's name and bytes.
fn seal(name: &str, bytes: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(name);
    digest.update([0]);
    digest.update(bytes);
    hex::encode(digest.finalize())
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
    // On the disk before it has its name: a crash may leave a draft, never half a component.
    file.sync_all()?;
    fs::rename(&draft, dir.join(name))?;
    fs::File::open(dir)?.sync_all()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_cut_off_or_anothers_is_a_miss() {
        let dir = std::env::temp_dir().join(format!("forebay-cache-{}", std::process::id()));
        let cache = Cache::open(Some(&dir));
        let put = |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes).unwrap();
        let keep = || {
            cache.write("a.wasm", b"all of it");
            assert_eq!(cache.read("a.wasm").as_deref(), Some(&b"all of it"[..]));
        };
        for damaged in [
            &b"all of"[..],
            b"",
            b"all of it, and more",
            b"another, as long",
        ] {
            keep();
            put("a.wasm", damaged);
            assert_eq!(cache.read("a.wasm"), None, "{damaged:?}");
            assert!(!dir.join("a.wasm").exists(), "it is not met twice");
        }
        keep();
        put("b.wasm", b"all of it");
        fs::copy(dir.join("a.wasm.sha256"), dir.join("b.wasm.sha256")).unwrap();
        assert_eq!(cache.read("b.wasm"), None, "it is another's");
        put("c.wasm", b"nobody vouches for it");
        assert_eq!(cache.read("c.wasm"), None);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_compiled_component_that_is_cut_off_is_compiled_anew() {
        let dir = std::env::temp_dir().join(format!("forebay-compiled-{}", std::process::id()));
        let cache = Cache::open(Some(&dir));
        let engine = Engine::default();
        let component = wat::parse_str("(component)").unwrap();
        cache.compile(&engine, &component).unwrap();
        let compiled = |extension: &str| {
            let files = fs::read_dir(&dir).unwrap();
            files
                .map(|file| file.unwrap().path())
                .find(|file| file.extension().is_some_and(|e| e == extension))
                .unwrap()
        };
        let file = compiled("cwasm");
        let whole = fs::read(&file).unwrap();
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            fs::write(&file, &whole[..length]).unwrap();
            cache.compile(&engine, &component).unwrap();
            assert_eq!(fs::read(&file).unwrap(), whole, "{length}");
        }
        fs::remove_dir_all(&dir).unwrap();
    }
}
