"""What the runner does around a script: imports, standard streams, the event loop, failures, refusals.

Nothing in this package is part of the interface for authors: that is the package `coo`.
"""
