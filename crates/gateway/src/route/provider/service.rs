//! Clouds that speak as OpenAI does, at an address of their own: the rows of `config/services.rs`.

use forebay_dialect::Wire;

use super::route::standard;
use super::{Asked, Route, Seller};
use crate::config::Service;

impl Seller for &'static Service {
    fn wires(&self) -> &'static [Wire] {
        self.wires
    }

    fn public_url(&self, _: Option<&str>) -> Option<String> {
        Some(self.url.to_owned())
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        let mut route = standard(asked.wire, asked.model, asked.stream);
        if let Some(rest) = route.path.strip_prefix("/v1")
            && self.root != "/v1"
        {
            route.path = format!("{}{rest}", self.root);
        }
        route.remove = self.remove;
        route
    }
}
