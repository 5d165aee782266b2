//! Anthropic itself.

use forebay_dialect::Wire;

use super::Seller;

/// The only version there is: platform.claude.com, "Versions".
pub(super) const VERSION: &[(&str, &str)] = &[("anthropic-version", "2023-06-01")];

#[derive(Debug)]
pub(super) struct Anthropic;

impl Seller for Anthropic {
    fn wires(&self) -> &'static [Wire] {
        &[Wire::Messages]
    }

    fn key_header(&self) -> (&'static str, &'static str) {
        ("x-api-key", "")
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        VERSION
    }

    fn public_url(&self, _: Option<&str>) -> Option<String> {
        Some("https://api.anthropic.com".to_owned())
    }
}
