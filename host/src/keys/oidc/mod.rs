//! Login with tokens of an OpenID Connect issuer (`[auth.oidc]`): JWTs in place of API keys.
//!
//! The pipeline asks without waiting ([`Login`]), so the issuer's keys are fetched beside it: before
//! a request's head is checked, [`Oidc::prepare`] fetches them where its token needs it.

mod crypto;
mod fetch;
mod jwks;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;
use forebay_gateway::error::{ErrorKind, GatewayError};
use forebay_gateway::headers;
use forebay_gateway::identity::{KeyRecord, Login};
use jsonwebtoken::{Algorithm, Header, Validation, decode_header};
use moka::sync::Cache;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::config::OidcConfig;
use crate::platform::Transport;
use crate::platform::clock;
use jwks::Jwks;

/// The longest token that is read. Tokens have one or two KiB; with many groups, four.
const MAX_TOKEN: usize = 16 << 10;
/// How long keys are not fetched again for a key id that is unknown: who makes up ids costs the
/// issuer no more than this.
const RETRY: Duration = Duration::from_secs(30);
/// The same while there are no keys at all.
const FIRST_RETRY: Duration = Duration::from_secs(2);
/// Tokens whose verification is remembered: it takes tens of microseconds, and each request asks
/// twice.
const REMEMBERED: u64 = 4096;
/// How long it is remembered. A key that its issuer took away is not trusted for longer.
const REMEMBER: Duration = Duration::from_secs(60);

/// The login of one issuer.
pub struct Oidc {
    config: OidcConfig,
    transport: Arc<Transport>,
    keys: ArcSwapOption<Keys>,
    /// When keys were last asked for. Held while they are.
    asked: Mutex<Asked>,
    verified: Cache<[u8; 32], Arc<KeyRecord>>,
}

/// When keys were last asked for, for each reason by itself: a key id that somebody made up does not
/// delay what is due.
#[derive(Default)]
struct Asked {
    /// Because they were old, or there were none.
    due: Option<Instant>,
    /// Because a key id was unknown.
    unknown: Option<Instant>,
}

/// Why keys are asked for.
#[derive(Clone, Copy)]
enum Reason {
    None,
    Old,
    UnknownId,
}

struct Keys {
    jwks: Jwks,
    fetched: Instant,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Oidc").field(&self.config.issuer).finish()
    }
}

impl Oidc {
    /// A login without keys yet.
    pub fn new(config: OidcConfig, transport: Arc<Transport>) -> Self {
        crypto::install();
        Self {
            config,
            transport,
            keys: ArcSwapOption::empty(),
            asked: Mutex::default(),
            verified: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(REMEMBER)
                .build(),
        }
    }

    /// Takes over the keys of the login before a reload, where it is the same issuer's.
    pub fn adopt(&self, old: &Self) {
        let same = old.config.issuer == self.config.issuer && old.config.jwks == self.config.jwks;
        if same && self.keys.load().is_none() {
            self.keys.store(old.keys.load_full());
        }
    }

    /// Fetches the issuer's keys where the token of a request needs it: there are none yet, its key is
    /// not among them, or they are older than `refresh`. Takes no longer than the fetch is allowed.
    pub async fn prepare(self: &Arc<Self>, head: &http::request::Parts) {
        let Some(header) = headers::api_keys(head).find_map(looks_like_token) else {
            return;
        };
        let known = self.keys.load_full();
        let Some(known) = known else {
            return self.fetch_unless_recent(Reason::None).await;
        };
        if header.kid.is_some_and(|id| !known.jwks.knows(&id)) {
            self.fetch_unless_recent(Reason::UnknownId).await;
        } else if clock::now().saturating_duration_since(known.fetched) >= self.config.refresh.0 {
            let login = self.clone();
            tokio::spawn(async move { login.fetch_unless_recent(Reason::Old).await });
        }
    }

