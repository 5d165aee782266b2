//! Oracle OCI Generative AI: one path, two formats of bodies.

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use super::{Asked, ProviderOptions, Route, Seller};

#[derive(Debug)]
pub(super) struct Oci;

impl Seller for Oci {
    fn wires(&self, _: &ProviderOptions) -> &'static [Wire] {
        &[Wire::Oci]
    }

    fn options(&self) -> &'static [&'static str] {
        &["compartment", "format"]
    }

    fn missing(&self, options: &ProviderOptions) -> Option<&'static str> {
        let missing = options.compartment.is_none();
        missing.then_some("OCI needs options.compartment")
    }

    fn public_url(&self, _: &ProviderOptions, region: Option<&str>) -> Option<String> {
        region.map(|region| format!("https://inference.generativeai.{region}.oci.oraclecloud.com"))
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        let mut route = Route::new(asked.wire, "/20231130/actions/chat");
        let format = asked.options.format.as_deref();
        if format.map_or(asked.model.starts_with("cohere"), |it| it == "cohere") {
            route.profile = Profile::OciCohere;
        }
        if let Some(compartment) = &asked.options.compartment {
            let quoted = forebay_dialect::json_string(compartment);
            route.set.push(("compartmentId", quoted));
        }
        route
    }
}
