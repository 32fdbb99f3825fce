// What the shop answers over HTTP.
package web

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"example.com/shop/catalogue/internal/postgres"
	"example.com/shop/catalogue/internal/redis"
)

const Version = "1.4.2"

// The list that the workers take orders from.
const queueKey = "orders:queue"

//go:embed assets
var assets embed.FS

type Shop struct {
	log             *slog.Logger
	database        *postgres.Pool
	queue           *redis.Client
	recommendations string
	pages           *template.Template
	gallery         *gallery
}

func New(log *slog.Logger, database *postgres.Pool, queue *redis.Client, recommendations string) *Shop {
	pages := template.Must(template.New("").Funcs(template.FuncMap{
		"money": money,
		"ago":   ago,
		"short": func(id string) string { return strings.ToUpper(id[:min(8, len(id))]) },
	}).ParseFS(assets, "assets/*.html"))
	return &Shop{log, database, queue, strings.TrimSuffix(recommendations, "/"), pages, newGallery()}
}

// Storefront is what people see, through the ingress.
func (s *Shop) Storefront() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /products/{sku}", s.product)
	mux.HandleFunc("GET /pictures/{file}", s.picture)
	mux.HandleFunc("GET /style.css", s.style)
	s.orderRoutes(mux)
	s.probes(mux)
	return s.logged(mux)
}

// API is what partners' systems talk to, through the load balancer.
func (s *Shop) API() http.Handler {
	mux := http.NewServeMux()
	s.orderRoutes(mux)
	s.probes(mux)
	return s.logged(mux)
}

func (s *Shop) probes(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		// Asking for a table of the latest migration keeps traffic away until the schema is there.
		if _, err := s.database.Query(ctx, "SELECT 1 FROM products LIMIT 1"); err != nil {
			http.Error(w, "database: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
}

func (s *Shop) home(w http.ResponseWriter, r *http.Request) {
	products, err := s.products(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.page(w, r, http.StatusOK, "home.html", map[string]any{
		"Title":    "Kiln & Kin",
		"Products": products,
		"Popular":  pick(products, s.recommend(r.Context(), "/popular?limit=4")),
	})
}

func (s *Shop) product(w http.ResponseWriter, r *http.Request) {
	products, err := s.products(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	sku := r.PathValue("sku")
	for _, p := range products {
		if p.SKU == sku {
			s.page(w, r, http.StatusOK, "product.html", map[string]any{
				"Title":   p.Name,
				"Product": p,
				"Also":    pick(products, s.recommend(r.Context(), "/recommendations?limit=4&sku="+p.SKU)),
			})
			return
		}
	}
	s.page(w, r, http.StatusNotFound, "message.html", map[string]any{
		"Title": "Not in the catalogue", "Text": "There is no such piece, or it has been sold out for good.",
	})
}

func (s *Shop) style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	http.ServeFileFS(w, r, assets, "assets/style.css")
}

func (s *Shop) page(w http.ResponseWriter, r *http.Request, status int, name string, data map[string]any) {
	var out strings.Builder
	if err := s.pages.ExecuteTemplate(&out, name, data); err != nil {
		s.log.Error("page", "name", name, "error", err.Error())
		http.Error(w, "this page is broken", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'self'; form-action 'self'; frame-ancestors 'none'")
	w.WriteHeader(status)
	fmt.Fprint(w, out.String())
}

// fail says that something is out of order, and keeps the reason for the log.
func (s *Shop) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	s.log.Error("request failed", "path", r.URL.Path, "error", err.Error())
	if wantsHTML(r) {
		s.page(w, r, http.StatusServiceUnavailable, "message.html", map[string]any{
			"Title": "One moment, please", "Text": "Part of the shop does not answer. Please try again shortly.",
		})
		return
	}
	reply(w, http.StatusServiceUnavailable, map[string]string{"error": "part of the shop does not answer"})
}

// logged writes a line for what changes something or goes wrong; reads and probes are too many.
func (s *Shop) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &recorder{ResponseWriter: w, status: http.StatusOK}
		start := time.Now()
		next.ServeHTTP(seen, r)
		if r.Method != http.MethodGet && r.Method != http.MethodHead || seen.status >= 500 {
			s.log.Info("request", "method", r.Method, "path", r.URL.Path, "status", seen.status,
				"milliseconds", time.Since(start).Milliseconds())
		}
	})
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.Encode(body)
}

// wantsHTML tells a browser from a program.
func wantsHTML(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

func money(cents int) string { return fmt.Sprintf("€ %d.%02d", cents/100, cents%100) }

func ago(t time.Time) string {
	switch d := time.Since(t); {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return t.Format("2 January 2006")
}
