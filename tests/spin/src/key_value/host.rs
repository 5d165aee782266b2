//! The host side of the interface: every error is the guest's to handle, none ends the instance.

use std::sync::Arc;

use wasmtime::Result;
use wasmtime::component::{Accessor, FutureReader, HasData, Resource, ResourceTable, StreamReader};

use super::{OPEN_STORES, OpenStore, Store, Stores};
use crate::bindings::spin::key_value::key_value::{Error, Host, HostStore, HostStoreWithStore};

/// What an instance knows of stores.
#[derive(Debug)]
pub(crate) struct KeyValue {
    stores: Stores,
    allowed: Arc<[String]>,
    open: usize,
}

impl KeyValue {
    /// `allowed` are the labels of the manifest's key_value_stores.
    pub(crate) fn new(stores: Stores, allowed: Arc<[String]>) -> Self {
        Self {
            stores,
            allowed,
            open: 0,
        }
    }
}

/// What the interface works on.
pub(crate) struct KeyValueView<'a> {
    pub(crate) key_value: &'a mut KeyValue,
    pub(crate) table: &'a mut ResourceTable,
}

impl HasData for KeyValue {
    type Data<'a> = KeyValueView<'a>;
}

impl KeyValueView<'_> {
    fn open(&mut self, label: &str) -> Result<Result<Resource<OpenStore>, Error>> {
        if !self
            .key_value
            .allowed
            .iter()
            .any(|allowed| allowed == label)
        {
            tracing::warn!(
                store = label,
                "a component opened a store that it may not; to allow it add it to key_value_stores"
            );
            return Ok(Err(Error::AccessDenied));
        }
        let Some(store) = self.key_value.stores.get(label) else {
            return Ok(Err(Error::NoSuchStore));
        };
        if self.key_value.open >= OPEN_STORES {
            return Ok(Err(Error::StoreTableFull));
        }
        let opened = self.table.push(OpenStore(store))?;
        self.key_value.open += 1;
        Ok(Ok(opened))
    }

    fn store(&self, opened: &Resource<OpenStore>) -> Result<Arc<Store>> {
        Ok(self.table.get(opened)?.0.clone())
    }
}

fn store<T>(accessor: &Accessor<T, KeyValue>, opened: &Resource<OpenStore>) -> Result<Arc<Store>> {
    accessor.with(|mut access| access.get().store(opened))
}

impl Host for KeyValueView<'_> {}
impl HostStore for KeyValueView<'_> {}

impl<T> HostStoreWithStore<T> for KeyValue {
    async fn open(
        accessor: &Accessor<T, Self>,
        label: String,
    ) -> Result<Result<Resource<OpenStore>, Error>> {
        accessor.with(|mut access| access.get().open(&label))
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        opened: Resource<OpenStore>,
        key: String,
    ) -> Result<Result<Option<Vec<u8>>, Error>> {
        let store = store(accessor, &opened)?;
        Ok(store.get(&key).await.map_err(Error::Other))
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        opened: Resource<OpenStore>,
        key: String,
        value: Vec<u8>,
    ) -> Result<Result<(), Error>> {
        let store = store(accessor, &opened)?;
        Ok(store.set(&key, value).await.map_err(Error::Other))
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        opened: Resource<OpenStore>,
        key: String,
    ) -> Result<Result<(), Error>> {
        let store = store(accessor, &opened)?;
        Ok(store.delete(&key).await.map_err(Error::Other))
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        opened: Resource<OpenStore>,
        key: String,
    ) -> Result<Result<bool, Error>> {
        let store = store(accessor, &opened)?;
        Ok(store.exists(&key).await.map_err(Error::Other))
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        opened: Resource<OpenStore>,
    ) -> Result<(StreamReader<String>, FutureReader<Result<(), Error>>)> {
        let store = store(accessor, &opened)?;
        let (keys, result) = match store.keys().await {
            Ok(keys) => (keys, Ok(())),
            Err(why) => (Vec::new(), Err(Error::Other(why))),
        };
        accessor.with(|mut access| {
            let keys = StreamReader::new(&mut access, keys)?;
            let result =
                FutureReader::new(&mut access, async move { wasmtime::error::Ok(result) })?;
            Ok((keys, result))
        })
    }

    async fn drop(accessor: &Accessor<T, Self>, opened: Resource<OpenStore>) -> Result<()> {
        accessor.with(|mut access| {
            let view = access.get();
            view.table.delete(opened)?;
            view.key_value.open = view.key_value.open.saturating_sub(1);
            Ok(())
        })
    }
}
