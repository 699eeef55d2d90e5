// A goroutine's stack that grows to some MiB and is copied on the way.
package main

import "fmt"

func deep(n int, above *int) int {
	var here [32]int
	here[n%32] = *above + 1
	if n == 0 {
		return here[0]
	}
	return deep(n-1, &here[n%32]) + here[n%32] - *above - 1
}

func main() {
	zero := 0
	done := make(chan int)
	for i := 0; i < 4; i++ {
		go func() { done <- deep(20_000, &zero) }()
	}
	for i := 0; i < 4; i++ {
		fmt.Println(<-done)
	}
}
