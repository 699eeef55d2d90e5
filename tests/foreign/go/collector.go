// More than 50 MiB of live objects and much more of garbage: nothing live is lost.
package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type node struct {
	left, right *node
	value       int
	load        []byte
}

func build(depth, value int) *node {
	n := &node{value: value, load: make([]byte, 64)}
	n.load[value%64] = byte(value)
	if depth > 0 {
		n.left, n.right = build(depth-1, value*2), build(depth-1, value*2+1)
	}
	return n
}

func (n *node) sum() int {
	if n == nil {
		return 0
	}
	return n.value + int(n.load[n.value%64]) + n.left.sum() - n.right.sum()
}

func main() {
	debug.SetGCPercent(50)
	kept := build(18, 1)
	first := kept.sum()
	for i := 0; i < 4; i++ {
		build(15, i)
		garbage := make([][]byte, 200)
		for j := range garbage {
			garbage[j] = make([]byte, 50_000)
			garbage[j][j] = 1
		}
	}
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Println(first, kept.sum() == first, stats.HeapAlloc > 50<<20, stats.NumGC > 2)
}
