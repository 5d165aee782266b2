;; A guardrail as it was built for Forebay 0.1: it exports the interface of the one package that
;; all contracts were in then. It is refused, with the way out.
(component
  (instance $guardrails)
  (export "forebay:edge/guardrails@0.1.0" (instance $guardrails)))
