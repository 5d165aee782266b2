//! Forebay's prefix-cache policy.
