//! The admin token: configured, or made at start and left in a file that only this user can read.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The admin surface can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The configured token is too short to be a secret.
    #[error(
        "the admin token (admin.token) is shorter than 16 bytes; `openssl rand -hex 32` makes a good one"
    )]
    Short,
    /// The token's file can't be written.
    #[error("the admin token can't be written to {}: {why}; set admin.token instead", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
}

/// The token to ask for, and the file it was put into where it was made here.
pub fn token(
    configured: Option<String>,
    address: SocketAddr,
) -> Result<(String, Option<PathBuf>), AdminError> {
    if let Some(token) = configured {
        return if token.len() < 16 {
            Err(AdminError::Short)
        } else {
            Ok((token, None))
        };
    }
    let token = hex::encode(rand::random::<[u8; 32]>());
    let folder = folder();
    let path = token_file(address);
    write(&folder, &path, &token).map_err(|why| AdminError::File {
        path: path.clone(),
        why,
    })?;
    Ok((token, Some(path)))
}

/// The file that a gateway of this user leaves its token in. Named by the port, so that two gateways of
/// one user don't take each other's.
pub fn token_file(address: SocketAddr) -> PathBuf {
    folder().join(format!("admin-token-{}", address.port()))
}

/// The user's own runtime folder, else state folder (XDG base directories), else the working folder.
fn folder() -> PathBuf {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_RUNTIME_DIR")
        .or_else(|| absolute("XDG_STATE_HOME"))
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(|| PathBuf::from("."))
        .join("forebay")
}

fn write(folder: &std::path::Path, path: &std::path::Path, token: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    // Removed first: a file that somebody else made open would stay open.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{token}")
}
