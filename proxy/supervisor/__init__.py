"""The parent of the workers: it holds the listening sockets, restarts and replaces workers, and speaks for all of them.

The rule of this package: only `child.py`, which is the worker's end, imports what serves. The parent stays small.
"""
