// Goroutines, channels, a mutex, a wait group and select, with an order that is fixed.
package main

import (
	"fmt"
	"sync"
	"time"
)

func main() {
	jobs, results := make(chan int), make(chan int, 100)
	var group sync.WaitGroup
	for worker := 0; worker < 8; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for job := range jobs {
				results <- job * job
			}
		}()
	}
	go func() {
		for i := 0; i < 2000; i++ {
			jobs <- i
		}
		close(jobs)
		group.Wait()
		close(results)
	}()
	sum := 0
	for result := range results {
		sum += result
	}
	fmt.Println("sum", sum)
	var mutex sync.Mutex
	counter := 0
	for i := 0; i < 100; i++ {
		group.Add(1)
		go func() { mutex.Lock(); counter += i; mutex.Unlock(); group.Done() }()
	}
	group.Wait()
	fmt.Println("counter", counter)
	start := time.Now()
	select {
	case <-time.After(30 * time.Millisecond):
		fmt.Println("timer", time.Since(start) >= 30*time.Millisecond)
	case <-time.After(time.Hour):
		fmt.Println("hour")
	}
}
