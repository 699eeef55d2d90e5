// A panic that is recovered, a deferred call, and a panic that is not: status 2.
package main

import "fmt"

func guarded(i int) (text string) {
	defer func() {
		if reason := recover(); reason != nil {
			text = fmt.Sprint("recovered: ", reason)
		}
	}()
	return fmt.Sprint([]int{1, 2, 3}[i])
}

func main() {
	defer fmt.Println("deferred")
	fmt.Println(guarded(1), guarded(5))
	var missing map[string]int
	fmt.Println(missing["x"])
	missing["x"] = 1
}
