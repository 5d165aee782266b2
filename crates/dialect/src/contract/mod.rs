//! What each format implements, and what it is given. It stands below the formats' own folders;
//! the table of formats ([`crate::formats`]) stands above them.

pub(crate) mod context;
pub(crate) mod failure;
pub(crate) mod format;
pub(crate) mod refusal;
pub(crate) mod status;
pub(crate) mod stream;
