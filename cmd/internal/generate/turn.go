package main

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// turn is what one side says before the other does: head, then between least and most bytes without pattern, as TLS records of 16 KB or plain.
// Heads are shared between conversations. Of a datagram the first two bytes of head may be a number of its own (see service.numbered).
type turn struct {
	orig        bool
	head        []byte
	least, most int
	records     bool
}

func asks[T string | []byte](head T) turn    { return turn{orig: true, head: []byte(head)} }
func answers[T string | []byte](head T) turn { return turn{head: []byte(head)} }

// then adds bytes without pattern, sealed those in TLS records.
func (t turn) then(least, most int) turn {
	t.least, t.most = least, most
	return t
}

func (t turn) sealed(least, most int) turn {
	t.records = true
	return t.then(least, most)
}

func script(parts ...[]turn) []turn {
	var s []turn
	for _, p := range parts {
		s = append(s, p...)
	}
	return s
}

// exchange is a request and its answer in TLS records, n times.
func exchange(n, up, down int) []turn {
	var s []turn
	for range n {
		s = append(s, asks("").sealed(up/2+1, up), answers("").sealed(down/2+1, down))
	}
	return s
}

// handshakes are those of Go's TLS: version 1.2, 1.2 with a client's certificate, 1.3. How often they are run to learn which bytes are random:
// a random byte is the same every time once in 256^(runs-1).
type handshakes struct{ old, mutual, current []turn }

const runs = 8

// record runs each handshake some times. The bytes that differ are random, and get values from the seed, so that the same seed writes the same file.
func record(random *rand.ChaCha8) (h handshakes, err error) {
	for _, k := range []struct {
		to      *[]turn
		version uint16
		mutual  bool
	}{{&h.old, tls.VersionTLS12, false}, {&h.mutual, tls.VersionTLS12, true}, {&h.current, tls.VersionTLS13, false}} {
		var all [runs][]turn
		for i := range all {
			if all[i], err = handshake(k.version, k.mutual); err != nil {
				return h, fmt.Errorf("record a handshake of TLS %#x: %w", k.version, err)
			}
		}
		if *k.to, err = settle(all[:], random); err != nil {
			return h, fmt.Errorf("record a handshake of TLS %#x: %w", k.version, err)
		}
	}
	return h, nil
}

func settle(all [][]turn, random *rand.ChaCha8) ([]turn, error) {
	first := all[0]
	for i := range first {
		replacement := make([]byte, len(first[i].head))
		random.Read(replacement)
		differs := make([]bool, len(first[i].head))
		for _, other := range all[1:] {
			if len(other) != len(first) || len(other[i].head) != len(first[i].head) {
				return nil, errors.New("two runs have different lengths")
			}
			for j, b := range other[i].head {
				differs[j] = differs[j] || b != first[i].head[j]
			}
		}
		for j, random := range differs {
			if random {
				first[i].head[j] = replacement[j]
			}
		}
	}
	return first, nil
}

// tap keeps what its side writes.
type tap struct {
	net.Conn
	orig bool
	to   *tape
}

type tape struct {
	sync.Mutex
	turns []turn
}

func (t tap) Write(b []byte) (int, error) {
	t.to.Lock()
	if n := len(t.to.turns); n > 0 && t.to.turns[n-1].orig == t.orig {
		t.to.turns[n-1].head = append(t.to.turns[n-1].head, b...)
	} else {
		t.to.turns = append(t.to.turns, turn{orig: t.orig, head: append([]byte(nil), b...)})
	}
	t.to.Unlock()
	return t.Conn.Write(b)
}

// handshake uses Ed25519, whose keys and signatures have one length, and a certificate that is the same every time.
func handshake(version uint16, mutual bool) ([]turn, error) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	when := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	template := &x509.Certificate{SerialNumber: big.NewInt(2026), Subject: pkix.Name{CommonName: "backup.corp.example"}, DNSNames: []string{"backup.corp.example"},
		NotBefore: when, NotAfter: when.AddDate(2, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	own := []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	server := &tls.Config{Certificates: own, MinVersion: version, MaxVersion: version, SessionTicketsDisabled: true}
	client := &tls.Config{ServerName: "backup.corp.example", MinVersion: tls.VersionTLS12, MaxVersion: version, InsecureSkipVerify: true} // nobody to trust here
	if mutual {
		server.ClientAuth, client.Certificates = tls.RequireAnyClientCert, own
	}
	var made tape
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	served := make(chan error, 1)
	go func() { served <- tls.Server(tap{b, false, &made}, server).Handshake() }()
	err = tls.Client(tap{a, true, &made}, client).Handshake()
	a.SetDeadline(time.Now().Add(time.Second)) // a client that failed leaves the server waiting
	return made.turns, errors.Join(err, <-served)
}

// ber is one element of ASN.1's basic encoding, with a length of three bytes where one does not do.
func ber(tag byte, parts ...string) string {
	body := ""
	for _, p := range parts {
		body += p
	}
	if len(body) < 128 {
		return string([]byte{tag, byte(len(body))}) + body
	}
	return string(binary.BigEndian.AppendUint16([]byte{tag, 0x82}, uint16(len(body)))) + body
}
