//! What comes inside the program: the policies and the configuration that applies where there is no other.

include!(concat!(env!("OUT_DIR"), "/policies.rs"));

/// The configuration that applies where no file is named and none lies in the working folder.
pub(crate) const CONFIGURATION: &str = include_str!("../../forebay.toml");

/// A policy's component by its name, such as `guardrails`.
pub(crate) fn policy(name: &str) -> Option<&'static [u8]> {
    POLICIES
        .iter()
        .find(|(shipped, _)| *shipped == name)
        .map(|(_, component)| *component)
}
