// A small Redis client: RESP2, password, a bounded pool.
package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

const maxBulk = 16 << 20

// Error is Redis's own refusal; the connection stays usable.
type Error string

func (e Error) Error() string { return "redis: " + string(e) }

// Client runs commands. A reply is a string, an int64, nil or a []any of these.
type Client struct {
	address, password string
	slots             chan *conn
}

type conn struct {
	net net.Conn
	in  *bufio.Reader
}

func New(address, password string, size int) *Client {
	c := &Client{address: address, password: password, slots: make(chan *conn, size)}
	for range size {
		c.slots <- nil
	}
	return c
}

// Do runs one command. It is never sent twice: after a lost connection nobody knows whether Redis ran it.
// To make that rare, a connection that lay idle is asked for a PING first.
func (c *Client) Do(ctx context.Context, args ...string) (any, error) {
	var use *conn
	select {
	case use = <-c.slots:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { c.slots <- use }()

	if use != nil {
		if _, err := use.do(ctx, "PING"); err != nil {
			use.net.Close()
			use = nil
		}
	}
	if use == nil {
		fresh, err := c.connect(ctx)
		if err != nil {
			return nil, err
		}
		use = fresh
	}
	reply, err := use.do(ctx, args...)
	var refused Error
	if err != nil && !errors.As(err, &refused) {
		use.net.Close()
		use = nil
	}
	return reply, err
}

func (c *Client) connect(ctx context.Context) (*conn, error) {
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, err
	}
	fresh := &conn{net: raw, in: bufio.NewReader(raw)}
	if c.password != "" {
		if _, err := fresh.do(ctx, "AUTH", c.password); err != nil {
			raw.Close()
			return nil, err
		}
	}
	return fresh, nil
}

// Close gives back every connection that is not in use.
func (c *Client) Close() {
	for range cap(c.slots) {
		select {
		case use := <-c.slots:
			if use != nil {
				use.net.Close()
			}
		default:
			return
		}
	}
}

func (c *conn) do(ctx context.Context, args ...string) (any, error) {
	deadline, _ := ctx.Deadline()
	c.net.SetDeadline(deadline)
	defer context.AfterFunc(ctx, func() { c.net.SetDeadline(time.Unix(1, 0)) })()
	if _, err := c.net.Write(Encode(args)); err != nil {
		return nil, err
	}
	return Read(c.in)
}

// Encode writes a command as an array of bulk strings, so that no argument needs quoting.
func Encode(args []string) []byte {
	var out strings.Builder
	fmt.Fprintf(&out, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&out, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return []byte(out.String())
}

// Read takes one reply.
func Read(in *bufio.Reader) (any, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return nil, errors.New("redis: empty reply")
	}
	kind, rest := line[0], line[1:]
	if kind == '+' {
		return rest, nil
	}
	if kind == '-' {
		return nil, Error(rest)
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("redis: reply %q", line)
	}
	switch {
	case kind == ':':
		return n, nil
	case n == -1 && (kind == '$' || kind == '*'):
		return nil, nil
	case n < 0 || n > maxBulk:
		return nil, fmt.Errorf("redis: reply %q", line)
	case kind == '$':
		bulk := make([]byte, n+2)
		_, err := io.ReadFull(in, bulk)
		return string(bulk[:n]), err
	case kind == '*':
		list := make([]any, 0, min(n, 1024))
		for range n {
			item, err := Read(in)
			var refused Error
			if errors.As(err, &refused) {
				item, err = refused, nil
			}
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		return list, nil
	}
	return nil, fmt.Errorf("redis: reply %q", line)
}
