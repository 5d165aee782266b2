//! Files, batches, vector stores, containers and cached contents: what upstreams keep for a client. All tenants share an upstream's account, so
//! a name is bound to the tenant that made the thing: another's is a 404, and lists show a tenant
//! its own alone.

mod batch;
mod id;
mod list;
mod made;
mod names;
mod refer;
mod serve;
mod verb;
mod within;

pub(super) use batch::Lines;
pub(crate) use id::Thing;
pub(crate) use made::{makes_containers, own_containers};
pub(crate) use refer::{is_hidden, references, resolve};
pub(crate) use serve::{Request, adds_file, check_head, serve_object};
pub(crate) use verb::Verb;
