// os.Exit with a status; arguments and environment; files that are not there.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sort"
	"strconv"
	"strings"
)

func main() {
	variables := os.Environ()
	sort.Strings(variables)
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		fmt.Println(name, len(value))
	}
	_, err := os.ReadFile("/etc/passwd")
	fmt.Println(len(os.Args), err != nil, errors.Is(err, fs.ErrNotExist))
	status := 3
	if len(os.Args) > 1 {
		status, _ = strconv.Atoi(os.Args[1])
	}
	defer fmt.Println("never")
	os.Exit(status)
}
