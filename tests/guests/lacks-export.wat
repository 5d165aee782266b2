;; A component that configures itself like a guardrail and lacks everything else: `check-prompt`
;; and `output-guard` are not in its instance.
(component
  (core module $main
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "configure") (param i32 i32) (result i32) (i32.const 0)))
  (core instance $main (instantiate $main))
  (alias core export $main "memory" (core memory $memory))
  (alias core export $main "realloc" (core func $realloc))
  (alias core export $main "configure" (core func $core-configure))
  (type $configured (result (error string)))
  (type $configure-type (func (param "config" string) (result $configured)))
  (func $configure (type $configure-type)
    (canon lift (core func $core-configure) (memory $memory) (realloc $realloc)))
  (instance $guardrails (export "configure" (func $configure)))
  (export "forebay:guardrails/guardrails@0.2.0" (instance $guardrails)))
