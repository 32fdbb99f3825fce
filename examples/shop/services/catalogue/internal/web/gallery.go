// Pictures over HTTP: drawn on request, as many at a time as there are processors, the latest ones kept.
package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/shop/catalogue/internal/pictures"
)

const (
	maxWidth = 2400
	maxKept  = 64 << 20 // bytes
)

type gallery struct {
	drawing chan struct{} // so that probes and pages keep a processor when many ask for pictures

	mutex sync.Mutex
	kept  map[string][]byte
	order []string
	bytes int
}

func newGallery() *gallery {
	return &gallery{drawing: make(chan struct{}, runtime.GOMAXPROCS(0)), kept: map[string][]byte{}}
}

func (s *Shop) picture(w http.ResponseWriter, r *http.Request) {
	sku, isPicture := strings.CutSuffix(r.PathValue("file"), ".png")
	width := 480
	if text := r.URL.Query().Get("width"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 16 || n > maxWidth {
			http.Error(w, fmt.Sprintf("width is from 16 to %d", maxWidth), http.StatusBadRequest)
			return
		}
		width = n
	}
	products, err := s.products(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	for _, p := range products {
		if p.SKU != sku || !isPicture {
			continue
		}
		key := fmt.Sprint(p.Pot, width)
		sum := sha256.Sum256([]byte(key))
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Set("Content-Type", "image/png")
		if r.Header.Get("If-None-Match") == w.Header().Get("ETag") {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		drawn, err := s.gallery.draw(r.Context(), key, p.Pot, width)
		if err != nil {
			w.Header().Del("ETag")
			s.fail(w, r, err)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(drawn))
		return
	}
	http.NotFound(w, r)
}

func (g *gallery) draw(ctx context.Context, key string, pot pictures.Pot, width int) ([]byte, error) {
	g.mutex.Lock()
	drawn, there := g.kept[key]
	g.mutex.Unlock()
	if there {
		return drawn, nil
	}
	select {
	case g.drawing <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-g.drawing }()
	var out bytes.Buffer
	if err := pictures.Draw(ctx, &out, pot, width); err != nil {
		return nil, err
	}
	g.keep(key, out.Bytes())
	return out.Bytes(), nil
}

func (g *gallery) keep(key string, drawn []byte) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if _, there := g.kept[key]; there {
		return
	}
	g.kept[key], g.order, g.bytes = drawn, append(g.order, key), g.bytes+len(drawn)
	for g.bytes > maxKept {
		oldest := g.order[0]
		g.bytes -= len(g.kept[oldest])
		delete(g.kept, oldest)
		g.order = g.order[1:]
	}
}
