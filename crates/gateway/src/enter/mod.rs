//! The door: what a request says about itself before its body is read, who sends it, and what
//! it may spend.

pub(crate) mod charge;
pub mod headers;
pub mod identity;
pub(crate) mod ingress;
pub(crate) mod limits;
pub(crate) mod ticket;
