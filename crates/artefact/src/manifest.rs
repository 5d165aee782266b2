//! How a component lies in a registry: an image manifest with one layer, as the CNCF's "Wasm OCI
//! artifact layout" has it and `wkg` and `oras` write it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The media type of the manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// The media type of its configuration.
pub const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";

/// The media type of its layer: the component.
pub const LAYER_TYPE: &str = "application/wasm";

/// The annotation that holds the signature, a DSSE envelope as text.
pub const SIGNATURE_ANNOTATION: &str = "forebay.policy.signature";

/// The time that the layout asks for. A constant, so that the same component is the same artefact.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// Why a manifest is not one of a component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON of this shape.
    #[error("the manifest is malformed: {0}")]
    Malformed(String),
    /// Of another kind: an index, an image.
    #[error("the artefact is not a WebAssembly component: {0}")]
    Foreign(String),
}

/// An artefact's manifest: which blobs it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The component.
    pub component: Blob,
    /// The configuration.
    pub config: Blob,
    /// The signature, where there is one.
    pub signature: Option<String>,
}

/// A blob of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    /// What it is known by.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

impl Manifest {
    /// Of a component that exports one interface; gives the bytes of its configuration too.
    #[must_use]
    pub fn of(component: &[u8], export: &str, signature: Option<String>) -> (Self, Vec<u8>) {
        let layer = Blob::of(component);
        let config = serde_json::json!({
            "created": CREATED,
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [layer.digest.to_string()],
            "component": {"exports": [export], "imports": []},
        });
        let config = config.to_string().into_bytes();
        let manifest = Self {
            component: layer,
            config: Blob::of(&config),
            signature,
        };
        (manifest, config)
    }

    /// The manifest as JSON: always the same bytes.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let signature = self.signature.clone();
        let wire = Wire {
            schema_version: 2,
            media_type: Some(MANIFEST_TYPE.to_owned()),
            config: self.config.descriptor(CONFIG_TYPE),
            layers: vec![self.component.descriptor(LAYER_TYPE)],
            annotations: signature
                .map(|signature| (SIGNATURE_ANNOTATION.to_owned(), signature))
                .into_iter()
                .collect(),
        };
        // Strings and numbers alone: there is nothing that JSON could not hold.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads a manifest that any tool wrote.
    ///
    /// # Errors
    /// [`ManifestError`] if it is not one of a component with one layer.
    pub fn from_json(text: &[u8]) -> Result<Self, ManifestError> {
        let malformed = |what: String| ManifestError::Malformed(what);
        let value: serde_json::Value =
            serde_json::from_slice(text).map_err(|e| malformed(e.to_string()))?;
        if value.get("manifests").is_some() {
            return Err(ManifestError::Foreign("it is an index".to_owned()));
        }
        let mut wire: Wire = serde_json::from_value(value).map_err(|e| malformed(e.to_string()))?;
        let [layer] = &wire.layers[..] else {
            let what = format!("it has {} layers, not one", wire.layers.len());
            return Err(ManifestError::Foreign(what));
        };
        if layer.media_type != LAYER_TYPE {
            let what = format!("its layer is {}, not {LAYER_TYPE}", layer.media_type);
            return Err(ManifestError::Foreign(what));
        }
        Ok(Self {
            component: Blob::read(layer)?,
            config: Blob::read(&wire.config)?,
            signature: wire.annotations.remove(SIGNATURE_ANNOTATION),
        })
    }
}

impl Blob {
    fn of(bytes: &[u8]) -> Self {
        Self {
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
        }
    }

    fn read(descriptor: &Descriptor) -> Result<Self, ManifestError> {
        let digest = descriptor.digest.parse();
        Ok(Self {
            digest: digest
                .map_err(|e: crate::DigestError| ManifestError::Malformed(e.to_string()))?,
            size: descriptor.size,
        })
    }

    fn descriptor(&self, kind: &str) -> Descriptor {
        Descriptor {
            media_type: kind.to_owned(),
            digest: self.digest.to_string(),
            size: self.size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_what_it_writes() {
        let signature = Some("{\"payload\":\"\"}".to_owned());
        let (manifest, config) = Manifest::of(b"\0asm", "forebay:a/a@0.2.0", signature);
        assert_eq!(
            Manifest::from_json(&manifest.to_json()),
            Ok(manifest.clone())
        );
        assert_eq!(manifest.config.digest, Digest::of(&config));
        let (again, _) = Manifest::of(b"\0asm", "forebay:a/a@0.2.0", manifest.signature.clone());
        assert_eq!(manifest.to_json(), again.to_json());
    }

    #[test]
    fn other_artefacts_are_refused() {
        let (manifest, _) = Manifest::of(b"\0asm", "forebay:a/a@0.2.0", None);
        let good = String::from_utf8(manifest.to_json()).unwrap();
        let foreign = |text: &str| Manifest::from_json(text.as_bytes()).unwrap_err();
        assert!(matches!(foreign("[]"), ManifestError::Malformed(_)));
        let index = r#"{"schemaVersion": 2, "manifests": []}"#;
        assert!(matches!(foreign(index), ManifestError::Foreign(_)));
        let image = good.replace(LAYER_TYPE, "application/vnd.oci.image.layer.v1.tar+gzip");
        assert!(matches!(foreign(&image), ManifestError::Foreign(_)));
        let short = good.replace("sha256:", "sha512:");
        assert!(matches!(foreign(&short), ManifestError::Malformed(_)));
    }
}
