// Runs to its end: `init prepare` leaves its version in a file, `init tell` prints it, `init stay` prints it and never ends.
package main

import (
	"fmt"
	"os"
	"time"
)

const version = "one"

func main() {
	fmt.Println(version)
	switch os.Args[1] {
	case "prepare":
		os.WriteFile("/data/prepared", []byte(version), 0o644)
	case "stay":
		time.Sleep(time.Hour)
	}
}
