// Goverify verifies signatures with Go's standard library, as an implementation that shares no code with OpenSSL.
//
// It reads JSON lines from standard input and answers each with one line, in order:
//
//	{"alg":"ECDSA_SHA_256","publicKeySpkiBase64":"…","messageBase64":"…","signatureBase64":"…"}
//	{"valid":true}
//
// Algorithms are named as in src/model/algorithm.ts. A PSS salt must be as long as the hash; an ECDSA signature is DER.
// What it does not know (secp256k1, ML-DSA) or cannot read is {"error":"…"}, never {"valid":false}.
package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// A line holds a message of at most this many bytes in base64, with room for the rest.
const lineBytesMax = 16 << 20

type request struct {
	Alg       string `json:"alg"`
	PublicKey string `json:"publicKeySpkiBase64"`
	Message   string `json:"messageBase64"`
	Signature string `json:"signatureBase64"`
}

type answer struct {
	Valid *bool  `json:"valid,omitempty"`
	Error string `json:"error,omitempty"`
}

var hashes = map[string]crypto.Hash{
	"SHA_256": crypto.SHA256,
	"SHA_384": crypto.SHA384,
	"SHA_512": crypto.SHA512,
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, lineBytesMax)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		valid, err := verify(lines.Bytes())
		reply := answer{Valid: &valid}
		if err != nil {
			reply = answer{Error: err.Error()}
		}
		if err := answers.Encode(reply); err != nil {
			fail(err)
		}
	}
	if err := lines.Err(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "goverify:", err)
	os.Exit(1)
}

func verify(line []byte) (bool, error) {
	var req request
	if err := json.Unmarshal(line, &req); err != nil {
		return false, err
	}
	var spki, message, signature []byte
	for _, field := range []struct {
		from string
		to   *[]byte
	}{{req.PublicKey, &spki}, {req.Message, &message}, {req.Signature, &signature}} {
		decoded, err := base64.StdEncoding.Strict().DecodeString(field.from)
		if err != nil {
			return false, err
		}
		*field.to = decoded
	}
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return false, err
	}
	switch key := parsed.(type) {
	case *rsa.PublicKey:
		return verifyRSA(key, req.Alg, message, signature)
	case *ecdsa.PublicKey:
		_, digest, err := hashed(req.Alg, "ECDSA_", message)
		if err != nil {
			return false, err
		}
		return ecdsa.VerifyASN1(key, digest, signature), nil
	case ed25519.PublicKey:
		return verifyEd25519(key, req.Alg, message, signature)
	}
	return false, fmt.Errorf("no rule for a key of type %T", parsed)
}

func verifyRSA(key *rsa.PublicKey, alg string, message, signature []byte) (bool, error) {
	if strings.HasPrefix(alg, "RSASSA_PSS_") {
		hash, digest, err := hashed(alg, "RSASSA_PSS_", message)
		if err != nil {
			return false, err
		}
		options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return rsa.VerifyPSS(key, hash, digest, signature, options) == nil, nil
	}
	hash, digest, err := hashed(alg, "RSASSA_PKCS1_V1_5_", message)
	if err != nil {
		return false, err
	}
	return rsa.VerifyPKCS1v15(key, hash, digest, signature) == nil, nil
}

func verifyEd25519(key ed25519.PublicKey, alg string, message, signature []byte) (bool, error) {
	switch alg {
	case "ED25519_SHA_512":
		return ed25519.Verify(key, message, signature), nil
	case "ED25519_PH_SHA_512":
		_, digest, err := hashed(alg, "ED25519_PH_", message)
		if err != nil {
			return false, err
		}
		return ed25519.VerifyWithOptions(key, digest, signature, &ed25519.Options{Hash: crypto.SHA512}) == nil, nil
	}
	return false, errors.New("no such algorithm for Ed25519: " + alg)
}

// hashed hashes the message by the hash that the algorithm's name ends with.
func hashed(alg, prefix string, message []byte) (crypto.Hash, []byte, error) {
	name, found := strings.CutPrefix(alg, prefix)
	hash, known := hashes[name]
	if !found || !known {
		return 0, nil, errors.New("no such algorithm for this key: " + alg)
	}
	state := hash.New()
	state.Write(message)
	return hash, state.Sum(nil), nil
}
