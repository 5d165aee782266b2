//! Plain hosts of WASI 0.3, such as `wasmtime serve -Scli -Skeyvalue -Sconfig`.

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

use forebay_gateway::store::{KeyValue, KeyValueError};
use wasip3::http::types::{ErrorCode, Request, Response};

use crate::wasi_http::{self, Host};
use generated::wasi::config::store as config;
use generated::wasi::keyvalue::store as keyvalue;

#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    dead_code,
    clippy::all,
    clippy::pedantic
)]
mod generated {
    wit_bindgen::generate!({
        path: "wit/wasi",
        world: "wasi-platform",
        generate_all,
    });
}

struct Plain;

impl Host for Plain {
    type Store = Bucket;

    async fn variable(name: &str) -> Option<String> {
        config::get(name).ok().flatten()
    }

    fn store() -> Bucket {
        Bucket(OnceCell::new())
    }
}

/// The host's default bucket. Its calls don't wait, so no limit of ours can cut them short.
struct Bucket(OnceCell<Rc<keyvalue::Bucket>>);

impl Bucket {
    fn open(&self) -> Result<Rc<keyvalue::Bucket>, KeyValueError> {
        if let Some(bucket) = self.0.get() {
            return Ok(bucket.clone());
        }
        let bucket = Rc::new(keyvalue::open("").map_err(explain)?);
        Ok(self.0.get_or_init(|| bucket).clone())
    }
}

impl KeyValue for Bucket {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.open()?.get(key).map_err(explain)
    }

    async fn set(&self, key: &str, value: Vec<u8>, _: Duration) -> Result<(), KeyValueError> {
        self.open()?.set(key, &value).map_err(explain)
    }

    async fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.open()?.delete(key).map_err(explain)
    }

    fn forgets(&self) -> bool {
        false
    }

    async fn sleep(&self, duration: Duration) {
        wasi_http::sleep(duration).await;
    }
}

fn explain(error: keyvalue::Error) -> KeyValueError {
    KeyValueError(match error {
        keyvalue::Error::NoSuchStore => "the host has no default key-value store".to_owned(),
        keyvalue::Error::AccessDenied => "the host denies its key-value store".to_owned(),
        keyvalue::Error::Other(why) => why,
    })
}

struct Component;
wasip3::http::service::export!(Component);

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        wasi_http::handle::<Plain>(request).await
    }
}
