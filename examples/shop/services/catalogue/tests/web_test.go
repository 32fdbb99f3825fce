// Tests of what the shop answers where no database is needed, and of its pictures.
package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"example.com/shop/catalogue/internal/pictures"
	"example.com/shop/catalogue/internal/postgres"
	"example.com/shop/catalogue/internal/redis"
	"example.com/shop/catalogue/internal/web"
)

// shop has a queue that keeps what it is given, and a database that does not answer.
func shop(t *testing.T) (http.Handler, *[]string) {
	queued := &[]string{}
	address := fakeRedis(t, func(command []any) string {
		if command[0] == "LPUSH" {
			*queued = append(*queued, command[2].(string))
		}
		return ":1\r\n"
	})
	nowhere := postgres.NewPool(postgres.Config{Address: "127.0.0.1:1"}, 1)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	return web.New(log, nowhere, redis.New(address, "", 1), "http://127.0.0.1:1").Storefront(), queued
}

func ask(handler http.Handler, method, path, kind, accept, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", kind)
	request.Header.Set("Accept", accept)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func TestAnOrderIsQueued(t *testing.T) {
	handler, queued := shop(t)
	answer := ask(handler, "POST", "/orders", "application/json", "application/json",
		`{"customer": "ada@example.com", "items": [{"sku": "plate", "quantity": 4}]}`)
	if answer.Code != http.StatusAccepted || len(*queued) != 1 {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	var placed web.Placed
	if err := json.Unmarshal([]byte((*queued)[0]), &placed); err != nil {
		t.Fatal(err)
	}
	if placed.Customer != "ada@example.com" || placed.Items[0] != (web.Item{SKU: "plate", Quantity: 4}) || len(placed.ID) != 36 {
		t.Errorf("%+v", placed)
	}
	if answer.Header().Get("Location") != "/orders/"+placed.ID {
		t.Error(answer.Header())
	}

	form := url.Values{"customer": {"bob@example.com"}, "sku": {"tea-bowl"}, "quantity": {"2"}}.Encode()
	answer = ask(handler, "POST", "/orders", "application/x-www-form-urlencoded", "text/html", form)
	if answer.Code != http.StatusSeeOther || !strings.HasPrefix(answer.Header().Get("Location"), "/orders?placed=") || len(*queued) != 2 {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
}

func TestOrdersThatAreNone(t *testing.T) {
	handler, queued := shop(t)
	for _, body := range []string{
		``, `[]`, `{"customer": "nobody", "items": [{"sku": "plate", "quantity": 1}]}`,
		`{"customer": "Ada <ada@example.com>", "items": [{"sku": "plate", "quantity": 1}]}`,
		`{"customer": "ada@example.com", "items": []}`,
		`{"customer": "ada@example.com", "items": [{"sku": "plate", "quantity": 0}]}`,
		`{"customer": "ada@example.com", "items": [{"sku": "plate", "quantity": 100}]}`,
		`{"customer": "ada@example.com", "items": [{"sku": "Plate'", "quantity": 1}]}`,
		`{"customer": "ada@example.com", "items": [{"sku": "plate", "quantity": 1}, {"sku": "plate", "quantity": 1}]}`,
		`{"customer": "ada@example.com", "status": "confirmed", "items": [{"sku": "plate", "quantity": 1}]}`,
		`{"customer": "` + strings.Repeat("a", 1<<17) + `"}`,
	} {
		if answer := ask(handler, "POST", "/orders", "application/json", "", body); answer.Code != http.StatusBadRequest {
			t.Errorf("%.80s: %d", body, answer.Code)
		}
	}
	if len(*queued) != 0 {
		t.Error(*queued)
	}
}

func TestWithoutADatabase(t *testing.T) {
	handler, _ := shop(t)
	for path, want := range map[string]int{
		"/healthz": 200, "/style.css": 200, "/readyz": 503, "/": 503, "/orders": 503, "/orders/x": 404, "/nowhere": 404,
		"/pictures/plate.png?width=99999": 400,
	} {
		if answer := ask(handler, "GET", path, "", "text/html", ""); answer.Code != want {
			t.Errorf("%s: %d, not %d", path, answer.Code, want)
		}
	}
}

func TestPictures(t *testing.T) {
	pot := pictures.Pot{Height: 60, Profile: "20 40 50 30", Glaze: "#5f7f86", Seed: 1}
	var one, two bytes.Buffer
	for _, out := range []*bytes.Buffer{&one, &two} {
		if err := pictures.Draw(context.Background(), out, pot, 40); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("the same pot is drawn in two ways")
	}
	picture, err := png.Decode(&one)
	if err != nil || picture.Bounds().Dx() != 40 {
		t.Fatal(err)
	}
	if corner, middle := picture.At(1, 1), picture.At(20, 25); corner == middle {
		t.Error("there is no pot in the picture")
	}
	for _, bad := range []pictures.Pot{
		{Height: 60, Profile: "20", Glaze: "#5f7f86"}, {Height: 60, Profile: "20 x", Glaze: "#5f7f86"},
		{Height: 0, Profile: "20 20", Glaze: "#5f7f86"}, {Height: 60, Profile: "20 20", Glaze: "blue"},
	} {
		if err := pictures.Draw(context.Background(), io.Discard, bad, 16); err == nil {
			t.Errorf("%+v is drawn", bad)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := pictures.Draw(ended, io.Discard, pot, 2000); err == nil {
		t.Error("drawing went on for nobody")
	}
}
