//! Login with tokens of an issuer: who comes in, as whom, and who does not.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::client::{get, http, post, whole};
use crate::support::upstream::Upstream;
use crate::support::{Host, TOKEN, chat, upstream_section};

/// An issuer with a key that can be replaced.
struct Issuer {
    url: String,
    keys: Arc<Mutex<Vec<(String, Ed25519KeyPair)>>>,
    fetched: Arc<AtomicU32>,
}

fn pair() -> Ed25519KeyPair {
    let bytes = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Ed25519KeyPair::from_pkcs8(bytes.as_ref()).unwrap()
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Issuer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(vec![("first".to_owned(), pair())]));
        let fetched = Arc::new(AtomicU32::new(0));
        let (served, count, issuer) = (keys.clone(), fetched.clone(), url.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (served, count, issuer) = (served.clone(), count.clone(), issuer.clone());
                let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let body = match request.uri().path() {
                        "/.well-known/openid-configuration" => {
                            json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") })
                        }
                        _ => {
                            count.fetch_add(1, SeqCst);
                            let keys = served.lock().unwrap();
                            let keys = keys.iter().map(|(id, key)| {
                                json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "use": "sig", "x": b64(key.public_key()) })
                            });
                            json!({ "keys": keys.collect::<Vec<_>>() })
                        }
                    };
                    let body = Full::new(bytes::Bytes::from(body.to_string()));
                    std::future::ready(Ok::<_, hyper::Error>(http::Response::new(body)))
                });
                tokio::spawn(async move {
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { url, keys, fetched }
    }

    fn config(&self, more: &str) -> String {
        format!(
            "\n[auth.oidc]\nissuer = \"{}\"\naudience = [\"forebay\"]\ntenant_claim = \"org.name\"\nrequests_per_minute_claim = \"rpm\"\nmodels_claim = \"models\"\n{more}\n",
            self.url
        )
    }

    fn claims(&self) -> Value {
        json!({ "iss": self.url, "aud": ["other", "forebay"], "sub": "alice", "exp": now() + 600, "org": { "name": "acme" } })
    }

    fn token(&self, claims: &Value) -> String {
        let keys = self.keys.lock().unwrap();
        let (id, key) = keys.last().unwrap();
        signed(&json!({ "alg": "EdDSA", "kid": id }), claims, key)
    }
}

fn signed(header: &Value, claims: &Value, key: &Ed25519KeyPair) -> String {
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let signature = key.sign(message.as_bytes());
    format!("{message}.{}", b64(signature))
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

async fn ask(host: &Host, token: &str) -> (u16, String) {
    let mut request = post(&host.url("/v1/chat/completions"), chat("hello", false));
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    whole(http().request(request).await.unwrap()).await
}

#[tokio::test]
async fn a_token_comes_in_as_its_claims_say() {
    let (issuer, upstream) = (Issuer::start().await, Upstream::start().await);
    let text = upstream_section(&upstream.url()) + &issuer.config("");
    let host = Host::start(&text).await;
    let claims = issuer.claims();
    let good = issuer.token(&claims);
    assert_eq!(ask(&host, &good).await.0, 200);
    assert_eq!(ask(&host, &good).await.0, 200, "once more, remembered");

    let mut request = get(&host.admin("/why?limit=1"));
    let admin = format!("Bearer {TOKEN}").parse().unwrap();
    request.headers_mut().insert("authorization", admin);
    let (_, told) = whole(http().request(request).await.unwrap()).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["requests"][0]["tenant"], "acme");
    assert_eq!(told["requests"][0]["key"], "oidc:alice");

    let bob = with(&with(&claims, "sub", json!("bob")), "rpm", json!(1));
    let limited = issuer.token(&bob);
    assert_eq!(ask(&host, &limited).await.0, 200);
    assert_eq!(ask(&host, &limited).await.0, 429, "its own limit");
    let other = issuer.token(&with(&claims, "models", json!("gpt-* claude-*")));
    assert_eq!(ask(&host, &other).await.0, 403, "its own models");
    assert_eq!(issuer.fetched.load(SeqCst), 1, "the keys were fetched once");
}

