//! `spin:variables@3.0.0` and `wasi:config/store`: the component's own variables, resolved at start.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::Result;
use wasmtime::component::{Accessor, HasData};

use crate::bindings::spin::variables::variables::{Error, Host, HostWithStore};
use crate::bindings::wasi::config::store;
use crate::error::StartError;
use crate::manifest::{Template, Values};

/// A component's variables. Never printed: any of them may be a secret.
#[derive(Clone)]
pub(crate) struct Variables(Arc<BTreeMap<String, String>>);

impl Variables {
    /// Resolves `[component.ID.variables]`.
    pub(crate) fn resolve(
        place: &str,
        templates: &BTreeMap<String, Template>,
        values: &Values,
    ) -> Result<Self, StartError> {
        let resolved = templates
            .iter()
            .map(|(name, template)| {
                let value = template
                    .resolve(values)
                    .map_err(|why| StartError::invalid(place, why))?;
                Ok((name.clone(), value))
            })
            .collect::<Result<_, StartError>>()?;
        Ok(Self(Arc::new(resolved)))
    }

    fn get(&self, name: &str) -> Result<String, Error> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || !name.chars().all(allowed) {
            return Err(Error::InvalidName(
                "a variable's name is lower case letters, digits and _".into(),
            ));
        }
        self.0.get(name).cloned().ok_or_else(|| {
            Error::Undefined(format!(
                "the component has no variable {name:?} in the manifest"
            ))
        })
    }
}

impl HasData for Variables {
    type Data<'a> = &'a Self;
}

impl Host for &Variables {}

impl<T> HostWithStore<T> for Variables {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<Result<String, Error>> {
        Ok(accessor.with(|mut access| access.get().get(&name)))
    }
}

/// As in Spin: a name that no variable can have is a key without a value.
impl store::Host for &Variables {
    fn get(&mut self, key: String) -> Result<Result<Option<String>, store::Error>> {
        Ok(Ok(Variables::get(self, &key).ok()))
    }

    fn get_all(&mut self) -> Result<Result<Vec<(String, String)>, store::Error>> {
        let all = self.0.iter();
        Ok(Ok(all
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()))
    }
}
