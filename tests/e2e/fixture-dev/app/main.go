// A server that tells which version it is, what it read first, and what is in files.
package main

import (
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

const version = "one"

func main() {
	if len(os.Args) > 1 { // `app note`: what a rule runs once files are there
		text, _ := os.ReadFile("/noted/text")
		os.WriteFile("/data/noted", text, 0o644)
		return
	}
	first, _ := os.ReadFile("/srv/first.txt")
	boot, _ := os.ReadFile("/boot/text")
	if string(boot) == "fails" {
		os.Exit(1)
	}
	http.HandleFunc("/boot", func(w http.ResponseWriter, _ *http.Request) { w.Write(boot) })
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for range hangups {
			text, _ := os.ReadFile("/conf/text")
			os.WriteFile("/data/conf", text, 0o644)
		}
	}()
	http.HandleFunc("/version", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(version)) })
	http.HandleFunc("/first", func(w http.ResponseWriter, _ *http.Request) { w.Write(first) })
	http.HandleFunc("/read/", func(w http.ResponseWriter, r *http.Request) {
		text, err := os.ReadFile(r.URL.Path[len("/read"):])
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.Write(text)
	})
	http.HandleFunc("/mark", func(w http.ResponseWriter, _ *http.Request) { os.WriteFile("/data/mark", []byte("kept"), 0o644) })
	http.ListenAndServe(":8080", nil)
}
