//! Which answers an upstream is asked for as streams: those that clients stream, and those whose
//! progress is to be seen although their clients don't.

use forebay_dialect::Request;
use forebay_dialect::canonical::Operation;

use super::{Outgoing, Upstream};
use crate::config::Progress;

/// Members of a request that some formats take only, or with other values, where nothing streams:
/// spoken answers have another encoding in a stream, and of several attempts the best is not known
/// before all have ended.
const WHOLE_ONLY: [&str; 3] = ["audio", "modalities", "best_of"];

impl Outgoing {
    /// Whether this upstream is asked for a stream.
    pub(super) fn streams(&self, upstream: &Upstream) -> bool {
        self.request.stream || self.folds(upstream)
    }

    /// Whether its stream is to become one body.
    pub(super) fn folds(&self, upstream: &Upstream) -> bool {
        let config = &upstream.config;
        config.progress == Progress::Stream
            && config.capabilities.streaming
            && !self.unread
            && !self.count
            && self.sent.is_none()
            && can_stream(&self.request)
    }
}

fn can_stream(request: &Request) -> bool {
    let only_whole = |name: &str| WHOLE_ONLY.contains(&name);
    !request.stream
        && request.wire().operation() != Operation::Embedding
        && !request
            .prompt
            .extra
            .iter()
            .any(|field| only_whole(&field.name))
}
