//! The API keys of the suite: fixed, so that a case can name one.

use forebay_tests::Key;

/// The identifiers and the tenants of all keys; what rules a tenant is under is in `forebay.toml`.
const KEYS: [(&str, &str, &str); 6] = [
    ("plain1", "plain", ""),
    ("plain2", "plain", ""),
    ("other1", "other", ""),
    ("masked1", "masked", ""),
    ("guarded1", "guarded", ""),
    ("bound1", "plain", "models = [\"allowed-*\"]\n"),
];

/// The whole key of an identifier; an identifier that is none gives a key that nobody knows.
pub fn text(id: &str) -> String {
    Key::named(id, "").text
}

/// The keys file.
pub fn file() -> String {
    KEYS.iter()
        .map(|(id, tenant, more)| Key::named(id, tenant).with(more).line())
        .collect()
}
