//! The keys file: mode 0600, replaced as a whole, locked against a second `forebay keys`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use forebay_gateway::identity::KeyRecord;
use serde::{Deserialize, Serialize};

use super::stored::StoredKey;

const HEAD: &str = "# API keys of Forebay: digests, never the keys. Written by `forebay keys`.\n\n";
/// The last line of a file of ours. TOML that is cut between two keys is good TOML, so a file that
/// begins with [`WHOLE`] and does not end with this line has lost keys that nobody revoked.
const END: &str = "# End of the keys.";
/// The line that announces [`END`]. Files that people write have it where they want to be checked.
const WHOLE: &str =
    "# This file ends with the line \"# End of the keys.\": without it, it is not whole.";

/// Why the keys can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file can't be opened, locked, read or written.
    #[error("the keys file {}: {why}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// There is no such file.
    #[error("the keys file {} does not exist; `forebay keys create --file {} --tenant NAME` makes it", path.display(), path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file's content makes no sense.
    #[error("the keys file {} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        why: String,
    },
    /// It lacks its last line.
    #[error("the keys file {} is cut off: its last line, \"{END}\", is missing", path.display())]
    Cut {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner can read it.
    #[error("the keys file {} can be read by others (mode {mode:o}); run `chmod 600` on it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The secret of a key can't be written beside it.
    #[error("the secret access key can't be written to {}: {why}", path.display())]
    Secret {
        /// Its file.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// The key has been rotated before.
    #[error(
        "the key `{id}` has already been replaced by `{successor}`; rotate that one, or end this one with \
         `forebay keys expire {id}`"
    )]
    Rotated {
        /// The old key.
        id: String,
        /// The key that was made in its place.
        successor: String,
    },
    /// No key has this id.
    #[error("there is no key `{0}`; `forebay keys list` shows them")]
    Unknown(String),
}

/// All keys of a file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// In the order in which they were made.
    #[serde(rename = "keys", default)]
    pub records: Vec<StoredKey>,
}

impl KeyFile {
    /// Reads a file. A missing one is an error; so is one that others can read.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let io = |why| KeysError::Io {
            path: path.to_owned(),
            why,
        };
        let text = std::fs::read_to_string(path).map_err(|why| match why.kind() {
            std::io::ErrorKind::NotFound => KeysError::Missing {
                path: path.to_owned(),
            },
            _ => io(why),
        })?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let found = std::fs::metadata(path).map_err(io)?;
            let mode = found.mode() & 0o777;
            // Kubernetes gives a secret to the pod's own group to read (fsGroup).
            let allowed = if is_own_group(found.gid()) {
                0o740
            } else {
                0o700
            };
            if mode & !allowed != 0 {
                return Err(KeysError::Open {
                    path: path.to_owned(),
                    mode,
                });
            }
        }
        if is_cut(&text) {
            return Err(KeysError::Cut {
                path: path.to_owned(),
            });
        }
        toml::from_str(&text).map_err(|e| KeysError::Damaged {
            path: path.to_owned(),
            why: e.message().to_owned(),
        })
    }

    /// Changes a file (or makes it) under a lock and replaces it as a whole.
    pub fn change<T>(
        path: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, KeysError>,
    ) -> Result<T, KeysError> {
        let io = |why| KeysError::Io {
            path: path.to_owned(),
            why,
        };
        // The lock is a file beside it: the file itself is replaced, and a lock goes with its inode.
        let lock = private(&beside(path, ".lock"), false).map_err(io)?;
        lock.lock().map_err(io)?;
        let mut file = if path.exists() {
            Self::read(path)?
        } else {
            Self::default()
        };
        let outcome = change(&mut file)?;
        let text = toml::to_string(&file).map_err(|e| KeysError::Damaged {
            path: path.to_owned(),
            why: e.to_string(),
        })?;
        // A name that nobody can have put a file or a link at before.
        let fresh = beside(
            path,
            &format!(".{}.new", hex::encode(rand::random::<[u8; 8]>())),
        );
        let written = private(&fresh, true).and_then(|mut out| {
            out.write_all(written(&text).as_bytes())?;
            out.sync_all()?;
            std::fs::rename(&fresh, path)
        });
        if written.is_err() {
            // It may never have been made.
            let _ = std::fs::remove_file(&fresh);
        }
        written.map_err(io)?;
        Ok(outcome)
    }

    /// The key of this identifier.
    pub fn find(&mut self, id: &str) -> Result<&mut StoredKey, KeysError> {
        self.records
            .iter_mut()
            .find(|key| key.id == id)
            .ok_or_else(|| KeysError::Unknown(id.to_owned()))
    }
}

/// A file of ours with these keys.
fn written(keys: &str) -> String {
    format!("{WHOLE}\n{HEAD}{keys}\n{END}\n")
}

/// Whether a file announces its last line and does not have it. It is cut, too, where it ends within
/// the announcement, which is the first line of our own files.
fn is_cut(text: &str) -> bool {
    let text = text.trim();
    let announced = text.lines().any(|line| line.trim() == WHOLE);
    let within = !text.is_empty() && WHOLE.starts_with(text);
    within || (announced && text.lines().next_back().map(str::trim) != Some(END))
}

/// Whether this process runs in a group.
#[cfg(unix)]
fn is_own_group(group: u32) -> bool {
    rustix::process::getegid().as_raw() == group
        || rustix::process::getgroups()
            .is_ok_and(|groups| groups.iter().any(|own| own.as_raw() == group))
}