    /// Fetches the keys unless that was tried just now. Who comes meanwhile waits for the same fetch.
    async fn fetch_unless_recent(&self, reason: Reason) {
        let mut asked = self.asked.lock().await;
        let (last, pause) = match reason {
            Reason::None => (&mut asked.due, FIRST_RETRY),
            Reason::Old => (&mut asked.due, RETRY),
            Reason::UnknownId => (&mut asked.unknown, RETRY),
        };
        if last.is_some_and(|at| clock::now().saturating_duration_since(at) < pause) {
            return;
        }
        match self.fetch().await {
            Ok(()) => {}
            Err(why) => tracing::warn!(
                issuer = self.config.issuer,
                "the keys of auth.oidc could not be fetched; the previous keys stay in use: {why}"
            ),
        }
        *last = Some(clock::now());
    }

    /// Fetches the keys before a request needs them.
    pub async fn warm(&self) {
        self.fetch_unless_recent(Reason::None).await;
    }

    /// Fetches the keys now.
    ///
    /// # Errors
    ///
    /// Why there are none, for the operator.
    pub async fn fetch(&self) -> Result<(), String> {
        let text = fetch::jwks(&self.transport, &self.config).await?;
        let jwks = Jwks::read(&text).map_err(|why| format!("the JWKS: {why}"))?;
        self.keys.store(Some(Arc::new(Keys {
            jwks,
            fetched: clock::now(),
        })));
        // What a key that is gone has signed is not to be remembered.
        self.verified.invalidate_all();
        Ok(())
    }

    fn verify(&self, token: &str) -> Result<KeyRecord, GatewayError> {
        let header =
            decode_header(token).map_err(|_| refused("is not a token that can be read"))?;
        let allowed = |algorithm: &Algorithm| {
            let name = format!("{algorithm:?}");
            self.config
                .algorithms
                .iter()
                .any(|known| known.as_str() == name)
        };
        if !allowed(&header.alg) {
            return Err(refused(
                "is signed with an algorithm that is not accepted (auth.oidc.algorithms)",
            ));
        }
        if header.crit.is_some() {
            return Err(refused("asks for extensions that are not known (crit)"));
        }
        let keys = self.keys.load_full().ok_or_else(|| {
            GatewayError::new(
                ErrorKind::Overloaded,
                "tokens can't be verified yet: the issuer's keys are not known; try again shortly",
            )
            .with_retry_after(FIRST_RETRY)
        })?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&self.config.audience);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        validation.leeway = self.config.skew.0.as_secs();
        let mut outcome = Err(refused(
            "is signed with a key that the issuer does not publish",
        ));
        for key in keys.jwks.candidates(header.kid.as_deref(), header.alg) {
            match jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation) {
                Ok(token) => return self.record_of(&token.claims),
                Err(error) => outcome = Err(told(&error)),
            }
        }
        outcome
    }

    /// Who the claims say the bearer is, and what it may spend.
    fn record_of(&self, claims: &Map<String, Value>) -> Result<KeyRecord, GatewayError> {
        let config = &self.config;
        let text = |name: &str| claim(claims, name).and_then(Value::as_str);
        let subject = text(&config.key_claim)
            .filter(|subject| !subject.is_empty() && subject.len() <= 256)
            .ok_or_else(|| refused("names no subject (auth.oidc.key_claim)"))?;
        let tenant = match (&config.tenant_claim, &config.tenant) {
            (Some(name), default) => text(name).or(default.as_deref()),
            (None, default) => default.as_deref(),
        };
        let tenant = tenant
            .filter(|tenant| !tenant.is_empty())
            .ok_or_else(|| refused("names no tenant (auth.oidc.tenant_claim)"))?;
        let unusable = crate::config::unusable_tenant(tenant).is_some();
        let listed = config.tenants.is_empty() || config.tenants.iter().any(|t| t == tenant);
        if unusable || !listed {
            return Err(refused(
                "names a tenant that is not allowed (auth.oidc.tenants)",
            ));
        }
        let number = |name: &Option<String>, default: Option<u32>| match name {
            None => Ok(default),
            Some(name) => match claim(claims, name) {
                None => Ok(default),
                Some(value) => value
                    .as_u64()
                    .and_then(|n| u32::try_from(n).ok())
                    .map(Some)
                    .ok_or_else(|| refused("has a limit that is not a whole number")),
            },
        };
        let exp = claims
            .get("exp")
            .and_then(Value::as_f64)
            .unwrap_or_default();
        // 2^40 seconds are 34,000 years: later than that never is.
        let exp = Duration::from_secs_f64(exp.clamp(0.0, 1_099_511_627_776.0));
        Ok(KeyRecord {
            id: subject_id(subject).into(),
            digest: [0; 32],
            tenant: tenant.into(),
            models: models(config, claims)?,
            requests_per_minute: number(
                &config.requests_per_minute_claim,
                config.requests_per_minute,
            )?,
            tokens_per_minute: number(&config.tokens_per_minute_claim, config.tokens_per_minute)?,
            expires: SystemTime::UNIX_EPOCH.checked_add(exp + config.skew.0),
            access_key: None,
        })
    }
}

