;; A program that imports nothing at all.
(module (func (export "_start")))
