//! What can be done with a thing that an upstream keeps, and which endpoint makes one.

use http::Method;

use super::id::Thing;
use crate::through::table::{self, Passage};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Make one.
    Create,
    /// Tell all.
    List,
    /// Tell one.
    Get,
    /// What is in one.
    Content,
    /// Change one.
    Update,
    /// Change one, as Google asks for it.
    Patch,
    /// Take one away.
    Delete,
    /// Stop one.
    Cancel,
}

impl Verb {
    /// How it is asked.
    pub(crate) fn method(self) -> Method {
        match self {
            Verb::Create | Verb::Update | Verb::Cancel => Method::POST,
            Verb::Patch => Method::PATCH,
            Verb::List | Verb::Get | Verb::Content => Method::GET,
            Verb::Delete => Method::DELETE,
        }
    }

    /// What its path has behind the name.
    pub(super) fn behind(self) -> &'static str {
        match self {
            Verb::Content => "/content",
            Verb::Cancel => "/cancel",
            _ => "",
        }
    }
}

impl Thing {
    /// The endpoint that makes one.
    pub(crate) fn passage(self) -> &'static Passage {
        match self {
            Thing::File => &table::FILES,
            Thing::Batch => &table::BATCHES,
            Thing::VectorStore => &table::VECTOR_STORES,
            Thing::Container => &table::CONTAINERS,
            Thing::CachedContent => &table::CACHED_CONTENTS,
        }
    }

    /// Whether an endpoint makes something that is kept.
    pub(crate) fn keeps(passage: &Passage) -> bool {
        let mut things = Self::ALL.into_iter();
        things.any(|thing| thing.passage().name == passage.name)
    }
}
