//! OpenAI itself.

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use super::route::standard;
use super::{Asked, OPENAI, ProviderOptions, Route, Seller};

#[derive(Debug)]
pub(super) struct OpenAi;

impl Seller for OpenAi {
    fn wires(&self, _: &ProviderOptions) -> &'static [Wire] {
        OPENAI
    }

    fn public_url(&self, _: &ProviderOptions, _: Option<&str>) -> Option<String> {
        Some("https://api.openai.com".to_owned())
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        standard(asked.wire, asked.model, asked.stream).profile(Profile::OpenAi)
    }
}
