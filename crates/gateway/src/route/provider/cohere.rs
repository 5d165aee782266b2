//! Cohere itself.

use forebay_dialect::Wire;

use super::{Asked, Route, Seller};

#[derive(Debug)]
pub(super) struct Cohere;

impl Seller for Cohere {
    fn wires(&self) -> &'static [Wire] {
        &[Wire::Cohere, Wire::Embeddings]
    }

    fn public_url(&self, _: Option<&str>) -> Option<String> {
        Some("https://api.cohere.com".to_owned())
    }

    fn passages(&self) -> &'static [&'static str] {
        &["rerank"]
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        match asked.wire {
            Wire::Embeddings => Route::new(Wire::Cohere, "/v2/embed"),
            wire => Route::new(wire, "/v2/chat"),
        }
    }
}
