// Orders: taken into Redis at once, written to the database by the workers, read from the database.
package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/mail"
	"regexp"
	"strconv"
	"time"
)

const (
	maxItems    = 50
	maxQuantity = 99
)

var (
	skuForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	idForm  = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
)

type Item struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// Placed is an order as it waits in the queue.
type Placed struct {
	ID       string    `json:"id"`
	Customer string    `json:"customer"`
	Items    []Item    `json:"items"`
	PlacedAt time.Time `json:"placed_at"`
}

// Order is an order as the database knows it.
type Order struct {
	ID        string    `json:"id"`
	Customer  string    `json:"customer"`
	Status    string    `json:"status"`
	Reason    string    `json:"reason,omitempty"`
	Cents     int       `json:"total_cents"`
	PlacedAt  time.Time `json:"placed_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Items     []Item    `json:"items"`
}

func (s *Shop) orderRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /orders", s.place)
	mux.HandleFunc("GET /orders", s.orders)
	mux.HandleFunc("GET /orders/{id}", s.order)
}

func (s *Shop) place(w http.ResponseWriter, r *http.Request) {
	order, err := readOrder(w, r)
	if err != nil {
		if wantsHTML(r) {
			s.page(w, r, http.StatusBadRequest, "message.html", map[string]any{"Title": "This order cannot be taken", "Text": err.Error()})
			return
		}
		reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	body, err := json.Marshal(order)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	if _, err := s.queue.Do(ctx, "LPUSH", queueKey, string(body)); err != nil {
		s.fail(w, r, err)
		return
	}
	if wantsHTML(r) {
		http.Redirect(w, r, "/orders?placed="+order.ID, http.StatusSeeOther)
		return
	}
	w.Header().Set("Location", "/orders/"+order.ID)
	reply(w, http.StatusAccepted, map[string]string{"id": order.ID, "status": "queued"})
}

func readOrder(w http.ResponseWriter, r *http.Request) (Placed, error) {
	order := Placed{ID: newID(), PlacedAt: time.Now().UTC()}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	if kind == "application/json" {
		var body struct {
			Customer string
			Items    []Item
		}
		in := json.NewDecoder(r.Body)
		in.DisallowUnknownFields()
		if err := in.Decode(&body); err != nil {
			return order, fmt.Errorf("the body is no order: %v", err)
		}
		order.Customer, order.Items = body.Customer, body.Items
	} else {
		if err := r.ParseForm(); err != nil {
			return order, errors.New("the form cannot be read")
		}
		quantity, err := strconv.Atoi(r.PostForm.Get("quantity"))
		if err != nil {
			return order, errors.New("quantity is a number")
		}
		order.Customer, order.Items = r.PostForm.Get("customer"), []Item{{r.PostForm.Get("sku"), quantity}}
	}

	if address, err := mail.ParseAddress(order.Customer); err != nil || address.Address != order.Customer || len(order.Customer) > 254 {
		return order, errors.New("customer is an e-mail address")
	}
	if len(order.Items) < 1 || len(order.Items) > maxItems {
		return order, fmt.Errorf("an order has from 1 to %d items", maxItems)
	}
	seen := map[string]bool{}
	for _, item := range order.Items {
		if !skuForm.MatchString(item.SKU) || seen[item.SKU] {
			return order, fmt.Errorf("sku %q is malformed or given twice", item.SKU)
		}
		if item.Quantity < 1 || item.Quantity > maxQuantity {
			return order, fmt.Errorf("quantity is from 1 to %d", maxQuantity)
		}
		seen[item.SKU] = true
	}
	return order, nil
}

func (s *Shop) orders(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	orders, err := s.read(ctx, "ORDER BY o.placed_at DESC, o.id LIMIT 50")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var waiting any
	if waiting, err = s.queue.Do(ctx, "LLEN", queueKey); err != nil {
		s.log.Warn("queue length", "error", err.Error())
	}
	if !wantsHTML(r) {
		reply(w, http.StatusOK, map[string]any{"orders": orders, "waiting": waiting})
		return
	}
	placed := r.URL.Query().Get("placed")
	arrived := false
	for _, o := range orders {
		arrived = arrived || o.ID == placed
	}
	if placed != "" && !arrived && idForm.MatchString(placed) {
		w.Header().Set("Refresh", "1") // the worker has it in a moment
	}
	s.page(w, r, http.StatusOK, "orders.html", map[string]any{
		"Title": "Orders", "Orders": orders, "Waiting": waiting, "Placed": placed, "Arrived": arrived,
	})
}

func (s *Shop) order(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	id := r.PathValue("id")
	if !idForm.MatchString(id) {
		reply(w, http.StatusNotFound, map[string]string{"error": "no such order"})
		return
	}
	orders, err := s.read(ctx, "WHERE o.id = $1", id)
	switch {
	case err != nil:
		s.fail(w, r, err)
	case len(orders) == 0:
		reply(w, http.StatusNotFound, map[string]string{"error": "no such order yet"})
	default:
		reply(w, http.StatusOK, orders[0])
	}
}

// read takes the end of a statement, which is always a constant of this file.
func (s *Shop) read(ctx context.Context, tail string, args ...any) ([]Order, error) {
	result, err := s.database.Query(ctx, `SELECT o.id, o.customer, o.status, coalesce(o.reason, ''), o.total_cents,
			to_json(o.placed_at AT TIME ZONE 'UTC') #>> '{}' || 'Z', to_json(o.updated_at AT TIME ZONE 'UTC') #>> '{}' || 'Z',
			coalesce((SELECT json_agg(json_build_object('sku', i.sku, 'quantity', i.quantity) ORDER BY i.sku)
				FROM order_items i WHERE i.order_id = o.id), '[]')
		FROM orders o `+tail, args...)
	if err != nil {
		return nil, err
	}
	orders := make([]Order, len(result.Rows))
	for i, row := range result.Rows {
		o := &orders[i]
		o.ID, o.Customer, o.Status, o.Reason, o.Cents = row[0].Text, row[1].Text, row[2].Text, row[3].Text, row[4].Int()
		if o.PlacedAt, err = time.Parse(time.RFC3339Nano, row[5].Text); err != nil {
			return nil, err
		}
		if o.UpdatedAt, err = time.Parse(time.RFC3339Nano, row[6].Text); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(row[7].Text), &o.Items); err != nil {
			return nil, err
		}
	}
	return orders, nil
}

// newID is a UUID, version 4.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
