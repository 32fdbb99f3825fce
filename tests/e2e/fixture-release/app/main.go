// A server that tells its version and what it was given; it ends once it has answered what it was asked.
package main

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

const version = "one"

func main() {
	text := version + " " + os.Getenv("COLOUR") + " " + os.Getenv("WORD")
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		// The first version cannot do with what a later one may leave.
		if _, err := os.Stat("/later/is"); err == nil && version == "one" {
			http.Error(w, "not with what is there", http.StatusServiceUnavailable)
			return
		}
		w.Write([]byte(text))
	})
	server := &http.Server{Addr: ":8080"}
	ended := make(chan struct{})
	go func() {
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		<-asked
		server.Shutdown(context.Background())
		close(ended)
	}()
	server.ListenAndServe()
	<-ended
}
