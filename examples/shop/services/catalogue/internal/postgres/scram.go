// SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's half, without channel binding.
package postgres

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

const (
	mechanism     = "SCRAM-SHA-256"
	maxIterations = 1 << 20 // so that a hostile server cannot keep us computing
)

type scram struct {
	user, password, nonce string
	bare                  string
	signature             []byte
	verified              bool
}

func newScram(password string) *scram {
	// PostgreSQL takes the user from the startup message and wants this one empty.
	return &scram{password: password, nonce: rand.Text()}
}

// Exchange runs the client's half with a given nonce: what it sends first, and the answer to the server's challenge.
func Exchange(user, password, nonce, challenge, proof string) (first, final string, err error) {
	s := &scram{user: user, password: password, nonce: nonce}
	first = s.first()
	if final, err = s.final(challenge); err != nil {
		return first, final, err
	}
	return first, final, s.verify(proof)
}

func (s *scram) first() string {
	s.bare = "n=" + s.user + ",r=" + s.nonce
	return "n,," + s.bare
}

func (s *scram) final(challenge string) (string, error) {
	var nonce, salt64, rounds string
	for _, field := range strings.Split(challenge, ",") {
		switch {
		case strings.HasPrefix(field, "r="):
			nonce = field[2:]
		case strings.HasPrefix(field, "s="):
			salt64 = field[2:]
		case strings.HasPrefix(field, "i="):
			rounds = field[2:]
		}
	}
	salt, err := base64.StdEncoding.DecodeString(salt64)
	if err != nil || len(salt) == 0 {
		return "", errors.New("postgres: SCRAM challenge without a salt")
	}
	iterations, err := strconv.Atoi(rounds)
	if err != nil || iterations < 1 || iterations > maxIterations {
		return "", errors.New("postgres: SCRAM challenge with iteration count " + strconv.Quote(rounds))
	}
	if !strings.HasPrefix(nonce, s.nonce) || len(nonce) == len(s.nonce) {
		return "", errors.New("postgres: SCRAM challenge answers another nonce")
	}

	salted, err := pbkdf2.Key(sha256.New, s.password, salt, iterations, sha256.Size)
	if err != nil {
		return "", err
	}
	clientKey := mac(salted, "Client Key")
	storedKey := sha256.Sum256(clientKey)
	withoutProof := "c=biws,r=" + nonce
	signed := s.bare + "," + challenge + "," + withoutProof
	proof := mac(storedKey[:], signed)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	s.signature = mac(mac(salted, "Server Key"), signed)
	return withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

// verify makes sure that the server knows the password too.
func (s *scram) verify(proof string) error {
	signature, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(proof, "v="))
	if err != nil || !strings.HasPrefix(proof, "v=") || s.signature == nil || !hmac.Equal(signature, s.signature) {
		return errors.New("postgres: the server's SCRAM proof is wrong")
	}
	s.verified = true
	return nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
