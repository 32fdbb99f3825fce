// Tests of the Redis client's protocol.
package tests

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"

	"example.com/shop/catalogue/internal/redis"
)

func TestRedisReplies(t *testing.T) {
	for text, want := range map[string]any{
		"+OK\r\n":                       "OK",
		":42\r\n":                       int64(42),
		"$5\r\na\r\nbc\r\n":             "a\r\nbc",
		"$-1\r\n":                       nil,
		"*-1\r\n":                       nil,
		"*3\r\n:1\r\n$1\r\nx\r\n*0\r\n": []any{int64(1), "x", []any{}},
		"*2\r\n-ERR no\r\n+after\r\n":   []any{redis.Error("ERR no"), "after"},
	} {
		got, err := redis.Read(bufio.NewReader(strings.NewReader(text)))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %#v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "\r\n", "$5\r\nab", "$-2\r\n", "$99999999999\r\n", "?1\r\n", ":x\r\n"} {
		if got, err := redis.Read(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%q is taken for %#v", text, got)
		}
	}
}

func TestRedisCommandsNeedNoQuoting(t *testing.T) {
	got := string(redis.Encode([]string{"LPUSH", "q", "a b\r\n€"}))
	if got != "*3\r\n$5\r\nLPUSH\r\n$1\r\nq\r\n$8\r\na b\r\n€\r\n" {
		t.Errorf("%q", got)
	}
}

// fakeRedis answers each command by a function, over as many connections as come.
func fakeRedis(t *testing.T, answer func(command []any) string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					command, err := redis.Read(in)
					if err != nil {
						return
					}
					fmt.Fprint(c, answer(command.([]any)))
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func TestRedisPasswordAndRefusal(t *testing.T) {
	address := fakeRedis(t, func(command []any) string {
		if reflect.DeepEqual(command, []any{"AUTH", "open"}) {
			return "+OK\r\n"
		}
		if command[0] == "PING" {
			return "+PONG\r\n"
		}
		return "-ERR refused\r\n"
	})
	var refused redis.Error
	if _, err := redis.New(address, "closed", 1).Do(context.Background(), "PING"); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
	client := redis.New(address, "open", 1)
	defer client.Close()
	for range 2 {
		if _, err := client.Do(context.Background(), "GET", "x"); !errors.As(err, &refused) {
			t.Errorf("got %v", err)
		}
	}
	if reply, err := client.Do(context.Background(), "PING"); err != nil || reply != "PONG" {
		t.Errorf("got %v, %v", reply, err)
	}
}
