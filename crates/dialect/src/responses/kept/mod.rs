//! Conversations that the gateway keeps for clients of OpenAI's responses: what a request refers
//! to, the request with all of it in its input, the answer under ids of the gateway's own, and
//! the list of a response's input.

mod asked;
mod ids;
mod list;
mod stamp;
mod state;
#[cfg(test)]
mod tests;

pub use asked::{Asked, Composed, compose, read};
pub use ids::{TOKEN, response_id};
pub use list::{Page, input_items};
pub use stamp::{Stamp, Stamped};
pub use state::{Item, State, token_of};
