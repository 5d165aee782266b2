//! Oracle OCI Generative AI: one path, two formats of bodies.

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use super::options::Reading;
use super::{Asked, Route, Seller};

#[derive(Debug)]
pub(super) struct Oci {
    /// The compartment's OCID.
    compartment: String,
    /// By the model's name where absent.
    format: Option<Format>,
}

/// `options.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Generic,
    Cohere,
}

impl Oci {
    pub(super) fn read(options: &mut Reading) -> Self {
        let compartment = options.left.compartment.take();
        let format = options.left.format.take();
        let formats = [("generic", Format::Generic), ("cohere", Format::Cohere)];
        Self {
            compartment: options.needed(compartment, "OCI needs options.compartment"),
            format: options.one_of("format", format, formats),
        }
    }
}

impl Seller for Oci {
    fn wires(&self) -> &'static [Wire] {
        &[Wire::Oci]
    }

    fn public_url(&self, region: Option<&str>) -> Option<String> {
        region.map(|region| format!("https://inference.generativeai.{region}.oci.oraclecloud.com"))
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        let mut route = Route::new(asked.wire, "/20231130/actions/chat");
        let by_name = asked.model.starts_with("cohere");
        if self.format.map_or(by_name, |it| it == Format::Cohere) {
            route.profile = Profile::OciCohere;
        }
        let quoted = forebay_dialect::json_string(&self.compartment);
        route.set.push(("compartmentId", quoted));
        route
    }
}