/// What a keys file still says of keys that are in use, however damaged the rest of it is.
pub struct Surviving {
    blocks: Vec<(String, Option<StoredKey>)>,
}

impl Surviving {
    /// Reads a file. None where nothing can be said: it is not there, or empty or cut off, as it is
    /// while it is being written.
    pub fn read(path: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        Self::of_text(&text)
    }

    /// What a file with this text says.
    pub fn of_text(text: &str) -> Option<Self> {
        if text.trim().is_empty() || is_cut(text) {
            return None;
        }
        let blocks = text.split("[[keys]]").skip(1).map(|block| {
            // Taken out of the file, a key's own tables stand alone.
            let stored = toml::from_str(&block.replace("[keys.", "[")).ok();
            (block.to_ascii_lowercase(), stored)
        });
        Some(Self {
            blocks: blocks.collect(),
        })
    }

    /// Whether it has no key at all.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The record of a key in use: the file's, or the one that it has where the file's is damaged
    /// but names it. None where the file has it no more.
    pub fn of(&self, key: &KeyRecord) -> Option<KeyRecord> {
        let digest = hex::encode(key.digest);
        let (_, stored) = self
            .blocks
            .iter()
            .find(|(block, _)| block.contains(&digest))?;
        match stored {
            Some(stored) => (stored.id == *key.id).then(|| stored.to_record()),
            None => Some(key.clone()),
        }
    }
}

/// Writes a secret access key to a file of its own that only its owner can read. It has to be new.
pub fn write_secret(path: &Path, secret: &str) -> Result<(), KeysError> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(secret.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|why| KeysError::Secret {
        path: path.to_owned(),
        why,
    })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A file that only its owner can read: a new one, to which no link is followed, or one that may be there.
fn private(path: &Path, new: bool) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    match new {
        true => options.create_new(true),
        false => options.create(true).truncate(false),
    };
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::super::stored::{NewKey, mint};
    use super::*;

    fn key(tenant: &str) -> StoredKey {
        let new = NewKey {
            tenant: tenant.into(),
            ..NewKey::default()
        };
        mint(new, std::time::SystemTime::UNIX_EPOCH).1
    }

    #[test]
    fn a_key_that_is_gone_is_gone_however_damaged_the_rest_is() {
        let (mut a, b) = (key("a"), key("b"));
        a.access = Some(super::super::stored::AccessKey {
            id: "FBAK0".into(),
            secret: "env:X".into(),
            region: "us-east-1".into(),
        });
        a.requests_per_minute = Some(7);
        let file = KeyFile {
            records: vec![a.clone(), b.clone()],
        };
        let text = toml::to_string(&file).unwrap();
        let whole = Surviving::of_text(&text).unwrap();
        assert_eq!(whole.of(&a.to_record()), Some(a.to_record()));

        let second = text.rfind("[[keys]]").unwrap();
        let damaged = format!("{}id = oops\n[[[", &text[second..]);
        let damaged = Surviving::of_text(&damaged).unwrap();
        assert_eq!(damaged.of(&a.to_record()), None, "it is revoked");
        assert_eq!(damaged.of(&b.to_record()), Some(b.to_record()), "it stays");

        assert!(Surviving::of_text(" \n").is_none(), "it is being written");
        assert!(Surviving::of_text(&written(&text)).is_some());
        let none = Surviving::of_text(HEAD).unwrap();
        assert_eq!(none.of(&b.to_record()), None, "the last was revoked");
    }

    #[test]
    fn a_file_that_is_cut_anywhere_revokes_nothing() {
        let file = KeyFile {
            records: vec![key("a"), key("b"), key("c")],
        };
        let text = written(&toml::to_string(&file).unwrap());
        let last = text.rfind(END).unwrap() + END.len();
        for end in 0..text.len() {
            let cut = &text[..end];
            assert_eq!(Surviving::of_text(cut).is_none(), end < last, "{cut}");
            assert_eq!(is_cut(cut), (1..last).contains(&end), "{cut}");
        }
        // What people write says nothing of its end.
        let own = &text[text.find("[[keys]]").unwrap()..];
        for end in own.match_indices("[[keys]]").map(|(at, _)| at) {
            assert!(!is_cut(&own[..end]));
        }
        for more in ["\n\n", "\r\n", "  \n"] {
            assert!(!is_cut(&format!("# mine\n{text}{more}")));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_lies_in_wait_gets_nothing() {
        let folder = std::env::temp_dir().join(format!("forebay-keys-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let (path, other) = (folder.join("keys.toml"), folder.join("other"));
        std::fs::write(&other, "precious").unwrap();
        for name in ["keys.toml.new", "keys.toml"] {
            std::os::unix::fs::symlink(&other, folder.join(name)).unwrap();
        }
        let added = KeyFile::change(&path, |file| {
            file.records.push(key("a"));
            Ok(())
        });
        // What the link leads to is no keys file, and is left as it is.
        assert!(added.is_err());
        std::fs::remove_file(&path).unwrap();
        KeyFile::change(&path, |file| {
            file.records.push(key("a"));
            Ok(())
        })
        .unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "precious");
        assert_eq!(KeyFile::read(&path).unwrap().records.len(), 1);
        let names = std::fs::read_dir(&folder).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(
            names,
            ["keys.toml", "keys.toml.lock", "keys.toml.new", "other"]
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
