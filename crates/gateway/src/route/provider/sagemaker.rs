//! An AWS SageMaker endpoint with a container that speaks as OpenAI does.

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use super::{Asked, Envelope, Route, Seller};

#[derive(Debug)]
pub(super) struct Sagemaker;

impl Seller for Sagemaker {
    fn wires(&self) -> &'static [Wire] {
        &[Wire::Chat]
    }

    fn names_model_in_path(&self) -> bool {
        true
    }

    fn public_url(&self, region: Option<&str>) -> Option<String> {
        region.map(|region| format!("https://runtime.sagemaker.{region}.amazonaws.com"))
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        let verb = if asked.stream {
            "invocations-response-stream"
        } else {
            "invocations"
        };
        Route::new(Wire::Chat, format!("/endpoints/{}/{verb}", asked.model))
            .profile(Profile::Engine)
            .framing(Envelope::Pieces)
    }
}
