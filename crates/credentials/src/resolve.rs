//! Variables and files: the outside that credentials are read from, as a trait.

use std::path::{Path, PathBuf};

use crate::config::SecretRef;
use crate::error::{CredentialError, Origin, Problem};
use crate::secret::Secret;

/// The largest file that is read: key files and tokens are a few KiB.
const MAX_FILE: u64 = 256 * 1024;

/// Gives variables and files. Token files are read again at each refresh, since platforms rotate them.
pub trait Resolve: Send + Sync {
    /// The environment variable's value; `None` if it is not set.
    fn variable(&self, name: &str) -> Option<String>;

    /// The file's bytes. The error says what the system said, without the path.
    fn file(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// The process's environment and its files; relative paths count from `base`, `~/` from `HOME`.
#[derive(Debug, Clone)]
pub struct System {
    /// The folder of the configuration file.
    pub base: PathBuf,
}

impl Resolve for System {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        use std::io::Read;
        let path = match path.strip_prefix("~/") {
            Some(rest) => Path::new(&self.variable("HOME").ok_or("HOME is not set")?).join(rest),
            None => self.base.join(path),
        };
        let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| e.to_string())?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(format!("it is over the limit of {} KiB", MAX_FILE / 1024));
        }
        Ok(bytes)
    }
}

/// The secret that a reference names, trimmed at its end.
pub(crate) fn secret(
    resolve: &dyn Resolve,
    reference: &SecretRef,
    origin: &Origin,
) -> Result<Secret, CredentialError> {
    if let Some(name) = reference.0.strip_prefix("env:") {
        return variable(resolve, name)
            .map(Secret::new)
            .ok_or_else(|| unset(origin, name));
    }
    if let Some(path) = reference.0.strip_prefix("file:") {
        return text(resolve, path, origin);
    }
    Err(origin.error(Problem::NotAReference))
}

/// A variable that is set and not empty.
pub(crate) fn variable(resolve: &dyn Resolve, name: &str) -> Option<String> {
    resolve.variable(name).filter(|value| !value.is_empty())
}

/// The error for a variable that is needed and is not there.
pub(crate) fn unset(origin: &Origin, name: &str) -> CredentialError {
    origin.error(Problem::Missing {
        what: format!("the environment variable {name} is not set or empty"),
    })
}

/// The file's text, trimmed at its end, not empty.
pub(crate) fn text(
    resolve: &dyn Resolve,
    path: &str,
    origin: &Origin,
) -> Result<Secret, CredentialError> {
    let missing = |why: String| {
        origin.error(Problem::Missing {
            what: format!("the file {path}: {why}"),
        })
    };
    let bytes = resolve.file(path).map_err(missing)?;
    let mut text = String::from_utf8(bytes).map_err(|_| missing("it is not UTF-8".to_owned()))?;
    text.truncate(text.trim_end().len());
    if text.is_empty() {
        return Err(missing("it is empty".to_owned()));
    }
    Ok(Secret::new(text))
}
