//! Takes out of a configured component what only `configure` ran: nothing calls that again.
//!
//! A function that no other export, no table and no start function leads to keeps its place and
//! type, and its body becomes a trap. Regular expressions are compiled by `configure`, so this is
//! two thirds of the guardrails' code.

use std::collections::HashSet;
use std::ops::Range;

use wasm_encoder::{CodeSection, Component, Function, Module, RawSection};
use wasmparser::{
    ElementItems, ExternalKind, FunctionBody, Operator, Parser, Payload, Result, TypeRef,
};

/// What a policy's core module calls the export `configure`.
const CONFIGURE: &str = "#configure";

/// The component without the code that is not needed once it is configured.
pub(crate) fn trim(component: &[u8]) -> Result<Vec<u8>> {
    let mut trimmed = Component::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload?;
        let own = depth == 0;
        let mut inner = Vec::new();
        match &payload {
            Payload::ModuleSection {
                unchecked_range, ..
            } => {
                depth += 1;
                if own {
                    inner = module(slice(component, unchecked_range.clone()))?;
                }
            }
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let (true, Some((id, range))) = (own, payload.as_section()) {
            let data = match inner.is_empty() {
                true => slice(component, range),
                false => &inner,
            };
            trimmed.section(&RawSection { id, data });
        }
    }
    Ok(trimmed.finish())
}

fn slice(bytes: &[u8], range: Range<u64>) -> &[u8] {
    let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    bytes
        .get(at(range.start)..at(range.end))
        .unwrap_or_default()
}

/// What leads where in a module.
#[derive(Default)]
struct Calls<'a> {
    /// Functions that are imported: they come first in the count.
    imported: u32,
    /// Where a call from outside, or through a table, may land.
    roots: Vec<u32>,
    bodies: Vec<FunctionBody<'a>>,
    configures: bool,
}

/// The module with the dead bodies replaced; itself where it has no export `configure`.
fn module(bytes: &[u8]) -> Result<Vec<u8>> {
    let calls = Calls::of(bytes)?;
    if !calls.configures {
        return Ok(bytes.to_vec());
    }
    let live = calls.live()?;
    let mut trimmed = Module::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        let Some((id, range)) = payload.as_section() else {
            continue;
        };
        if !matches!(payload, Payload::CodeSectionStart { .. }) {
            trimmed.section(&RawSection {
                id,
                data: slice(bytes, range),
            });
            continue;
        }
        let mut code = CodeSection::new();
        for (index, body) in (calls.imported..).zip(&calls.bodies) {
            if live.contains(&index) {
                code.raw(slice(bytes, body.range()));
            } else {
                let mut trap = Function::new([]);
                trap.instructions().unreachable().end();
                code.function(&trap);
            }
        }
        trimmed.section(&code);
    }
    Ok(trimmed.finish())
}

impl<'a> Calls<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self> {
        let mut calls = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        if matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
                            calls.imported += 1;
                        }
                    }
                }
                Payload::GlobalSection(globals) => {
                    for global in globals {
                        let reader = global?.init_expr.get_operators_reader();
                        for operator in reader {
                            calls.roots.extend(named(&operator?));
                        }
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        if export.name.ends_with(CONFIGURE) {
                            calls.configures = true;
                        } else if matches!(
                            export.kind,
                            ExternalKind::Func | ExternalKind::FuncExact
                        ) {
                            calls.roots.push(export.index);
                        }
                    }
                }
                Payload::StartSection { func, .. } => calls.roots.push(func),
                Payload::ElementSection(elements) => {
                    for element in elements {
                        calls.roots.extend(listed(element?.items)?);
                    }
                }
                Payload::CodeSectionEntry(body) => calls.bodies.push(body),
                _ => {}
            }
        }
        Ok(calls)
    }

    /// All functions that may still run.
    fn live(&self) -> Result<HashSet<u32>> {
        let mut live = HashSet::new();
        let mut found = self.roots.clone();
        while let Some(function) = found.pop() {
            if !live.insert(function) {
                continue;
            }
            let body = function
                .checked_sub(self.imported)
                .and_then(|at| self.bodies.get(at as usize));
            for operator in body
                .map(FunctionBody::get_operators_reader)
                .transpose()?
                .into_iter()
                .flatten()
            {
                found.extend(named(&operator?));
            }
        }
        Ok(live)
    }
}

/// The function that an instruction names.
fn named(operator: &Operator<'_>) -> Option<u32> {
    match operator {
        Operator::Call { function_index }
        | Operator::ReturnCall { function_index }
        | Operator::RefFunc { function_index } => Some(*function_index),
        _ => None,
    }
}

/// The functions that a table is filled with.
fn listed(items: ElementItems<'_>) -> Result<Vec<u32>> {
    match items {
        ElementItems::Functions(functions) => functions.into_iter().collect(),
        ElementItems::Expressions(_, expressions) => {
            let mut all = Vec::new();
            for expression in expressions {
                for operator in expression?.get_operators_reader() {
                    all.extend(named(&operator?));
                }
            }
            Ok(all)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &str = r#"
        (component (core module
            (import "host" "log" (func $log))
            (table 1 funcref)
            (elem (i32.const 0) $listed)
            (func $only_configure (call $log))
            (func $shared (call $log))
            (func $listed)
            (func (export "a:b/c#configure") (call $only_configure) (call $shared))
            (func (export "a:b/c#check") (call $shared))))"#;

    /// Which bodies of a module are nothing but a trap.
    fn traps(module: &[u8]) -> Vec<bool> {
        let calls = Calls::of(module).unwrap();
        let first = calls.bodies.iter().map(|body| {
            let read = body.get_operators_reader().unwrap().read().unwrap();
            matches!(read, Operator::Unreachable)
        });
        first.collect()
    }

    #[test]
    fn what_only_configure_reaches_becomes_a_trap() {
        let bytes = wat::parse_str(COMPONENT).unwrap();
        let trimmed = trim(&bytes).unwrap();
        assert!(trimmed.len() < bytes.len());
        let of = |component: &[u8]| {
            Parser::new(0)
                .parse_all(component)
                .find_map(|payload| match payload.unwrap() {
                    Payload::ModuleSection {
                        unchecked_range, ..
                    } => Some(traps(slice(component, unchecked_range))),
                    _ => None,
                })
                .unwrap()
        };
        assert_eq!(of(&bytes), [false; 5]);
        assert_eq!(of(&trimmed), [true, false, false, true, false]);
        // Twice is once.
        assert_eq!(trim(&trimmed).unwrap(), trimmed);
    }

    #[test]
    fn a_component_without_configure_stays_as_it_is() {
        let bytes = wat::parse_str(
            r#"(component (core module (func) (func (export "run") unreachable)) (component))"#,
        );
        let bytes = bytes.unwrap();
        assert_eq!(trim(&bytes).unwrap(), bytes);
    }
}
