//! What Oracle's dialect promises.
