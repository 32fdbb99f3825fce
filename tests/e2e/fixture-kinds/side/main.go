// A sidecar that tells which version it is.
package main

import "net/http"

const version = "one"

func main() {
	http.HandleFunc("/version", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(version)) })
	http.ListenAndServe(":8081", nil)
}
