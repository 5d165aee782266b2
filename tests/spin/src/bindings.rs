//! Generated from wit/: Spin's interfaces as traits of the host.
#![allow(missing_docs, unreachable_pub)]

wasmtime::component::bindgen!({
    path: "wit",
    world: "offers",
    imports: {
        "wasi:config/store.get": trappable,
        "wasi:config/store.get-all": trappable,
        default: async | store | trappable,
    },
    with: {
        "spin:key-value/key-value.store": crate::key_value::OpenStore,
    },
});
