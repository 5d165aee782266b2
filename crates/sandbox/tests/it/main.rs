//! The sandbox against guests that behave, and guests that do not.

mod guests;
mod isolation;
mod limits;
mod loading;
