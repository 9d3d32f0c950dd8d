"""Name things: units, records, interval arithmetic, statuses and the error tree.

Everything here is pure data. Every other room imports from `core`; `core` imports
nothing but the standard library.
"""
