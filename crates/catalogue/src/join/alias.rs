//! Aliases: each leads to a model, by way of no more than every other alias.

use super::{Join, Seen};
use crate::names::ModelName;
use crate::problem::{Fault, nearest};
use crate::read::AliasDraft;

impl Join<'_> {
    /// Takes the aliases, and follows all there are to their ends.
    pub(super) fn aliases(&mut self, drafts: Vec<AliasDraft>) {
        let mut seen = Seen::new("alias");
        let mut new = Vec::new();
        for draft in drafts {
            if seen.first(&draft.alias, draft.alias.it.as_str(), self) {
                let (alias, target) = (draft.alias.it.clone(), draft.target.clone());
                self.catalogue.aliases.insert(alias, target);
                new.push(draft);
            }
        }
        for draft in &new {
            let alias = &draft.alias.it;
            let fault = match self.follow(alias) {
                _ if self.catalogue.models.contains_key(alias) => Some(Fault::AliasIsModel {
                    alias: alias.to_string(),
                }),
                Err(fault) => Some(fault),
                Ok(_) => None,
            };
            if let Some(fault) = fault {
                self.report(&draft.alias, fault);
            }
        }
        let names: Vec<_> = self.catalogue.aliases.keys().cloned().collect();
        self.catalogue.ends = names
            .into_iter()
            .filter_map(|alias| self.follow(&alias).ok().map(|end| (alias, end)))
            .collect();
    }

    /// The model at the end of an alias.
    fn follow(&self, alias: &ModelName) -> Result<ModelName, Fault> {
        let mut path = vec![alias.as_str()];
        loop {
            let here = path.last().copied().unwrap_or_default();
            let Some(target) = self.catalogue.aliases.get(here) else {
                return Err(self.to_nothing(&path));
            };
            if let Some((model, _)) = self.catalogue.models.get_key_value(target.as_str()) {
                return Ok(model.clone());
            }
            let again = path.contains(&target.as_str());
            path.push(target);
            if again {
                return Err(Fault::AliasCycle {
                    alias: alias.to_string(),
                    path: path.join(" -> "),
                });
            }
        }
    }

    /// The last step of a path led to nothing.
    fn to_nothing(&self, path: &[&str]) -> Fault {
        let (target, alias) = match path {
            [.., alias, target] => (*target, *alias),
            _ => ("", ""),
        };
        let names = self.catalogue.models.keys().map(ModelName::as_str);
        Fault::AliasToNothing {
            alias: alias.to_owned(),
            target: target.to_owned(),
            nearest: nearest(target, names),
        }
    }
}
