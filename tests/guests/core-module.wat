;; A WebAssembly module, not a component: the host must say so.
(module
  (memory (export "memory") 1)
  (func (export "configure") (param i32 i32) (result i32) (i32.const 0)))
