// Products as the database holds them, and what the recommendations service says of them.
package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"example.com/shop/catalogue/internal/pictures"
)

type Product struct {
	SKU         string
	Name        string
	Kind        string
	Description string
	Cents       int
	Stock       int
	Pot         pictures.Pot
}

func (s *Shop) products(ctx context.Context) ([]Product, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	result, err := s.database.Query(ctx, `SELECT sku, name, kind, description, price_cents, stock, height, profile, glaze, position
		FROM products ORDER BY position, sku`)
	if err != nil {
		return nil, err
	}
	products := make([]Product, len(result.Rows))
	for i, row := range result.Rows {
		products[i] = Product{
			row[0].Text, row[1].Text, row[2].Text, row[3].Text, row[4].Int(), row[5].Int(),
			pictures.Pot{Height: row[6].Int(), Profile: row[7].Text, Glaze: row[8].Text, Seed: row[9].Int()},
		}
	}
	return products, nil
}

var recommender = &http.Client{Timeout: 400 * time.Millisecond}

// recommend returns SKUs, or none: a shop without recommendations is still a shop.
func (s *Shop) recommend(ctx context.Context, path string) []string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.recommendations+path, nil)
	if err != nil {
		return nil
	}
	var body struct{ Items []string }
	response, err := recommender.Do(request)
	if err == nil {
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			err = fmt.Errorf("status %d", response.StatusCode)
		} else {
			err = json.NewDecoder(http.MaxBytesReader(nil, response.Body, 1<<16)).Decode(&body)
		}
	}
	if err != nil {
		s.log.Warn("no recommendations", "error", err.Error())
		return nil
	}
	return body.Items
}

func pick(products []Product, skus []string) (picked []Product) {
	for _, sku := range skus {
		for _, p := range products {
			if p.SKU == sku {
				picked = append(picked, p)
			}
		}
	}
	return picked
}
