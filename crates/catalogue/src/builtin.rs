//! The built-in catalogue: the files under `catalogue/`, as they were when this was compiled.

use crate::read::File;

macro_rules! files {
    ($($name:literal)*) => {
        &[$(File {
            name: concat!("catalogue/", $name),
            text: include_str!(concat!("../../../catalogue/", $name)),
        },)*]
    };
}

/// One file a seller, and the logical names.
pub(crate) const FILES: &[File<'static>] = files! {
    "models.toml"
    "anthropic.toml"
    "azure.toml"
    "bedrock.toml"
    "cohere.toml"
    "gemini.toml"
    "mistral.toml"
    "oci.toml"
    "openai.toml"
    "own.toml"
    "vertex.toml"
};