#[tokio::test]
async fn what_is_no_good_token_is_401_and_says_why() {
    let (issuer, upstream) = (Issuer::start().await, Upstream::start().await);
    let text = upstream_section(&upstream.url()) + &issuer.config("");
    let host = Host::start(&text).await;
    let claims = issuer.claims();
    let stranger = pair();
    let kid = json!({ "alg": "EdDSA", "kid": "first" });
    let none = format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(claims.to_string()));
    let unsigned = |alg: &str| {
        let header = json!({ "alg": alg, "kid": "first" });
        format!(
            "{}.{}.{}",
            b64(header.to_string()),
            b64(claims.to_string()),
            b64("x")
        )
    };
    let without = |name: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        issuer.token(&claims)
    };
    let critical = json!({ "alg": "EdDSA", "kid": "first", "crit": ["b64"] });
    let crit = {
        let keys = issuer.keys.lock().unwrap();
        signed(&critical, &claims, &keys[0].1)
    };
    let cases = [
        (none, "can be read"),
        (unsigned("HS256"), "algorithm"),
        (unsigned("ES256"), "key"),
        (unsigned("EdDSA"), "signature"),
        (signed(&kid, &claims, &stranger), "signature"),
        (
            signed(
                &json!({ "alg": "EdDSA", "kid": "made up" }),
                &claims,
                &stranger,
            ),
            "key",
        ),
        (
            signed(&json!({ "alg": "EdDSA" }), &claims, &stranger),
            "signature",
        ),
        (crit, "crit"),
        (
            issuer.token(&with(&claims, "exp", json!(now() - 120))),
            "expired",
        ),
        (
            issuer.token(&with(&claims, "exp", json!("tomorrow"))),
            "exp",
        ),
        (
            issuer.token(&with(&claims, "nbf", json!(now() + 600))),
            "not valid yet",
        ),
        (
            issuer.token(&with(&claims, "aud", json!("other"))),
            "audience",
        ),
        (
            issuer.token(&with(&claims, "iss", json!("https://evil.example"))),
            "issuer",
        ),
        (issuer.token(&with(&claims, "rpm", json!("many"))), "limit"),
        (
            issuer.token(&with(&claims, "org", json!({ "name": "a b" }))),
            "tenant",
        ),
        (issuer.token(&with(&claims, "models", json!([]))), "model"),
        (without("exp"), "claims"),
        (without("aud"), "claims"),
        (without("iss"), "claims"),
        (without("sub"), "subject"),
        (without("org"), "tenant"),
        (
            issuer.token(&with(&claims, "pad", json!("x".repeat(20_000)))),
            "16 KiB",
        ),
        ("fb-a-b".to_owned(), "key"),
    ];
    for (token, word) in cases {
        let (status, said) = ask(&host, &token).await;
        assert_eq!(status, 401, "{word}: {said}");
        assert!(said.contains(word), "{word}: {said}");
    }
    let (status, _) = whole(
        http()
            .request(post(&host.url("/v1/chat/completions"), chat("x", false)))
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(status, 401, "nobody comes in without a token");
    assert!(
        issuer.fetched.load(SeqCst) <= 2,
        "made-up key ids cost the issuer one fetch"
    );
}

#[tokio::test]
async fn a_new_key_of_the_issuer_is_taken_up_and_a_reload_keeps_what_is_known() {
    let (issuer, upstream) = (Issuer::start().await, Upstream::start().await);
    let text = upstream_section(&upstream.url()) + &issuer.config("");
    let host = Host::start(&text).await;
    let claims = issuer.claims();
    assert_eq!(ask(&host, &issuer.token(&claims)).await.0, 200);
    issuer
        .keys
        .lock()
        .unwrap()
        .push(("second".to_owned(), pair()));
    assert_eq!(ask(&host, &issuer.token(&claims)).await.0, 200);
    assert_eq!(issuer.fetched.load(SeqCst), 2);
    host.reload(&(text + "\n[log]\naccess = true\n"))
        .await
        .unwrap();
    assert_eq!(ask(&host, &issuer.token(&claims)).await.0, 200);
    assert_eq!(
        issuer.fetched.load(SeqCst),
        2,
        "known keys outlive a reload"
    );
}

#[tokio::test]
async fn tenants_that_are_not_listed_stay_out() {
    let (issuer, upstream) = (Issuer::start().await, Upstream::start().await);
    let text = upstream_section(&upstream.url())
        + &issuer.config("tenants = [\"acme\"]\ntenant = \"acme\"");
    let host = Host::start(&text).await;
    let claims = issuer.claims();
    assert_eq!(ask(&host, &issuer.token(&claims)).await.0, 200);
    let other = with(&claims, "org", json!({ "name": "globex" }));
    assert_eq!(ask(&host, &issuer.token(&other)).await.0, 401);
    let unnamed = with(&claims, "org", Value::Null);
    assert_eq!(
        ask(&host, &issuer.token(&unnamed)).await.0,
        200,
        "the default tenant"
    );
}
