//! What Cohere's dialect promises.
