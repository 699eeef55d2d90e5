# -*- coding: latin-1 -*-
from old import x
s = "éÿ"
def f():
    global old
    import old.a
old.a.f()
