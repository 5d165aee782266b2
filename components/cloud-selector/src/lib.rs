//! Forebay's cloud-selector policy.
