//! What each format implements, and what it is given. It stands below the formats' own folders;
//! the table of formats ([`crate::formats`]) stands above them.

pub(crate) mod cache;
pub(crate) mod context;
pub(crate) mod embedding;
pub(crate) mod failure;
pub(crate) mod format;
pub(crate) mod mend;
pub(crate) mod place;
pub(crate) mod refusal;
pub(crate) mod signs;
pub(crate) mod status;
pub(crate) mod stream;
pub(crate) mod ways;
