#!/usr/bin/env python3
"""old.a does it."""
from __future__ import annotations
import old
import old.a, os, top.old.b as c
from old.a.b import (  # why
    x,
    y as z,
)
from . import old
from .old import b
from ..other import w
from top import old as o
try:
    from old import fast
except ImportError:
    fast = None


@old.a.decorated
def f(p: old.a.T = old.a.v, *q) -> "old.a.T":
    import old.b
    return [old.a.g(r) for r in old.a.h() if old.b.i]


class C(old.a.B):
    def m(self):
        return lambda old: old.a


print(f"{old.a.x!r:>{old.a.w}} old.a", old=1)
importlib.import_module('old.a' + x)
match x:
    case old.a.X | [old.a.Y, *_]:
        del old.a.z
