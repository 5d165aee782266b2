//! What a Spin manifest says, after everything that this host can't do has been refused by name.

mod routes;
mod schema;
mod template;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) use self::routes::{RouteMatch, Router};
use self::schema::{Dependency as RawDependency, Document, HttpTrigger, Inherit, TextOr};
pub(crate) use self::template::Template;
pub(crate) use self::variables::{Declared, Values};
use crate::error::StartError;

/// A manifest that can be served.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) variables: BTreeMap<String, Declared>,
    /// Route and component id, in the manifest's order.
    pub(crate) routes: Vec<(String, String)>,
    pub(crate) components: BTreeMap<String, Component>,
}

/// `[component.ID]`.
#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) source: PathBuf,
    pub(crate) variables: BTreeMap<String, Template>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) allowed_outbound_hosts: Vec<Template>,
    pub(crate) key_value_stores: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of `[component.ID.dependencies]`.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// The import or the package that it is for: `test:tool/tool@0.1.0`, `test:tool`.
    pub(crate) name: String,
    pub(crate) source: PathBuf,
    pub(crate) export: Option<String>,
    pub(crate) inherit: Vec<Capability>,
}

/// What a dependency may take over from the component that it is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capability {
    OutboundHosts,
    Environment,
    Files,
    KeyValueStores,
    Variables,
    /// What this host has not: named so that a manifest for Spin is not refused for it.
    Absent,
}

impl Capability {
    const ALL: [Self; 5] = [
        Self::OutboundHosts,
        Self::Environment,
        Self::Files,
        Self::KeyValueStores,
        Self::Variables,
    ];

    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "allowed_outbound_hosts" => Self::OutboundHosts,
            "environment" => Self::Environment,
            "files" => Self::Files,
            "key_value_stores" => Self::KeyValueStores,
            "variables" => Self::Variables,
            "ai_models" | "sqlite_databases" => Self::Absent,
            _ => return None,
        })
    }
}

impl Manifest {
    /// Reads and checks a manifest. Paths in it are relative to its folder.
    pub(crate) fn load(file: &Path) -> Result<Self, StartError> {
        let text = std::fs::read_to_string(file).map_err(|why| StartError::Read {
            what: "the Spin manifest".into(),
            path: file.to_owned(),
            why,
        })?;
        Self::parse(&text, file)
    }

    fn parse(text: &str, file: &Path) -> Result<Self, StartError> {
        let document: Document = toml::from_str(text).map_err(|error| StartError::Syntax {
            what: "Spin manifest (version 2)",
            path: file.to_owned(),
            detail: error.to_string(),
        })?;
        if document.spin_manifest_version != 2 {
            return Err(StartError::unsupported(
                "spin_manifest_version",
                format!("version {}", document.spin_manifest_version),
                "write a manifest of version 2",
            ));
        }
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        let mut manifest = Self {
            name: document.application.name,
            version: document.application.version,
            variables: BTreeMap::new(),
            routes: Vec::new(),
            components: BTreeMap::new(),
        };
        for (name, variable) in document.variables {
            let declared = Declared::new(&name, variable)?;
            manifest.variables.insert(name, declared);
        }
        let sources: BTreeMap<String, PathBuf> = document
            .component
            .iter()
            .map(|(id, component)| Ok((id.clone(), source(id, &component.source, &folder)?)))
            .collect::<Result<_, StartError>>()?;
        for (id, component) in document.component {
            let component = Component::new(&id, component, &sources, &folder)?;
            manifest.components.insert(id, component);
        }
        for trigger in document.trigger.http {
            manifest.routes.extend(trigger.route(&manifest.components)?);
        }
        if manifest.routes.is_empty() {
            return Err(StartError::invalid(
                "trigger.http",
                "no route leads to a component; add [[trigger.http]] with route and component",
            ));
        }
        Ok(manifest)
    }
}

impl HttpTrigger {
    fn route(
        self,
        components: &BTreeMap<String, Component>,
    ) -> Result<Option<(String, String)>, StartError> {
        let refuse =
            |what: &str, instead| Err(StartError::unsupported("trigger.http", what, instead));
        if self.static_response.is_some() {
            return refuse("static_response", "answer from a component");
        }
        if !self.dependencies.is_empty() || !self.components.is_empty() {
            return refuse("middleware", "compose it into the component");
        }
        if let Some(executor) = self.executor
            && executor.kind != "http"
        {
            return refuse(
                &format!("executor {:?}", executor.kind),
                "use type = \"http\"",
            );
        }
        let component = match self.component {
            Some(TextOr::Text(id)) => id,
            Some(TextOr::Table(_)) => {
                return refuse(
                    "a component written into the trigger",
                    "give it a [component.ID] table of its own",
                );
            }
            None => {
                return Err(StartError::invalid(
                    "trigger.http",
                    "a route needs `component`",
                ));
            }
        };
        if !components.contains_key(&component) {
            return Err(StartError::invalid(
                "trigger.http",
                format!("there is no [component.{component}]"),
            ));
        }
        match self.route {
            TextOr::Text(route) => Ok(Some((route, component))),
            TextOr::Table(private) if private.private => Ok(None),
            TextOr::Table(_) => Err(StartError::invalid(
                "trigger.http.route",
                "is a path or { private = true }",
            )),
        }
    }
}

