"""A release, or a rollback, of the whole site: one order, one lock, one runner, whoever begins it.

`order` is the pure state machine: what machines answered -> what is next, going back included.
`runner` does what it says over `transport`; `session` puts lock, display and connections around.
"""
