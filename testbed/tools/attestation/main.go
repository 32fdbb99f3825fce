// Signs and checks attestations by other people's programs: DSSE envelopes as in-toto's tools do, and what is in them by the
// official types of in-toto's Statement and SLSA's Provenance.
//
//	attestation-check FILE                the statement alone
//	attestation-check --key KEY FILE      an envelope that KEY (public, PEM) signed, and the statement in it
//	attestation-check --sign KEY FILE     the statement in an envelope that KEY (private, PEM) signs, to standard output
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	statement "github.com/in-toto/attestation/go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/secure-systems-lab/go-securesystemslib/signerverifier"
	"google.golang.org/protobuf/encoding/protojson"
)

const payloadType = "application/vnd.in-toto+json"

// Extensions of SLSA's predicate are named after who makes them; its types know none.
const extension = "devcluster_result"

func main() {
	key := flag.String("key", "", "a public key")
	sign := flag.String("sign", "", "a private key")
	flag.Parse()
	if err := run(*key, *sign, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(key, sign, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if sign != "" {
		return signed(sign, text)
	}
	if key != "" {
		if text, err = opened(key, text); err != nil {
			return err
		}
	}
	return checked(text)
}

func load(path string) (dsse.SignerVerifier, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := signerverifier.LoadKey(text)
	if err != nil {
		return nil, err
	}
	if key.KeyType == signerverifier.ED25519KeyType {
		return signerverifier.NewED25519SignerVerifierFromSSLibKey(key)
	}
	return signerverifier.NewECDSASignerVerifierFromSSLibKey(key)
}

func signed(path string, text []byte) error {
	key, err := load(path)
	if err != nil {
		return err
	}
	signer, err := dsse.NewEnvelopeSigner(key)
	if err != nil {
		return err
	}
	envelope, err := signer.SignPayload(context.Background(), payloadType, text)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(envelope)
}

func opened(path string, text []byte) ([]byte, error) {
	key, err := load(path)
	if err != nil {
		return nil, err
	}
	var envelope dsse.Envelope
	if err := json.Unmarshal(text, &envelope); err != nil {
		return nil, err
	}
	if envelope.PayloadType != payloadType {
		return nil, fmt.Errorf("payloadType is %q", envelope.PayloadType)
	}
	verifier, err := dsse.NewEnvelopeVerifier(key)
	if err != nil {
		return nil, err
	}
	if _, err := verifier.Verify(context.Background(), &envelope); err != nil {
		return nil, err
	}
	return envelope.DecodeB64Payload()
}

func checked(text []byte) error {
	var whole statement.Statement
	if err := protojson.Unmarshal(text, &whole); err != nil {
		return err
	}
	if err := whole.Validate(); err != nil {
		return err
	}
	predicate := whole.GetPredicate()
	delete(predicate.GetFields(), extension)
	rest, err := protojson.Marshal(predicate)
	if err != nil {
		return err
	}
	var built provenance.Provenance
	if err := protojson.Unmarshal(rest, &built); err != nil {
		return err
	}
	return built.Validate()
}
