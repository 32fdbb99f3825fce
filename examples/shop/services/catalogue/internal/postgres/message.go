// The bytes of PostgreSQL's messages, both ways.
package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

var errShort = errors.New("postgres: message ends early")

func message(out []byte, kind byte, body []byte) []byte {
	out = append(out, kind)
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)+4))
	return append(out, body...)
}

// encode writes the Bind message: every argument as text, every result column as text.
func encode(args []any) ([]byte, error) {
	if len(args) > 65535 {
		return nil, fmt.Errorf("postgres: %d arguments", len(args))
	}
	out := []byte{0, 0, 0, 0} // unnamed portal, unnamed statement, no format codes
	out = binary.BigEndian.AppendUint16(out, uint16(len(args)))
	for _, arg := range args {
		var text string
		switch v := arg.(type) {
		case nil:
			out = binary.BigEndian.AppendUint32(out, 0xffffffff)
			continue
		case string:
			// PostgreSQL's text holds no NUL; said here, the cause is plain.
			if strings.ContainsRune(v, 0) {
				return nil, errors.New("postgres: a text argument holds a NUL byte")
			}
			text = v
		case int:
			text = strconv.Itoa(v)
		case int64:
			text = strconv.FormatInt(v, 10)
		case bool:
			text = strconv.FormatBool(v)
		case time.Time:
			text = v.Format(time.RFC3339Nano)
		default:
			return nil, fmt.Errorf("postgres: no text form for an argument of type %T", arg)
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(text)))
		out = append(out, text...)
	}
	return append(out, 0, 0), nil
}

func parseColumns(body []byte) ([]string, error) {
	if len(body) < 2 {
		return nil, errShort
	}
	columns := make([]string, binary.BigEndian.Uint16(body))
	body = body[2:]
	for i := range columns {
		end := bytes.IndexByte(body, 0)
		if end < 0 || len(body) < end+19 {
			return nil, errShort
		}
		columns[i] = string(body[:end])
		body = body[end+19:] // table, column, type, length, modifier, format
	}
	return columns, nil
}

func parseRow(body []byte) ([]Value, error) {
	if len(body) < 2 {
		return nil, errShort
	}
	row := make([]Value, binary.BigEndian.Uint16(body))
	body = body[2:]
	for i := range row {
		if len(body) < 4 {
			return nil, errShort
		}
		size := int32(binary.BigEndian.Uint32(body))
		body = body[4:]
		if size < 0 {
			row[i].Null = true
			continue
		}
		if len(body) < int(size) {
			return nil, errShort
		}
		row[i].Text = string(body[:size])
		body = body[size:]
	}
	return row, nil
}

func parseError(body []byte) *Error {
	e := &Error{}
	for len(body) > 1 {
		field, text := body[0], cString(body[1:])
		switch field {
		case 'S':
			e.Severity = text
		case 'C':
			e.Code = text
		case 'M':
			e.Message = text
		case 'D':
			e.Detail = text
		}
		body = body[min(len(body), len(text)+2):]
	}
	return e
}

func cString(body []byte) string {
	text, _, _ := bytes.Cut(body, []byte{0})
	return string(text)
}

func offers(list []byte, wanted string) bool {
	for name := range bytes.SplitSeq(list, []byte{0}) {
		if string(name) == wanted {
			return true
		}
	}
	return false
}
