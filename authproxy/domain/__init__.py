"""The rules of authproxy, and nothing else: no clock, no I/O, no logging, no randomness; `now` is an argument.

The laws, each held by a test:

Law 1. Only what was stored can grant; a key string only identifies and subtracts. A key without grants may do nothing.
Law 2. `parse` accepts exactly what `format` emits; no character of a key can change without a refusal.
Law 3. A name that two readers could read differently is refused.
Law 4. Unknown means no: an action, a pattern, a filetype, a rule that is not there.
Law 5. A refusal is one sentence: what, which, and what is allowed instead. A refused credential says nothing.

Read from the ground up: refusal, names, grants, keys, access, policy.
"""
