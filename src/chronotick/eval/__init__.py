"""Judge: what bounded timestamps are worth, measured against the truth where it is known.

Two rooms that share nothing but their doors (`plots` to matplotlib, `cluster` to Dask,
`children` to processes of our own):
`accuracy` (one clock against recorded or imagined truth) and `streaming` (a coordinator
sends events to workers; what can be decided from their timestamps alone). The evaluation
has no clock code of its own.
"""
