//! The sandbox against guests that behave, and guests that do not.
#![allow(clippy::unwrap_used, missing_docs)]

mod guests;
mod isolation;
mod limits;
mod loading;
