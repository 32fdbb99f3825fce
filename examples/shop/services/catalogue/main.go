// Command catalogue is the shop's storefront: the catalogue's pages on one port, the orders API for partners on another.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/shop/catalogue/internal/postgres"
	"example.com/shop/catalogue/internal/redis"
	"example.com/shop/catalogue/internal/web"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	database := postgres.NewPool(postgres.Config{
		Address:  env("DATABASE_ADDRESS", "postgres:5432"),
		User:     env("DATABASE_USER", "shop"),
		Password: os.Getenv("DATABASE_PASSWORD"),
		Database: env("DATABASE_NAME", "shop"),
		Name:     "catalogue",
	}, 8)
	defer database.Close()
	queue := redis.New(env("REDIS_ADDRESS", "redis:6379"), os.Getenv("REDIS_PASSWORD"), 8)
	defer queue.Close()

	shop := web.New(log, database, queue, env("RECOMMENDATIONS_URL", "http://recommendations:8080"))
	failed := make(chan error, 2)
	var servers []*http.Server
	for address, handler := range map[string]http.Handler{
		env("LISTEN", ":8080"):     shop.Storefront(),
		env("LISTEN_API", ":8081"): shop.API(),
	} {
		server := &http.Server{
			Addr: address, Handler: handler,
			ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 90 * time.Second,
			BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		}
		servers = append(servers, server)
		go func() { failed <- server.ListenAndServe() }()
	}
	log.Info("serving", "version", web.Version)

	select {
	case err := <-failed:
		log.Error("cannot serve", "error", err.Error())
		os.Exit(1)
	case <-ctx.Done():
	}
	// Requests under way are finished; idle connections close at once, so an idle pod is gone in milliseconds.
	drain, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, server := range servers {
		if err := server.Shutdown(drain); err != nil && !errors.Is(err, http.ErrServerClosed) {
			log.Warn("drain", "error", err.Error())
		}
	}
	log.Info("stopped")
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
