import top.old.a
top.old.a.f(top.other)
for new in x: pass
