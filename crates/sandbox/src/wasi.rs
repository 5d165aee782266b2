//! WASI as policies get it: a world where nothing happens and nothing changes.
//!
//! A language's runtime imports clocks, randomness, an environment and streams whether a
//! policy uses them or not. They are linked to stubs that answer the same to everybody:
//! a clock that stands still, one fixed series of random numbers, no environment, no
//! arguments, no files, streams that are closed. Everything else is a trap with its name.
//! The stubs are untyped, so that they serve every 0.2 version of WASI alike.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, Linker, LinkerInstance, Resource, ResourceAny, ResourceType, Val,
};
use wasmtime::{AsContextMut, Engine, Result, StoreContextMut};

use crate::guest::{Guest, Stop};

/// What a handle to any WASI resource refers to: nothing.
struct Nothing;

/// The most random bytes one call gives: as much as runtimes ask for at once.
const RANDOM_BYTES: u64 = 64 << 10;

/// A linker that satisfies every import of `component`.
pub(crate) fn linker(engine: &Engine, component: &Component) -> Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    for (name, import) in component.component_type().imports(engine) {
        match import.ty {
            ComponentItem::ComponentInstance(instance) => {
                let mut scope = linker.instance(name)?;
                for (item, ty) in instance.exports(engine) {
                    define(&mut scope, name, item, &ty.ty)?;
                }
            }
            other => define(&mut linker.root(), "", name, &other)?,
        }
    }
    Ok(linker)
}

fn define(
    scope: &mut LinkerInstance<'_, Guest>,
    interface: &str,
    item: &str,
    ty: &ComponentItem,
) -> Result<()> {
    match ty {
        ComponentItem::ComponentFunc(_) => {
            // `wasi:cli/environment@0.2.6` and `get-environment` make one name without a version.
            let interface = interface.split('@').next().unwrap_or_default();
            let name = format!("{interface}#{item}");
            match stub(&name) {
                Some(answer) => scope.func_new(item, move |mut store, _, args, results| {
                    if let Some(slot) = results.first_mut() {
                        *slot = answer(store.as_context_mut(), args)?;
                    }
                    args.iter().try_for_each(|arg| release(&mut store, arg))
                }),
                None => scope.func_new(item, move |_, _, _, _| {
                    Err(Stop::Import(name.clone()).into())
                }),
            }
        }
        ComponentItem::Resource(_) => {
            scope.resource(item, ResourceType::host::<Nothing>(), |_, _| Ok(()))
        }
        // Types need no definition; what else there may be is for `instantiate_pre` to refuse.
        _ => Ok(()),
    }
}

