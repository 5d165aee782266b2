;; A guardrails guest by hand. It allows everything and reports as hits how long its
;; configuration was and how often it was asked. A test puts what it wants to see into the
;; place marked "check", which runs first when a prompt is judged, and into "configure".
(module
  (import "[export]forebay:guardrails/guardrails@0.2.0" "[resource-new]output-guard"
    (func $new (param i32) (result i32)))
  (memory (export "memory") 4)
  (global $heap (mut i32) (i32.const 65536))
  (global $configured (mut i32) (i32.const 0))
  (global $calls (mut i32) (i32.const 0))
  (data (i32.const 1024) "configured")
  (data (i32.const 1040) "calls")
  (data (i32.const 1056) "allow")
  (data (i32.const 1072) "no, said the guest")
  (data (i32.const 1104) "EMAIL")

  ;; Bumps; every call begins with an empty heap again.
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (if (i32.gt_u (global.get $heap) (i32.shl (memory.size) (i32.const 16)))
      (then (drop (memory.grow
        (i32.add (i32.shr_u (local.get 3) (i32.const 16)) (i32.const 1))))))
    (local.get $at))

  (func (export "forebay:guardrails/guardrails@0.2.0#configure") (param $at i32) (param $len i32) (result i32)
    (global.set $configured (local.get $len))
    (global.set $heap (i32.const 65536))
    (i32.store (i32.const 2048) (i32.const 0))
    (i32.store (i32.const 2052) (i32.const 1072))
    (i32.store (i32.const 2056) (i32.const 18))
    (;configure;)
    (i32.const 2048))

  (func $check (export "forebay:guardrails/guardrails@0.2.0#check-prompt") (param $at i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (global.set $heap (i32.const 65536))
    ;; verdict: action at 0, hits at 20, guard-output at 28
    (memory.fill (i32.const 3072) (i32.const 0) (i32.const 256))
    (i32.store (i32.const 3092) (i32.const 3136))
    (i32.store (i32.const 3096) (i32.const 2))
    ;; hits, 24 bytes each: rule, action, count, shadow
    (i32.store (i32.const 3136) (i32.const 1024))
    (i32.store (i32.const 3140) (i32.const 10))
    (i32.store (i32.const 3144) (i32.const 1056))
    (i32.store (i32.const 3148) (i32.const 5))
    (i32.store (i32.const 3152) (global.get $configured))
    (i32.store (i32.const 3160) (i32.const 1040))
    (i32.store (i32.const 3164) (i32.const 5))
    (i32.store (i32.const 3168) (i32.const 1056))
    (i32.store (i32.const 3172) (i32.const 5))
    (i32.store (i32.const 3176) (global.get $calls))
    (;check;)
    (i32.const 3072))

  (func (export "forebay:guardrails/guardrails@0.2.0#[constructor]output-guard")
    (param i32 i32 i32 i32 i32 i32) (result i32)
    (global.set $heap (i32.const 65536))
    (call $new (i32.const 0)))

  ;; Releases the deltas as they came: a delta (choice, channel, text) lies like a release.
  (func (export "forebay:guardrails/guardrails@0.2.0#[method]output-guard.push")
    (param $self i32) (param $at i32) (param $len i32) (result i32)
    (;push;)
    (memory.fill (i32.const 4096) (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4096) (local.get $at))
    (i32.store (i32.const 4100) (local.get $len))
    (global.set $heap (i32.const 65536))
    (i32.const 4096))

  (func (export "forebay:guardrails/guardrails@0.2.0#[method]output-guard.finish")
    (param i32 i32 i32) (result i32)
    (memory.fill (i32.const 4096) (i32.const 0) (i32.const 64))
    (i32.const 4096))
)
