//! Whether a policy's component is what the configuration says: its digest, its signature, its version.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use forebay_artefact::{Digest, Expected, MAX_ENVELOPE, PublicKey, verify};

use super::policies::PolicyLoadError;
use crate::config::{ComponentConfig, VerifyConfig};

/// The version of each signed policy.
pub(super) type Versions = BTreeMap<&'static str, u64>;

/// Checks a component that was read from `file`. Gives its version where it is signed.
pub(super) fn check(
    policy: &'static str,
    (config, file): (&VerifyConfig, &Path),
    base: &Path,
    component: &[u8],
    loaded: &Versions,
) -> Result<Option<u64>, PolicyLoadError> {
    let refused = |why: String| {
        PolicyLoadError(format!(
            "the {policy} component {} is refused: {why}",
            file.display()
        ))
    };
    let digest: Option<Digest> = match &config.digest {
        Some(digest) => Some(digest.parse().map_err(|e| refused(format!("{e}")))?),
        None => None,
    };
    let keys = config.keys.iter().map(|key| public_key(&base.join(key)));
    let keys = keys.collect::<Result<Vec<_>, _>>().map_err(refused)?;
    let signature = match keys.is_empty() {
        true => None,
        false => read(&signature_file(config, file, base)).map_err(refused)?,
    };
    let expected = Expected {
        digest,
        keys: &keys,
        policy,
        min_version: config
            .min_version
            .max(loaded.get(policy).copied().unwrap_or(0)),
    };
    let signed = verify(component, signature.as_deref(), &expected)
        .map_err(|e| refused(format!("{e} (policies.{}.verify)", section(policy))))?;
    Ok(signed.map(|signed| signed.version))
}

/// Where the signature of a component lies.
pub(super) fn signature_file(config: &VerifyConfig, file: &Path, base: &Path) -> PathBuf {
    match &config.signature {
        Some(signature) => base.join(signature),
        None => {
            let mut name = file.as_os_str().to_owned();
            name.push(".dsse");
            PathBuf::from(name)
        }
    }
}

/// The files that a component's verification reads, beside the component.
pub(super) fn files(config: &ComponentConfig, base: &Path) -> Vec<PathBuf> {
    let (Some(component), Some(verify)) = (&config.component, &config.verify) else {
        return Vec::new();
    };
    let keys = verify.keys.iter().map(|key| base.join(key));
    let signature = signature_file(verify, &base.join(component), base);
    keys.chain([signature]).collect()
}

fn section(policy: &str) -> String {
    policy.replace('-', "_")
}

fn public_key(file: &Path) -> Result<PublicKey, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| format!("the key {} can't be read: {e}", file.display()))?;
    PublicKey::from_pem(&text).map_err(|e| format!("the key {}: {e}", file.display()))
}

/// The file's bytes, one more than a signature may have at most. None where there is no file.
fn read(file: &Path) -> Result<Option<Vec<u8>>, String> {
    let failed = |e: std::io::Error| format!("{} can't be read: {e}", file.display());
    let open = match std::fs::File::open(file) {
        Ok(open) => open,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut bytes = Vec::new();
    open.take(MAX_ENVELOPE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(Some(bytes))
}