type Stub = fn(StoreContextMut<'_, Guest>, &[Val]) -> Result<Val>;

fn stub(name: &str) -> Option<Stub> {
    Some(match name {
        "wasi:cli/environment#get-environment"
        | "wasi:cli/environment#get-arguments"
        | "wasi:filesystem/preopens#get-directories" => |_, _| Ok(Val::List(Vec::new())),
        "wasi:cli/environment#initial-cwd"
        | "wasi:cli/terminal-stdin#get-terminal-stdin"
        | "wasi:cli/terminal-stdout#get-terminal-stdout"
        | "wasi:cli/terminal-stderr#get-terminal-stderr"
        | "wasi:filesystem/types#filesystem-error-code" => |_, _| Ok(Val::Option(None)),
        "wasi:cli/stdin#get-stdin"
        | "wasi:cli/stdout#get-stdout"
        | "wasi:cli/stderr#get-stderr"
        | "wasi:io/streams#[method]input-stream.subscribe"
        | "wasi:io/streams#[method]output-stream.subscribe"
        | "wasi:clocks/monotonic-clock#subscribe-instant"
        | "wasi:clocks/monotonic-clock#subscribe-duration" => |store, _| handle(store),
        "wasi:io/streams#[method]input-stream.read"
        | "wasi:io/streams#[method]input-stream.blocking-read"
        | "wasi:io/streams#[method]input-stream.skip"
        | "wasi:io/streams#[method]input-stream.blocking-skip"
        | "wasi:io/streams#[method]output-stream.check-write"
        | "wasi:io/streams#[method]output-stream.write"
        | "wasi:io/streams#[method]output-stream.blocking-write-and-flush"
        | "wasi:io/streams#[method]output-stream.flush"
        | "wasi:io/streams#[method]output-stream.blocking-flush"
        | "wasi:io/streams#[method]output-stream.write-zeroes"
        | "wasi:io/streams#[method]output-stream.blocking-write-zeroes-and-flush"
        | "wasi:io/streams#[method]output-stream.splice"
        | "wasi:io/streams#[method]output-stream.blocking-splice" => |_, _| {
            Ok(Val::Result(Err(Some(Box::new(Val::Variant(
                "closed".into(),
                None,
            ))))))
        },
        "wasi:io/poll#[method]pollable.ready" => |_, _| Ok(Val::Bool(true)),
        "wasi:io/poll#[method]pollable.block" => |_, _| Ok(Val::Bool(true)),
        "wasi:io/poll#poll" => |_, args| {
            let polled = match args.first() {
                Some(Val::List(list)) => list.len(),
                _ => 0,
            };
            Ok(Val::List((0..polled).map(|i| Val::U32(i as u32)).collect()))
        },
        "wasi:clocks/monotonic-clock#now" => |_, _| Ok(Val::U64(0)),
        "wasi:clocks/monotonic-clock#resolution" => |_, _| Ok(Val::U64(1)),
        "wasi:clocks/wall-clock#now" => |_, _| Ok(datetime(0)),
        "wasi:clocks/wall-clock#resolution" => |_, _| Ok(datetime(1)),
        "wasi:random/random#get-random-bytes"
        | "wasi:random/insecure#get-insecure-random-bytes" => |mut store, args| {
            let count = match args.first() {
                Some(Val::U64(count)) if *count <= RANDOM_BYTES => *count,
                _ => return Err(Stop::Memory.into()),
            };
            let guest = store.data_mut();
            Ok(Val::List(
                (0..count).map(|_| Val::U8(draw(guest) as u8)).collect(),
            ))
        },
        "wasi:random/random#get-random-u64" | "wasi:random/insecure#get-insecure-random-u64" => {
            |mut store, _| Ok(Val::U64(draw(store.data_mut())))
        }
        "wasi:random/insecure-seed#insecure-seed"
        | "wasi:random/insecure-seed#get-insecure-seed" => |mut store, _| {
            let guest = store.data_mut();
            Ok(Val::Tuple(vec![
                Val::U64(draw(guest)),
                Val::U64(draw(guest)),
            ]))
        },
        _ => return None,
    })
}

fn handle(mut store: StoreContextMut<'_, Guest>) -> Result<Val> {
    let nothing = Resource::<Nothing>::new_own(0);
    Ok(Val::Resource(ResourceAny::try_from_resource(
        nothing, &mut store,
    )?))
}

/// Gives back the handles that a call lent; the runtime insists on it.
fn release(store: &mut StoreContextMut<'_, Guest>, arg: &Val) -> Result<()> {
    match arg {
        // Nothing has to be destroyed: this only ends the runtime's record of the loan.
        Val::Resource(handle) => {
            Resource::<Nothing>::try_from_resource_any(*handle, store).map(drop)
        }
        Val::List(items) => items.iter().try_for_each(|item| release(store, item)),
        _ => Ok(()),
    }
}

fn datetime(nanoseconds: u32) -> Val {
    Val::Record(vec![
        ("seconds".into(), Val::U64(0)),
        ("nanoseconds".into(), Val::U32(nanoseconds)),
    ])
}

/// SplitMix64 from a fixed seed: the same series in every store.
fn draw(guest: &mut Guest) -> u64 {
    guest.drawn = guest.drawn.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = guest.drawn;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::Limits;

    /// Exports `draw`, `now`, `environment` (how many variables), `write` (the discriminants of
    /// what stdout answers: error, closed) and `exit`, each from the import of that meaning.
    const COMPONENT: &str = r#"(component
        (import "wasi:random/random@0.2.3" (instance $random
            (export "get-random-u64" (func (result u64)))))
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
            (export "now" (func (result u64)))))
        (import "wasi:cli/environment@0.2.6" (instance $environment
            (export "get-environment" (func (result (list (tuple string string)))))))
        (import "wasi:cli/exit@0.2.6" (instance $exit
            (export "exit" (func (param "status" (result))))))
        (import "wasi:io/error@0.2.6" (instance $error (export "error" (type (sub resource)))))
        (alias export $error "error" (type $failure))
        (import "wasi:io/streams@0.2.6" (instance $streams
            (export "output-stream" (type $stream (sub resource)))
            (alias outer 1 $failure (type $outer))
            (export "error" (type $named (eq $outer)))
            (type $reason (variant (case "last-operation-failed" (own $named)) (case "closed")))
            (export "stream-error" (type $stream-error (eq $reason)))
            (export "[method]output-stream.check-write"
                (func (param "self" (borrow $stream)) (result (result u64 (error $stream-error)))))))
        (alias export $streams "output-stream" (type $stream))
        (import "wasi:cli/stdout@0.2.6" (instance $stdout
            (alias outer 1 $stream (type $outer))
            (export "output-stream" (type $named (eq $outer)))
            (export "get-stdout" (func (result (own $named))))))
        (core module $memory-module
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
        (core instance $memory (instantiate $memory-module))
        (alias core export $memory "memory" (core memory $m))
        (core func $draw (canon lower (func $random "get-random-u64")))
        (core func $now (canon lower (func $clock "now")))
        (core func $end (canon lower (func $exit "exit")))
        (core func $variables (canon lower (func $environment "get-environment")
            (memory $m) (realloc (core func $memory "realloc"))))
        (core func $check (canon lower (func $streams "[method]output-stream.check-write") (memory $m)))
        (core func $open (canon lower (func $stdout "get-stdout")))
        (core module $calls-module
            (import "i" "memory" (memory 1))
            (import "i" "variables" (func $variables (param i32)))
            (import "i" "check" (func $check (param i32 i32)))
            (import "i" "open" (func $open (result i32)))
            (func (export "environment") (result i32)
                (call $variables (i32.const 16)) (i32.load (i32.const 20)))
            (func (export "write") (result i32)
                (call $check (call $open) (i32.const 16))
                (i32.add (i32.mul (i32.const 10) (i32.load8_u (i32.const 16)))
                    (i32.load8_u (i32.const 24)))))
        (core instance $calls (instantiate $calls-module (with "i" (instance
            (export "memory" (memory $m)) (export "variables" (func $variables))
            (export "check" (func $check)) (export "open" (func $open))))))
        (func (export "draw") (result u64) (canon lift (core func $draw)))
        (func (export "now") (result u64) (canon lift (core func $now)))
        (func (export "exit") (param "status" (result)) (canon lift (core func $end)))
        (func (export "environment") (result u32) (canon lift (core func $calls "environment")))
        (func (export "write") (result u32) (canon lift (core func $calls "write"))))"#;

    async fn call<R>(store: &mut wasmtime::Store<Guest>, name: &str) -> R
    where
        R: wasmtime::component::Lift
            + wasmtime::component::ComponentNamedList
            + Send
            + Sync
            + 'static,
    {
        let component = Component::new(store.engine(), wat::parse_str(COMPONENT).unwrap()).unwrap();
        let linker = linker(store.engine(), &component).unwrap();
        let instance = linker
            .instantiate_async(&mut *store, &component)
            .await
            .unwrap();
        let function = instance.get_typed_func::<(), R>(&mut *store, name).unwrap();
        function.call_async(store, ()).await.unwrap()
    }

    fn store() -> wasmtime::Store<Guest> {
        let engine = crate::engine::loading().unwrap();
        let limits = Limits {
            memory: 1 << 20,
            memories: 1 << 20,
            result: 1 << 20,
            table: 100,
        };
        let mut store = Guest::store(&engine, limits);
        Guest::allow(&mut store, 1000);
        store
    }

    #[tokio::test]
    async fn randomness_is_the_same_series_for_everybody() {
        let mut series = Vec::new();
        for _ in 0..2 {
            let mut store = store();
            let first = call::<(u64,)>(&mut store, "draw").await;
            let second = call::<(u64,)>(&mut store, "draw").await;
            assert_ne!(first, second);
            series.push((first, second));
        }
        assert_eq!(series[0], series[1]);
    }

    #[tokio::test]
    async fn the_clock_stands_still_and_the_environment_is_empty() {
        let mut store = store();
        assert_eq!(call::<(u64,)>(&mut store, "now").await, (0,));
        assert_eq!(call::<(u64,)>(&mut store, "now").await, (0,));
        assert_eq!(call::<(u32,)>(&mut store, "environment").await, (0,));
    }

    #[tokio::test]
    async fn streams_are_closed() {
        assert_eq!(call::<(u32,)>(&mut store(), "write").await, (11,));
    }

    #[tokio::test]
    async fn exit_is_not_for_policies() {
        let mut store = store();
        let component = Component::new(store.engine(), wat::parse_str(COMPONENT).unwrap()).unwrap();
        let linker = linker(store.engine(), &component).unwrap();
        let instance = linker
            .instantiate_async(&mut store, &component)
            .await
            .unwrap();
        let exit = instance
            .get_typed_func::<(std::result::Result<(), ()>,), ()>(&mut store, "exit")
            .unwrap();
        let error = exit.call_async(&mut store, (Ok(()),)).await.unwrap_err();
        assert_eq!(
            store.data().explain("guardrails", &error).to_string(),
            "the guardrails policy trapped: wasi:cli/exit#exit is not available to policies"
        );
    }
}
