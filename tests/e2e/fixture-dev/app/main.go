// A server that tells which version it is, what it read first, and what is in files.
package main

import (
	"net/http"
	"os"
)

const version = "one"

func main() {
	first, _ := os.ReadFile("/srv/first.txt")
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
