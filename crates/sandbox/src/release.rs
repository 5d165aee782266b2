//! The component that tells an edge what it runs: the policies' digest and the gateway's settings.

use std::fmt::Write as _;

use crate::compose::interface;
use crate::error::LoadError;

/// Where the texts begin: behind the two results.
const TEXTS: usize = 32;

/// A component that exports `forebay:release/release@0.2.0` and imports nothing.
///
/// # Errors
///
/// [`LoadError::Compose`] when the texts don't fit a guest's memory.
pub fn release(digest: &[u8; 32], settings: &str) -> Result<Vec<u8>, LoadError> {
    let failed = |detail: String| LoadError::Compose { detail };
    let digest = hex::encode(digest);
    let settings_at = TEXTS + digest.len();
    let end = settings_at + settings.len();
    let number = |n: usize| u32::try_from(n).map_err(|e| failed(format!("release: {e}")));
    // A string's result is its address and its length, both little-endian.
    let mut results = Vec::with_capacity(16);
    for n in [TEXTS, digest.len(), settings_at, settings.len()] {
        results.extend_from_slice(&number(n)?.to_le_bytes());
    }
    let (results, texts) = (
        escaped(&results),
        escaped(format!("{digest}{settings}").as_bytes()),
    );
    let (pages, name) = (end.div_ceil(65_536), interface("release"));
    let text = format!(
        r#"(component
          (core module $texts
            (memory (export "memory") {pages})
            (data (i32.const 0) "{results}")
            (data (i32.const {TEXTS}) "{texts}")
            (func (export "digest") (result i32) (i32.const 0))
            (func (export "settings") (result i32) (i32.const 8)))
          (core instance $texts (instantiate $texts))
          (alias core export $texts "memory" (core memory $memory))
          (func $digest (result string) (canon lift (core func $texts "digest") (memory $memory)))
          (func $settings (result string) (canon lift (core func $texts "settings") (memory $memory)))
          (instance $release (export "digest" (func $digest)) (export "settings" (func $settings)))
          (export "{name}" (instance $release)))"#
    );
    wat::parse_str(text).map_err(|e| failed(format!("release: {e}")))
}

fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 3);
    for byte in bytes {
        let _ = write!(out, "\\{byte:02x}");
    }
    out
}
