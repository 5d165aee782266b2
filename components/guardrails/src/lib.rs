//! Forebay's guardrails policy.