impl Component {
    fn new(
        id: &str,
        raw: schema::Component,
        sources: &BTreeMap<String, PathBuf>,
        folder: &Path,
    ) -> Result<Self, StartError> {
        let place = |key: &str| format!("component.{id}.{key}");
        for (key, given) in [
            ("files", !raw.files.is_empty()),
            ("sqlite_databases", !raw.sqlite_databases.is_empty()),
            ("ai_models", !raw.ai_models.is_empty()),
        ] {
            if given {
                return Err(StartError::unsupported(
                    place(key),
                    key,
                    "remove it, or run the app on Spin itself",
                ));
            }
        }
        if !raw.allowed_http_hosts.is_empty() {
            return Err(StartError::unsupported(
                place("allowed_http_hosts"),
                "the deprecated allowed_http_hosts",
                "write allowed_outbound_hosts",
            ));
        }
        let template = |key: &str, text: String| {
            Template::parse(&text).map_err(|why| StartError::invalid(place(key), why))
        };
        let variables = raw
            .variables
            .into_iter()
            .map(|(name, text)| Ok((name, template("variables", text)?)))
            .collect::<Result<_, StartError>>()?;
        let allowed_outbound_hosts = raw
            .allowed_outbound_hosts
            .into_iter()
            .map(|text| template("allowed_outbound_hosts", text))
            .collect::<Result<_, StartError>>()?;
        let all = raw.dependencies_inherit_configuration.unwrap_or(false);
        let dependencies = raw
            .dependencies
            .into_iter()
            .map(|(name, dependency)| {
                let place = format!("component.{id}.dependencies.{name:?}");
                Dependency::new(name, dependency, &place, all, sources, folder)
            })
            .collect::<Result<_, StartError>>()?;
        Ok(Self {
            source: source(id, &raw.source, folder)?,
            variables,
            environment: raw.environment,
            allowed_outbound_hosts,
            key_value_stores: raw.key_value_stores,
            dependencies,
        })
    }
}

impl Dependency {
    fn new(
        name: String,
        raw: TextOr<RawDependency>,
        place: &str,
        inherit_all: bool,
        sources: &BTreeMap<String, PathBuf>,
        folder: &Path,
    ) -> Result<Self, StartError> {
        const INSTEAD: &str = "give the file with path = \"...\" or component = \"...\"";
        let raw = match raw {
            TextOr::Table(raw) => raw,
            TextOr::Text(_) => {
                return Err(StartError::unsupported(
                    place,
                    "a dependency from a registry",
                    INSTEAD,
                ));
            }
        };
        if raw.version.is_some() || raw.url.is_some() {
            return Err(StartError::unsupported(
                place,
                "a dependency from a registry or a URL",
                INSTEAD,
            ));
        }
        let source = match (raw.path, raw.component) {
            (Some(path), None) => folder.join(path),
            (None, Some(id)) => sources.get(&id).cloned().ok_or_else(|| {
                StartError::invalid(place, format!("there is no [component.{id}]"))
            })?,
            _ => {
                return Err(StartError::invalid(place, "needs either path or component"));
            }
        };
        let inherit = match raw.inherit_configuration {
            None if inherit_all => Capability::ALL.to_vec(),
            None | Some(Inherit::All(false)) => Vec::new(),
            Some(Inherit::All(true)) => Capability::ALL.to_vec(),
            Some(Inherit::Some(names)) => names
                .iter()
                .map(|name| {
                    Capability::from_name(name).ok_or_else(|| {
                        StartError::invalid(
                            place,
                            format!("inherit_configuration knows no {name:?}"),
                        )
                    })
                })
                .collect::<Result<_, StartError>>()?,
        };
        Ok(Self {
            name,
            source,
            export: raw.export,
            inherit,
        })
    }
}

fn source(id: &str, raw: &TextOr<toml::Table>, folder: &Path) -> Result<PathBuf, StartError> {
    match raw {
        TextOr::Text(path) => Ok(folder.join(path)),
        TextOr::Table(_) => Err(StartError::unsupported(
            format!("component.{id}.source"),
            "a source from a URL or a registry",
            "download it and give the file's path",
        )),
    }
}

#[cfg(test)]
mod tests;
