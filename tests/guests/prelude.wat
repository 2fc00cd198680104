;; What every guest here shares: a memory with an allocator, a proper `describe`, and one proper answer.
;; The test harness puts these fields where a guest says `(; prelude ;)`, and wraps the module as a component.
;;
;; Layout of answers (canonical ABI): result<verdict, policy-error> is a tag at +0 (0 ok, 1 error) and the verdict at
;; +4: its tag (0 approve, 1 reject, 2 hold), then at +8 pointer and length of the explanation; for approve pointer and
;; length of the moves at +8, of the explanation at +16. A move is 24 bytes: pointer and length of the alias, at +8
;; whether there is a version, at +16 the version.
(memory (export "memory") 4)
(global $heap (mut i32) (i32.const 65536))
(func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
  (local $at i32)
  (local.set $at
    (i32.and
      (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
  (global.set $heap (i32.add (local.get $at) (local.get $size)))
  (local.get $at))

(data (i32.const 1024) "hostile")
(data (i32.const 1040) "1.0.0")
(data (i32.const 1056) "a policy that misbehaves")
(data (i32.const 1100) "no")
;; The descriptor: name, version, summary, no settings.
(data (i32.const 1200)
  "\00\04\00\00\07\00\00\00" "\10\04\00\00\05\00\00\00" "\20\04\00\00\18\00\00\00" "\08\00\00\00\00\00\00\00")
;; reject("no")
(data (i32.const 1304) "\00\00\00\00" "\01\00\00\00" "\4c\04\00\00\02\00\00\00")
