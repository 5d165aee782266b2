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
use wasmtime::{Engine, Result, StoreContextMut};

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
                Some(answer) => scope.func_new(item, move |store, _, args, results| {
                    if let Some(slot) = results.first_mut() {
                        *slot = answer(store, args)?;
                    }
                    Ok(())
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
