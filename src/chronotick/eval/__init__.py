"""Judge: what bounded timestamps are worth, measured against the truth where it is known.

Two parts that share nothing: accuracy (one clock against recorded truth) and the
streaming evaluation (a coordinator sends events to workers; what can be decided from
their timestamps alone). The evaluation has no clock code of its own.
"""
