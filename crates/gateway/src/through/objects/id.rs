//! Names of what upstreams keep, as clients see them: an upstream and its own name for the thing,
//! bound to the tenant that made it. Nothing has to be remembered.

use subtle::ConstantTimeEq as _;

use crate::enter::identity::keyed;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    /// A file.
    File,
    /// A batch of requests.
    Batch,
    /// Files that can be searched.
    VectorStore,
    /// Where a model's code runs.
    Container,
    /// The beginning of a prompt that Gemini keeps.
    CachedContent,
}

/// Bytes of the proof: a forger would have to guess 128 bits.
const PROOF: usize = 16;
/// The longest name that is opened: an upstream's name and id of 256 bytes each.
const MAX_ID: usize = 1200;

impl Thing {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [
        Self::File,
        Self::Batch,
        Self::VectorStore,
        Self::Container,
        Self::CachedContent,
    ];

    /// What stands before every sealed name, to find them in bodies.
    pub(super) const fn before(self) -> &'static str {
        match self {
            Thing::File => "file-fb",
            Thing::Batch => "batch_fb",
            Thing::VectorStore => "vs_fb",
            Thing::Container => "cntr_fb",
            Thing::CachedContent => "cachedContents/fb",
        }
    }

    /// What clients call it.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Thing::File => "File",
            Thing::Batch => "Batch",
            Thing::VectorStore => "Vector store",
            Thing::Container => "Container",
            Thing::CachedContent => "CachedContent",
        }
    }

    fn domain(self) -> &'static [u8] {
        match self {
            Thing::File => b"forebay file id v1",
            Thing::Batch => b"forebay batch id v1",
            Thing::VectorStore => b"forebay vector store id v1",
            Thing::Container => b"forebay container id v1",
            Thing::CachedContent => b"forebay cached content id v1",
        }
    }
}

/// The name that the tenant with this secret gets for an upstream's own.
pub(super) fn seal(secret: &[u8; 32], thing: Thing, upstream: &str, own: &str) -> String {
    let mut out = Vec::with_capacity(upstream.len() + own.len() + PROOF + 1);
    // Names of upstreams are the operator's, and short.
    let length = u8::try_from(upstream.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend_from_slice(&upstream.as_bytes()[..usize::from(length).min(upstream.len())]);
    out.extend_from_slice(own.as_bytes());
    out.extend_from_slice(&proof(secret, thing, upstream, own));
    format!("{}{}", thing.before(), hex::encode(out))
}

/// The upstream and its own name, where this is a name that the tenant was given.
pub(super) fn open(secret: &[u8; 32], thing: Thing, name: &str) -> Option<(String, String)> {
    if name.len() > MAX_ID {
        return None;
    }
    let bytes = hex::decode(name.strip_prefix(thing.before())?).ok()?;
    let (length, rest) = bytes.split_first()?;
    let (upstream, rest) = rest.split_at_checked(usize::from(*length))?;
    let (own, told) = rest.split_at_checked(rest.len().checked_sub(PROOF)?)?;
    let upstream = std::str::from_utf8(upstream).ok()?;
    let own = std::str::from_utf8(own).ok()?;
    let proof = proof(secret, thing, upstream, own);
    bool::from(proof[..].ct_eq(told)).then(|| (upstream.to_owned(), own.to_owned()))
}

fn proof(secret: &[u8; 32], thing: Thing, upstream: &str, own: &str) -> [u8; PROOF] {
    let whole = keyed(
        secret,
        &[thing.domain(), upstream.as_bytes(), own.as_bytes()],
    );
    let mut out = [0; PROOF];
    out.copy_from_slice(&whole[..PROOF]);
    out
}

/// The thing, its upstream and its own name there, where this is any name that the tenant was given.
pub(super) fn open_any(secret: &[u8; 32], name: &str) -> Option<(Thing, String, String)> {
    let mut things = Thing::ALL.into_iter();
    let thing = things.find(|thing| name.starts_with(thing.before()))?;
    let (upstream, own) = open(secret, thing, name)?;
    Some((thing, upstream, own))
}

/// The mark that the tenant's things carry at upstreams, so that lists can tell them.
pub(super) fn mark(secret: &[u8; 32]) -> String {
    hex::encode(&keyed(secret, &[b"forebay mark v1"])[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_opens_for_its_tenant_alone() {
        let (mine, theirs) = ([1; 32], [2; 32]);
        let name = seal(&mine, Thing::File, "openai", "file-abc");
        assert!(name.starts_with("file-fb"));
        let opened = Some(("openai".to_owned(), "file-abc".to_owned()));
        assert_eq!(open(&mine, Thing::File, &name), opened);
        assert_eq!(open(&theirs, Thing::File, &name), None);
        let batch = name.replace("file-", "batch_");
        assert_eq!(open(&mine, Thing::Batch, &batch), None);
        for at in "file-fb".len()..name.len() {
            let mut other = name.clone().into_bytes();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(open(&mine, Thing::File, &other), None, "{at}");
        }
        for odd in [
            "",
            "file-fb",
            "file-fbzz",
            "file-fbff",
            "file-abc",
            &"f".repeat(9999),
        ] {
            assert_eq!(open(&mine, Thing::File, odd), None);
        }
    }
}
