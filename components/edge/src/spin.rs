//! Spin 4.1 or newer: variables and the key-value store `default` of the manifest.

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

use forebay_gateway::store::{KeyValue, KeyValueError};
use spin_sdk::key_value::{Error, Store};
use spin_sdk::variables;
use wasip3::http::types::{ErrorCode, Request, Response};

use crate::wasi_http::{self, Host};

/// The label of the store in `key_value_stores`.
const LABEL: &str = "default";

struct Spin;

impl Host for Spin {
    type Store = Labelled;

    async fn variable(name: &str) -> Option<String> {
        variables::get(name).await.ok()
    }

    fn store() -> Labelled {
        Labelled(OnceCell::new())
    }
}

/// The store of that label, opened once an instance.
struct Labelled(OnceCell<Rc<Store>>);

impl Labelled {
    async fn open(&self) -> Result<Rc<Store>, KeyValueError> {
        if let Some(store) = self.0.get() {
            return Ok(store.clone());
        }
        let store = Rc::new(Store::open(LABEL).await.map_err(explain)?);
        Ok(self.0.get_or_init(|| store).clone())
    }
}

impl KeyValue for Labelled {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.open().await?.get(key).await.map_err(explain)
    }

    async fn set(&self, key: &str, value: Vec<u8>, _: Duration) -> Result<(), KeyValueError> {
        self.open().await?.set(key, value).await.map_err(explain)
    }

    async fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.open().await?.delete(key).await.map_err(explain)
    }

    fn forgets(&self) -> bool {
        false
    }

    async fn sleep(&self, duration: Duration) {
        wasi_http::sleep(duration).await;
    }
}

fn explain(error: Error) -> KeyValueError {
    KeyValueError(match error {
        Error::AccessDenied | Error::NoSuchStore => format!(
            "no key-value store `{LABEL}` is bound to this component (key_value_stores in spin.toml)"
        ),
        Error::StoreTableFull => "too many key-value stores are open".to_owned(),
        Error::Other(why) => why,
    })
}

struct Component;
wasip3::http::service::export!(Component);

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        wasi_http::handle::<Spin>(request).await
    }
}
