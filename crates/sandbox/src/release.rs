//! The component that tells an edge what it runs: the policies' digest and the gateway's settings.

use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, CodeSection, Component,
    ComponentAliasSection, ComponentExportKind, ComponentExportSection, ComponentInstanceSection,
    ComponentTypeSection, ConstExpr, DataSection, ExportKind, ExportSection, Function,
    FunctionSection, InstanceSection, MemorySection, MemoryType, Module, ModuleArg, ModuleSection,
    PrimitiveValType, TypeSection, ValType,
};

use crate::compose::interface;
use crate::error::LoadError;

/// Where the texts begin: behind the two results.
const TEXTS: usize = 32;

/// The functions of the interface, and where in memory the result of each is.
const FUNCTIONS: [(&str, i32); 2] = [("digest", 0), ("settings", 8)];

/// The size of a page of memory.
const PAGE: usize = 65_536;

/// A component that exports `forebay:release/release@0.2.0` and imports nothing.
///
/// # Errors
///
/// [`LoadError::Compose`] when the texts don't fit a guest's memory.
pub fn release(digest: &[u8; 32], settings: &str) -> Result<Vec<u8>, LoadError> {
    let digest = hex::encode(digest);
    let settings_at = TEXTS + digest.len();
    let number = |n: usize| {
        u32::try_from(n).map_err(|e| LoadError::Compose {
            detail: format!("release: {e}"),
        })
    };
    // A string's result is its address and its length, both little-endian.
    let mut results = Vec::with_capacity(16);
    for n in [TEXTS, digest.len(), settings_at, settings.len()] {
        results.extend_from_slice(&number(n)?.to_le_bytes());
    }
    let texts = format!("{digest}{settings}");
    let pages = number((TEXTS + texts.len()).div_ceil(PAGE))?;
    Ok(component(&module(&results, texts.as_bytes(), pages)))
}

/// A core module that holds the texts and gives the address of each result.
fn module(results: &[u8], texts: &[u8], pages: u32) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    let mut functions = FunctionSection::new();
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: u64::from(pages),
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    let mut code = CodeSection::new();
    for (index, (name, result)) in (0..).zip(FUNCTIONS) {
        functions.function(0);
        exports.export(name, ExportKind::Func, index);
        let mut function = Function::new([]);
        function.instructions().i32_const(result).end();
        code.function(&function);
    }
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(0), results.iter().copied());
    // TEXTS is 32.
    let texts_at = ConstExpr::i32_const(TEXTS as i32);
    data.active(0, &texts_at, texts.iter().copied());
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&memories)
        .section(&exports)
        .section(&code)
        .section(&data);
    module
}

/// The module's functions, each lifted to one that returns a string. Each index space counts from 0.
fn component(module: &Module) -> Vec<u8> {
    let mut instances = InstanceSection::new();
    instances.instantiate(0, <[(&str, ModuleArg); 0]>::default());
    let mut aliases = ComponentAliasSection::new();
    aliases.alias(export_of_core("memory", ExportKind::Memory));
    let mut types = ComponentTypeSection::new();
    types
        .function()
        .params(<[(&str, PrimitiveValType); 0]>::default())
        .result(Some(PrimitiveValType::String.into()));
    let mut lifted = CanonicalFunctionSection::new();
    let mut functions = Vec::with_capacity(FUNCTIONS.len());
    for (index, (name, _)) in (0..).zip(FUNCTIONS) {
        aliases.alias(export_of_core(name, ExportKind::Func));
        lifted.lift(index, 0, [CanonicalOption::Memory(0)]);
        functions.push((name, ComponentExportKind::Func, index));
    }
    let mut interfaces = ComponentInstanceSection::new();
    interfaces.export_items(functions);
    let mut exports = ComponentExportSection::new();
    let name = interface("release");
    exports.export(name.as_str(), ComponentExportKind::Instance, 0, None);
    let mut component = Component::new();
    component
        .section(&ModuleSection(module))
        .section(&instances)
        .section(&aliases)
        .section(&types)
        .section(&lifted)
        .section(&interfaces)
        .section(&exports);
    component.finish()
}

fn export_of_core(name: &str, kind: ExportKind) -> Alias<'_> {
    Alias::CoreInstanceExport {
        instance: 0,
        kind,
        name,
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::component::{Component, Linker};
    use wasmtime::{Engine, Store};

    use super::*;

    /// What both functions of a release return.
    fn read(bytes: &[u8]) -> (String, String) {
        let engine = Engine::default();
        let component = Component::new(&engine, bytes).unwrap();
        let mut store = Store::new(&engine, ());
        let linker = Linker::new(&engine);
        let instance = linker.instantiate(&mut store, &component).unwrap();
        let interface = instance.get_export_index(&mut store, None, &interface("release"));
        let mut call = |name: &str| {
            let function = instance.get_export_index(&mut store, interface.as_ref(), name);
            let function = instance
                .get_typed_func::<(), (String,)>(&mut store, function.unwrap())
                .unwrap();
            function.call(&mut store, ()).unwrap().0
        };
        (call("digest"), call("settings"))
    }

    #[test]
    fn a_release_returns_its_digest_and_settings() {
        // Some that fit a page, some that end with one, and some that need more.
        for length in [0, 1, PAGE - TEXTS - 64, PAGE - TEXTS - 63, 3 * PAGE] {
            let settings = "\"é\u{0}\\ "
                .chars()
                .cycle()
                .take(length)
                .collect::<String>();
            let component = release(&[0xab; 32], &settings).unwrap();
            assert_eq!(read(&component), ("ab".repeat(32), settings), "{length}");
        }
    }
}
