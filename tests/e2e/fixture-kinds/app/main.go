// A server that tells which version it is and what is in files.
package main

import (
	"net/http"
	"os"
	"time"
)

const version = "one"

func main() {
	http.HandleFunc("/version", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(version)) })
	http.HandleFunc("/read/", func(w http.ResponseWriter, r *http.Request) {
		text, err := os.ReadFile(r.URL.Path[len("/read"):])
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.Write(text)
	})
	http.ListenAndServe(":8080", nil)
	time.Sleep(time.Hour) // another container of the Pod has the port
}
