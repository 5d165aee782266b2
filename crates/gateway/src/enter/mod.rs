//! The door: what a request says about itself before its body is read, who sends it, and what
//! it may spend.

pub(crate) mod charge;
pub(crate) mod form;
pub mod headers;
pub mod identity;
pub(crate) mod ingress;
pub(crate) mod limits;
mod routes;
pub mod signed;
pub(crate) mod ticket;
