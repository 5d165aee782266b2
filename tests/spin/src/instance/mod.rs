//! What one instance of a component has: its WASI, its stores, its variables, its way out.

mod life;
mod limits;
mod worker;

use std::sync::Arc;

use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

pub(crate) use self::life::{End, Life, Ticket, Waiting};
use self::limits::Limits;
pub(crate) use self::worker::{Reuse, Workers};
use crate::bindings::{spin, wasi};
use crate::key_value::{KeyValue, KeyValueView, Stores};
use crate::outbound::{AllowedHosts, Clients, Outbound};
use crate::variables::Variables;

/// What all instances of a component have in common.
pub(crate) struct Blueprint {
    pub(crate) id: Arc<str>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) allowed: AllowedHosts,
    pub(crate) labels: Arc<[String]>,
    pub(crate) variables: Variables,
    pub(crate) stores: Stores,
    pub(crate) clients: Clients,
    /// Bytes of memory an instance may have.
    pub(crate) memory: usize,
}

/// The data of an instance.
pub(crate) struct Guest {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: Outbound,
    key_value: KeyValue,
    variables: Variables,
    limits: Limits,
    life: Arc<Life>,
}

impl Blueprint {
    /// A new instance's data.
    fn guest(&self) -> Guest {
        let life = Arc::new(Life::default());
        let mut wasi = WasiCtx::builder();
        wasi.envs(&self.environment);
        // What a component prints goes to the log's place: stdout carries the ready line only.
        wasi.stdout(tokio::io::stderr());
        wasi.stderr(tokio::io::stderr());
        Guest {
            table: ResourceTable::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            outbound: Outbound {
                component: self.id.clone(),
                allowed: self.allowed.clone(),
                clients: self.clients.clone(),
                life: life.clone(),
            },
            key_value: KeyValue::new(self.stores.clone(), self.labels.clone()),
            variables: self.variables.clone(),
            limits: Limits::new(self.memory, life.clone()),
            life,
        }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.outbound,
        }
    }
}

/// Everything that a component may import.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    wasmtime_wasi::p3::add_to_linker(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)?;
    spin::key_value::key_value::add_to_linker::<_, KeyValue>(linker, |guest: &mut Guest| {
        KeyValueView {
            key_value: &mut guest.key_value,
            table: &mut guest.table,
        }
    })?;
    spin::variables::variables::add_to_linker::<_, Variables>(linker, |guest: &mut Guest| {
        &guest.variables
    })?;
    wasi::config::store::add_to_linker::<_, Variables>(linker, |guest: &mut Guest| &guest.variables)
}
