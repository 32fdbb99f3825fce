// A pool of connections with an upper bound.
package postgres

import (
	"context"
	"errors"
)

type Pool struct {
	config Config
	slots  chan *Conn // nil: a connection that has yet to be made
}

func NewPool(config Config, size int) *Pool {
	p := &Pool{config: config, slots: make(chan *Conn, size)}
	for range size {
		p.slots <- nil
	}
	return p
}

// Query runs one statement on a connection of its own. A statement that meets a connection which the server
// closed while it lay idle is run once more, on a new one: so only statements that may run twice belong here.
func (p *Pool) Query(ctx context.Context, statement string, args ...any) (*Result, error) {
	var c *Conn
	select {
	case c = <-p.slots:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { p.slots <- c }()

	idle := c != nil
	for {
		if c == nil {
			fresh, err := Connect(ctx, p.config)
			if err != nil {
				return nil, err
			}
			c = fresh
		}
		result, err := c.Query(ctx, statement, args...)
		var reported *Error
		if errors.As(err, &reported) && (reported.Severity == "FATAL" || reported.Code == "57P01") {
			c.broken = true
		}
		if c.broken {
			c.net.Close()
			c = nil
			if err != nil && idle && ctx.Err() == nil {
				idle = false
				continue
			}
		}
		return result, err
	}
}

// Close gives back every connection that is not in use.
func (p *Pool) Close() {
	for range cap(p.slots) {
		select {
		case c := <-p.slots:
			if c != nil {
				c.Close()
			}
		default:
			return
		}
	}
}
