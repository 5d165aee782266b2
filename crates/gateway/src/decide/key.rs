//! The name of an answer: two requests with the same one share an entry of the store, and a flight.

use forebay_dialect::Target;

use crate::identity::{Identity, KeyRecord, keyed};
use crate::policy::{CachePlan, Caller, Scope};
use crate::store::CacheKey;

/// All that an answer may depend on.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) identity: &'a Identity,
    pub(super) caller: &'a Caller,
    pub(super) target: &'a Target,
    /// Those of the client's dialect that go upstream and may change the answer.
    pub(super) headers: &'a str,
    pub(super) plan: &'a CachePlan,
    /// The policies' digest.
    pub(super) policy: &'a [u8; 32],
    /// The rules in force for the caller.
    pub(super) rules: &'a str,
}

/// HMAC under the tenant's secret: the tenant is in every key.
pub(super) fn of(named: &Named<'_>) -> CacheKey {
    // Field by field: a new one has to be put into the name or, with its reason, left out.
    let Named {
        identity,
        caller,
        target,
        headers,
        plan,
        policy,
        rules,
    } = *named;
    let Identity {
        key,
        // Residency and budget hold for all keys of a tenant; residency is checked with every hit.
        tenant: _,
        secret,
    } = identity;
    let KeyRecord {
        id,
        digest: _,
        tenant: _,
        // The model is in the plan's digest, and whether the key may use it is checked before.
        models: _,
        requests_per_minute: _,
        tokens_per_minute: _,
        expires: _,
        access_key: _,
    } = &**key;
    let Caller {
        // It has the secret.
        tenant: _,
        // Counts where the plan says so, and in the rules in force.
        key: _,
        // In the rules in force; the format says what is answered.
        route: _,
    } = caller;
    let Target {
        wire,
        // In the plan's digest.
        model: _,
        // A stream and a whole answer are made of each other.
        stream: _,
    } = target;
    let CachePlan {
        digest,
        scope,
        // What is done with the entry, and how upstreams are chosen and told of prefixes.
        lookup: _,
        store: _,
        why: _,
        freshness: _,
        chain: _,
        hints: _,
        inputs: _,
        breakpoints: _,
    } = plan;
    let (kind, of): (&[u8], &[u8]) = match scope {
        Scope::Tenant => (b"t", b"tenant"),
        Scope::Key => (b"k", id.as_bytes()),
    };
    CacheKey(keyed(
        &**secret,
        &[
            b"forebay cache key v3",
            kind,
            of,
            &[wire.code()],
            headers.as_bytes(),
            policy,
            rules.as_bytes(),
            digest,
        ],
    ))
}

/// The same where upstreams know the model by other names: an answer of the model that a name meant before a
/// reload is not one of the model that it means now.
pub(super) fn mapped(key: CacheKey, secret: &[u8; 32], names: &[&str]) -> CacheKey {
    if names.is_empty() {
        return key;
    }
    let mut parts: Vec<&[u8]> = vec![b"forebay mapped key", &key.0];
    parts.extend(names.iter().map(|name| name.as_bytes()));
    CacheKey(keyed(secret, &parts))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use forebay_dialect::Wire;

    use super::*;
    use crate::decide::no_plan;

    /// Everything that is in a name, as one value.
    #[derive(Clone)]
    struct Asked {
        identity: Identity,
        caller: Caller,
        target: Target,
        headers: String,
        plan: CachePlan,
        policy: [u8; 32],
        rules: String,
    }

    impl Asked {
        fn key(&self) -> CacheKey {
            of(&Named {
                identity: &self.identity,
                caller: &self.caller,
                target: &self.target,
                headers: &self.headers,
                plan: &self.plan,
                policy: &self.policy,
                rules: &self.rules,
            })
        }
    }

    fn asked() -> Asked {
        let key = KeyRecord {
            id: "k".into(),
            digest: [0; 32],
            tenant: "t".into(),
            models: vec![],
            requests_per_minute: None,
            tokens_per_minute: None,
            expires: None,
            access_key: None,
        };
        Asked {
            identity: Identity {
                key: Arc::new(key),
                tenant: Arc::default(),
                secret: Arc::new([1; 32]),
            },
            caller: Caller {
                tenant: "t".into(),
                key: "k".into(),
                route: "/v1/chat/completions",
            },
            target: Target::new(Wire::Chat),
            headers: String::new(),
            plan: no_plan(),
            policy: [0; 32],
            rules: String::new(),
        }
    }

    fn key_named(asked: &mut Asked, id: &str) {
        let key = KeyRecord {
            id: id.into(),
            ..(*asked.identity.key).clone()
        };
        asked.identity.key = Arc::new(key);
    }

    #[test]
    fn whatever_decides_about_an_answer_is_in_its_name() {
        type Change = fn(&mut Asked);
        let changes: [(&str, Change); 7] = [
            ("tenant", |a| a.identity.secret = Arc::new([2; 32])),
            ("format", |a| a.target.wire = Wire::Completions),
            ("headers", |a| a.headers = "openai-beta: x\n".into()),
            ("digest", |a| a.plan.digest = [3; 32]),
            ("scope", |a| a.plan.scope = Scope::Key),
            ("policy", |a| a.policy = [4; 32]),
            ("rules", |a| a.rules = "o".into()),
        ];
        let mut keys = vec![("nothing", asked().key())];
        for (what, change) in changes {
            let mut changed = asked();
            change(&mut changed);
            keys.push((what, changed.key()));
        }
        let mut own = asked();
        own.plan.scope = Scope::Key;
        key_named(&mut own, "l");
        keys.push(("another key where entries are a key's own", own.key()));
        for (i, (what, key)) in keys.iter().enumerate() {
            for (other, another) in &keys[..i] {
                assert_ne!(key, another, "{what} and {other} have one name");
            }
        }
    }

    #[test]
    fn the_models_that_a_name_means_are_in_it() {
        let key = asked().key();
        let secret = [1; 32];
        let named = |names: &[&str]| mapped(key, &secret, names);
        assert_eq!(named(&[]), key);
        assert_ne!(named(&["old"]), key);
        assert_ne!(named(&["old"]), named(&["new"]));
        assert_ne!(named(&["ab", "c"]), named(&["a", "bc"]));
    }

    #[test]
    fn what_does_not_decide_is_shared() {
        type Change = fn(&mut Asked);
        let changes: [(&str, Change); 3] = [
            ("key", |a| key_named(a, "l")),
            ("stream", |a| a.target.stream = Some(true)),
            ("directives of the plan", |a| a.plan.lookup = true),
        ];
        for (what, change) in changes {
            let mut changed = asked();
            change(&mut changed);
            assert_eq!(changed.key(), asked().key(), "{what}");
        }
    }
}
