// Nobody can go on: the runtime sees it and ends with status 2.
package main

import "fmt"

func main() {
	fmt.Println("waiting")
	<-make(chan int)
}
