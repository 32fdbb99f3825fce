// Tests of the PostgreSQL client: against a scripted server, and a real one where TEST_DATABASE_ADDRESS names it.
package tests

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/shop/catalogue/internal/postgres"
)

// The exchange of RFC 7677, section 3.
func TestScramFollowsTheStandardsExample(t *testing.T) {
	challenge := "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	proof := "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
	first, final, err := postgres.Exchange("user", "pencil", "rOprNGfwEbeRWgbNEkqO", challenge, proof)
	if err != nil {
		t.Fatal(err)
	}
	if first != "n,,n=user,r=rOprNGfwEbeRWgbNEkqO" {
		t.Errorf("first message: %s", first)
	}
	want := "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	if final != want {
		t.Errorf("final message: %s", final)
	}
}

func TestScramRefusesAnImpostor(t *testing.T) {
	good := "r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	for what, c := range map[string][2]string{
		"wrong proof":             {good, "v=AAAA"},
		"no proof":                {good, ""},
		"another nonce":           {"r=zzzdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ""},
		"nonce not its own":       {"r=abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ""},
		"no salt":                 {"r=abcdef,i=4096", ""},
		"endless computing":       {"r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000", ""},
		"iterations not a number": {"r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=x", ""},
	} {
		if _, _, err := postgres.Exchange("", "pencil", "abc", c[0], c[1]); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

// script is a server that reads what it is sent and answers with prepared bytes.
func script(t *testing.T, answers ...[]byte) (net.Conn, <-chan []byte) {
	client, server := net.Pipe()
	heard := make(chan []byte, len(answers))
	go func() {
		defer server.Close()
		for _, answer := range answers {
			buffer := make([]byte, 1<<16)
			n, err := server.Read(buffer)
			if err != nil {
				return
			}
			heard <- buffer[:n]
			server.Write(answer)
		}
		io.Copy(io.Discard, server)
	}()
	t.Cleanup(func() { client.Close() })
	return client, heard
}

func packet(kind byte, body string) []byte {
	out := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	return append(out, body...)
}

func packets(list ...[]byte) (all []byte) {
	for _, p := range list {
		all = append(all, p...)
	}
	return all
}

var welcome = packets(packet('R', "\x00\x00\x00\x00"), packet('S', "a\x00b\x00"), packet('Z', "I"))

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestRowsNullsAndTag(t *testing.T) {
	column := func(name string) string { return name + "\x00" + strings.Repeat("\x00", 18) }
	raw, heard := script(t, welcome, packets(
		packet('1', ""), packet('2', ""),
		packet('T', "\x00\x02"+column("sku")+column("reason")),
		packet('D', "\x00\x02\x00\x00\x00\x05plate\xff\xff\xff\xff"),
		packet('C', "SELECT 1\x00"), packet('Z', "I"),
	))
	ctx := bounded(t)
	c, err := postgres.Start(ctx, raw, postgres.Config{User: "shop", Database: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	injection := "'; DROP TABLE orders; --"
	result, err := c.Query(ctx, "SELECT $1, $2", injection, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Rows) != 1 || result.Rows[0][0].Text != "plate" || !result.Rows[0][1].Null || result.Columns[1] != "reason" || result.Tag != "SELECT 1" {
		t.Errorf("%+v", result)
	}
	<-heard
	sent := string(<-heard)
	bind := strings.Index(sent, "B\x00")
	if strings.Contains(sent[:bind], "DROP") || !strings.Contains(sent[bind:], injection) {
		t.Error("an argument became part of the statement")
	}
}

func TestAnErrorLeavesTheConnectionUsable(t *testing.T) {
	failure := packets(packet('E', "SERROR\x00C42P01\x00Mno such table\x00\x00"), packet('Z', "I"))
	raw, _ := script(t, welcome, failure, packets(packet('C', "SELECT 0\x00"), packet('Z', "I")))
	ctx := bounded(t)
	c, err := postgres.Start(ctx, raw, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var reported *postgres.Error
	if _, err := c.Query(ctx, "SELECT"); !errors.As(err, &reported) || reported.Code != "42P01" {
		t.Fatalf("got %v", err)
	}
	if _, err := c.Query(ctx, "SELECT"); err != nil {
		t.Fatal(err)
	}
}

func TestHostileServers(t *testing.T) {
	for what, answer := range map[string][]byte{
		"asks for the password in clear": packet('R', "\x00\x00\x00\x03"),
		"asks for MD5":                   packet('R', "\x00\x00\x00\x05salt"),
		"skips SCRAM's first step":       packet('R', "\x00\x00\x00\x0cv=x"),
		"sends a huge message":           {'D', 0x7f, 0xff, 0xff, 0xff},
		"sends a tiny message":           {'D', 0, 0, 0, 1},
		"closes at once":                 {},
	} {
		raw, _ := script(t, answer)
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		if _, err := postgres.Start(ctx, raw, postgres.Config{Password: "secret"}); err == nil {
			t.Errorf("a server that %s is believed", what)
		}
		cancel()
	}
}

func TestArgumentsThatHaveNoTextForm(t *testing.T) {
	raw, _ := script(t, welcome)
	c, err := postgres.Start(bounded(t), raw, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, arg := range []any{"a\x00b", 1.5, struct{}{}} {
		if _, err := c.Query(bounded(t), "SELECT $1", arg); err == nil {
			t.Errorf("%v was sent", arg)
		}
	}
}

func TestARealServer(t *testing.T) {
	address := os.Getenv("TEST_DATABASE_ADDRESS")
	if address == "" {
		t.Skip("TEST_DATABASE_ADDRESS names no server")
	}
	config := postgres.Config{Address: address, User: "shop", Password: os.Getenv("TEST_DATABASE_PASSWORD"), Database: "shop", Name: "test"}
	pool := postgres.NewPool(config, 2)
	defer pool.Close()
	ctx := bounded(t)
	text := "ö'\"\\$1\n€"
	result, err := pool.Query(ctx, "SELECT $1::text, $2::int + 1, $3::text, $4::bool", text, 41, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	row := result.Rows[0]
	if row[0].Text != text || row[1].Int() != 42 || !row[2].Null || row[3].Text != "t" {
		t.Errorf("%+v", row)
	}
	if _, err := pool.Query(ctx, "SELECT nonsense"); err == nil {
		t.Error("nonsense is accepted")
	}
	// A connection that the server closed while it lay idle is replaced.
	other := postgres.NewPool(config, 1)
	defer other.Close()
	if _, err := other.Query(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test' AND pid <> pg_backend_pid()"); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Query(ctx, "SELECT 1"); err != nil {
		t.Error(err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := pool.Query(short, "SELECT pg_sleep(5)"); err == nil {
		t.Error("a query outlived its deadline")
	}
	if _, err := pool.Query(ctx, "SELECT 1"); err != nil {
		t.Error(err)
	}
	config.Password = "wrong"
	if _, err := postgres.Connect(ctx, config); err == nil {
		t.Error("a wrong password is accepted")
	}
}
