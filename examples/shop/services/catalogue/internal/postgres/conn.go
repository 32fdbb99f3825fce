// One connection to PostgreSQL: protocol 3.0, SCRAM-SHA-256, the extended query protocol with text values.
package postgres

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// A message longer than this is a confused peer, not a catalogue.
const maxMessage = 64 << 20

type Config struct {
	Address  string // host:port
	User     string
	Password string
	Database string
	Name     string // application_name, as pg_stat_activity shows it
}

// Error is what the server reported; the connection stays usable.
type Error struct{ Severity, Code, Message, Detail string }

func (e *Error) Error() string {
	text := "postgres: " + e.Severity + " " + e.Code + ": " + e.Message
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	return text
}

// Value is one column of one row, in PostgreSQL's text form.
type Value struct {
	Text string
	Null bool
}

func (v Value) Int() int {
	n, _ := strconv.Atoi(v.Text)
	return n
}

type Result struct {
	Columns []string
	Rows    [][]Value
	Tag     string // such as "INSERT 0 1"
}

type Conn struct {
	net    net.Conn
	in     *bufio.Reader
	broken bool // in an unknown state: it must not be used again
}

// Connect dials, authenticates and waits until the server is ready for a query.
func Connect(ctx context.Context, config Config) (*Conn, error) {
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", config.Address)
	if err != nil {
		return nil, err
	}
	c, err := Start(ctx, raw, config)
	if err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

// Start opens a session over a connection that is there already.
func Start(ctx context.Context, raw net.Conn, config Config) (*Conn, error) {
	c := &Conn{net: raw, in: bufio.NewReader(raw)}
	release := c.bound(ctx)
	defer release()

	startup := binary.BigEndian.AppendUint32(nil, 3<<16)
	for _, setting := range []string{
		"user", config.User, "database", config.Database, "application_name", config.Name, "client_encoding", "UTF8",
	} {
		startup = append(append(startup, setting...), 0)
	}
	startup = append(startup, 0)
	packet := binary.BigEndian.AppendUint32(nil, uint32(len(startup)+4))
	if _, err := raw.Write(append(packet, startup...)); err != nil {
		return nil, err
	}

	var exchange *scram
	for {
		kind, body, err := c.receive()
		if err != nil {
			return nil, err
		}
		switch kind {
		case 'R':
			if exchange, err = c.authenticate(exchange, body, config.Password); err != nil {
				return nil, err
			}
		case 'E':
			return nil, parseError(body)
		case 'Z':
			if exchange != nil && !exchange.verified {
				return nil, errors.New("postgres: the server never proved that it knows the password")
			}
			return c, nil
		}
	}
}

func (c *Conn) authenticate(exchange *scram, body []byte, password string) (*scram, error) {
	if len(body) < 4 {
		return nil, errors.New("postgres: short authentication message")
	}
	step, data := binary.BigEndian.Uint32(body), body[4:]
	if exchange == nil && (step == 11 || step == 12) {
		return nil, errors.New("postgres: authentication out of order")
	}
	switch step {
	case 0:
		return exchange, nil
	case 10:
		if !offers(data, mechanism) {
			return nil, errors.New("postgres: the server does not offer " + mechanism)
		}
		exchange = newScram(password)
		first := exchange.first()
		message := append([]byte(mechanism), 0)
		message = binary.BigEndian.AppendUint32(message, uint32(len(first)))
		return exchange, c.send('p', append(message, first...))
	case 11:
		final, err := exchange.final(string(data))
		if err != nil {
			return nil, err
		}
		return exchange, c.send('p', []byte(final))
	case 12:
		return exchange, exchange.verify(string(data))
	}
	// Clear text and MD5 would give the password away, or nearly so.
	return nil, fmt.Errorf("postgres: authentication method %d is not accepted, only %s", step, mechanism)
}

// Query runs one statement; $1, $2, … take args, which never become part of the statement's text.
func (c *Conn) Query(ctx context.Context, statement string, args ...any) (*Result, error) {
	if c.broken {
		return nil, net.ErrClosed
	}
	parameters, err := encode(args)
	if err != nil {
		return nil, err
	}
	release := c.bound(ctx)
	defer release()

	var out []byte
	out = message(out, 'P', append(append([]byte{0}, statement...), 0, 0, 0)) // unnamed, types left to the server
	out = message(out, 'B', parameters)
	out = message(out, 'D', []byte{'P', 0})
	out = message(out, 'E', []byte{0, 0, 0, 0, 0})
	out = message(out, 'S', nil)
	if _, err := c.net.Write(out); err != nil {
		c.broken = true
		return nil, err
	}

	result, failure := &Result{}, error(nil)
	for {
		kind, body, err := c.receive()
		if err != nil {
			c.broken = true
			return nil, err
		}
		switch kind {
		case 'T':
			result.Columns, err = parseColumns(body)
		case 'D':
			var row []Value
			row, err = parseRow(body)
			result.Rows = append(result.Rows, row)
		case 'C':
			result.Tag = cString(body)
		case 'E':
			failure = parseError(body)
		case 'Z':
			if failure != nil {
				return nil, failure
			}
			return result, nil
		}
		if err != nil {
			c.broken = true
			return nil, err
		}
	}
}

// Close says goodbye, so that the server logs no lost connection.
func (c *Conn) Close() {
	c.net.SetDeadline(time.Now().Add(time.Second))
	c.send('X', nil)
	c.net.Close()
}

// bound makes the connection fail when ctx ends, until the function it returns is called.
func (c *Conn) bound(ctx context.Context) func() {
	deadline, _ := ctx.Deadline()
	c.net.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { c.net.SetDeadline(time.Unix(1, 0)) })
	return func() {
		if !stop() {
			c.broken = true
		}
	}
}

func (c *Conn) send(kind byte, body []byte) error {
	_, err := c.net.Write(message(nil, kind, body))
	return err
}

func (c *Conn) receive() (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size < 4 || size > maxMessage {
		return 0, nil, fmt.Errorf("postgres: message of %d bytes", size)
	}
	body := make([]byte, size-4)
	_, err := io.ReadFull(c.in, body)
	return head[0], body, err
}
