//! Azure OpenAI and AI Foundry: four forms of one service, told by `options.api`.

use std::borrow::Cow;

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use super::options::Reading;
use super::{Asked, OLDER_ENGINE, OPENAI, OTHERS_HINTS, Route, Seller, anthropic, encode};

#[derive(Debug)]
pub(super) enum Azure {
    /// OpenAI's paths, without a version.
    V1,
    /// A path for each deployment, with a version.
    Deployments { version: Option<String> },
    /// AI Foundry's endpoint for models of other makers, with a version.
    Foundry { version: Option<String> },
    /// Anthropic's messages.
    Anthropic,
}

/// The last version of the older form that has structured output and reasoning.
const VERSION: &str = "2024-10-21";
/// The version of the older form in which Realtime is asked for.
const REALTIME_VERSION: &str = "2025-04-01-preview";

impl Azure {
    /// Forms without a version ignore `options.api_version`.
    pub(super) fn read(options: &mut Reading) -> Self {
        let (api, version) = (options.left.api.take(), options.left.api_version.take());
        let deployments = Self::Deployments {
            version: version.clone(),
        };
        let forms = [
            ("v1", Self::V1),
            ("deployments", deployments),
            ("foundry", Self::Foundry { version }),
            ("anthropic", Self::Anthropic),
        ];
        options.one_of("api", api, forms).unwrap_or(Self::V1)
    }
}

/// Where a deployment is asked, whose name is one segment of a path.
fn deployment(name: &str, verb: &str, version: Option<&str>) -> String {
    let version = version.unwrap_or(VERSION);
    format!("/openai/deployments/{name}/{verb}?api-version={version}")
}

impl Seller for Azure {
    fn wires(&self) -> &'static [Wire] {
        match self {
            Self::V1 => OPENAI,
            // Responses came to Azure with the v1 endpoint, and to dated previews only.
            Self::Deployments { .. } | Self::Foundry { .. } => OLDER_ENGINE,
            Self::Anthropic => &[Wire::Messages],
        }
    }

    fn names_model_in_path(&self) -> bool {
        true
    }

    fn key_header(&self) -> (&'static str, &'static str) {
        ("api-key", "")
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Anthropic => anthropic::VERSION,
            _ => &[],
        }
    }

    fn passages(&self) -> &'static [&'static str] {
        match self {
            Self::V1 | Self::Deployments { .. } => &[
                "images.generations",
                "images.edits",
                "audio.speech",
                "audio.transcriptions",
                "audio.translations",
                "files",
                "batches",
                "vector_stores",
                "containers",
                "realtime",
            ],
            Self::Foundry { .. } | Self::Anthropic => &[],
        }
    }

    fn passage_path(&self, path: &str, model: Option<&str>) -> String {
        let verb = path.strip_prefix("/v1/").unwrap_or(path);
        match (self, model) {
            (Self::Deployments { version }, Some(model)) => {
                deployment(&encode(model), verb, version.as_deref())
            }
            _ => format!("/openai/v1/{verb}"),
        }
    }

    fn realtime(&self) -> (Cow<'static, str>, &'static str) {
        let Self::Deployments { version } = self else {
            return ("/openai/v1/realtime".into(), "model");
        };
        let version = version.as_deref().unwrap_or(REALTIME_VERSION);
        let home = format!("/openai/realtime?api-version={version}");
        (home.into(), "deployment")
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        let verb = match asked.wire {
            Wire::Completions => "completions",
            Wire::Embeddings => "embeddings",
            Wire::Responses => "responses",
            Wire::Messages => return Route::new(asked.wire, "/anthropic/v1/messages"),
            _ => "chat/completions",
        };
        let path = match self {
            Self::Deployments { version } => deployment(asked.model, verb, version.as_deref()),
            Self::Foundry { version } => {
                let version = version.as_deref().unwrap_or(VERSION);
                format!("/models/{verb}?api-version={version}")
            }
            Self::V1 | Self::Anthropic => format!("/openai/v1/{verb}"),
        };
        let mut route = Route::new(asked.wire, path);
        if asked.wire == Wire::Embeddings {
            route.remove = OTHERS_HINTS;
        }
        route.profile(Profile::Azure)
    }
}