impl Login for Oidc {
    fn record(&self, token: &str, now: SystemTime) -> Option<Result<Arc<KeyRecord>, GatewayError>> {
        if !is_token(token) {
            return None;
        }
        if token.len() > MAX_TOKEN {
            return Some(Err(refused("is longer than 16 KiB")));
        }
        let id: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(record) = self.verified.get(&id) {
            let expired = record.expires.is_some_and(|at| at <= now);
            return Some(match expired {
                true => Err(refused("has expired")),
                false => Ok(record),
            });
        }
        Some(self.verify(token).map(|record| {
            let record = Arc::new(record);
            self.verified.insert(id, record.clone());
            record
        }))
    }
}

/// The models that the bearer may use: those of its claim, else all. A claim with nothing in it
/// allows nothing.
fn models(config: &OidcConfig, claims: &Map<String, Value>) -> Result<Vec<String>, GatewayError> {
    let Some(value) = config
        .models_claim
        .as_ref()
        .and_then(|name| claim(claims, name))
    else {
        return Ok(Vec::new());
    };
    let models: Option<Vec<String>> = match value {
        // As scopes are written (RFC 6749, section 3.3).
        Value::String(text) => Some(text.split_whitespace().map(str::to_owned).collect()),
        Value::Array(items) => items
            .iter()
            .map(|m| m.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    };
    match models {
        Some(models) if !models.is_empty() => Ok(models),
        _ => Err(refused("allows no model (auth.oidc.models_claim)")),
    }
}

/// A claim by its name, or by a path of names: `realm_access.tenant`.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    // A name with dots, such as a URL, goes before a path.
    let found = claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        let mut at = claims.get(first)?;
        for step in rest.split('.') {
            at = at.get(step)?;
        }
        Some(at)
    });
    found.filter(|value| !value.is_null())
}

/// What a subject is called in logs and metrics: never taken for the id of a key.
fn subject_id(subject: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '|' | ':');
    let mut id = String::from("oidc:");
    if subject.len() <= 64 && subject.chars().all(plain) {
        id.push_str(subject);
    } else {
        id.push_str(&hex::encode(&Sha256::digest(subject.as_bytes())[..16]));
    }
    id
}

/// Three parts of base64url, the first of which begins a JSON object.
fn is_token(text: &str) -> bool {
    text.starts_with("ey") && text.bytes().filter(|b| *b == b'.').count() == 2
}

fn looks_like_token(text: &str) -> Option<Header> {
    (is_token(text) && text.len() <= MAX_TOKEN)
        .then(|| decode_header(text).ok())
        .flatten()
}

fn refused(why: &str) -> GatewayError {
    GatewayError::new(ErrorKind::InvalidKey, format!("the token {why}"))
}

fn told(error: &jsonwebtoken::errors::Error) -> GatewayError {
    use jsonwebtoken::errors::ErrorKind as Kind;
    refused(match error.kind() {
        Kind::ExpiredSignature => "has expired",
        Kind::ImmatureSignature => "is not valid yet",
        Kind::InvalidIssuer => "was issued by another issuer",
        Kind::InvalidAudience => "is for another audience",
        Kind::InvalidSignature => "has a signature that does not fit",
        Kind::MissingRequiredClaim(_) => "lacks one of the claims exp, iss and aud",
        Kind::InvalidClaimFormat(_) => "has a time that is not a number",
        _ => "can't be verified",
    })
}
