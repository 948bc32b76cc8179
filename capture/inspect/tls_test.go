package inspect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// testCert makes a certificate with as many names.
func testCert(t testing.TB, names int) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server.example"},
		NotBefore: time.Unix(1_600_000_000, 0), NotAfter: time.Unix(4_000_000_000, 0)}
	for i := range names {
		template.DNSNames = append(template.DNSNames, fmt.Sprintf("a-rather-long-name-%d.example", i))
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// recorder keeps what two ends of a connection write, in order.
type recorder struct {
	sync.Mutex
	turns []turn
}

type recorded struct {
	net.Conn
	r    *recorder
	from int
}

func (c recorded) Write(b []byte) (int, error) {
	c.r.Lock()
	c.r.turns = append(c.r.turns, turn{c.from, string(b)})
	c.r.Unlock()
	return c.Conn.Write(b)
}

// testPipe is a connection that buffers: both ends may write at once.
func testPipe(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("no loopback network: ", err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// talkTLS runs a real handshake and one exchange, and returns what was written. The handshake may fail.
func talkTLS(t testing.TB, client, server *tls.Config) []turn {
	t.Helper()
	var r recorder
	a, b := testPipe(t)
	deadline := time.Now().Add(10 * time.Second)
	a.SetDeadline(deadline)
	b.SetDeadline(deadline)
	var wait sync.WaitGroup
	wait.Go(func() {
		defer b.Close()
		s := tls.Server(recorded{b, &r, 1}, server)
		buf := make([]byte, 100)
		if _, err := s.Read(buf); err == nil {
			s.Write([]byte("the answer"))
		}
	})
	c := tls.Client(recorded{a, &r, 0}, client)
	if _, err := c.Write([]byte("the question")); err == nil {
		io.ReadFull(c, make([]byte, 10))
	}
	a.Close()
	wait.Wait()
	return r.turns
}

func TestTLS(t *testing.T) {
	cert, large := testCert(t, 0), testCert(t, 700)
	for version := uint16(tls.VersionTLS10); version <= tls.VersionTLS13; version++ {
		name := tls.VersionName(version)
		for _, mutual := range []string{"not requested", "sent", "requested"} {
			t.Run(name+"/"+mutual, func(t *testing.T) {
				client := &tls.Config{ServerName: "Server.Example", InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}, MinVersion: version, MaxVersion: version}
				server := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS10}
				if mutual != "not requested" {
					server.ClientAuth = tls.RequestClientCert
					server.Certificates[0] = large
				}
				if mutual == "sent" {
					client.Certificates = []tls.Certificate{cert}
				}
				want := []string{"protocol tls", "offered " + name, "name sni server.example"}
				if version < tls.VersionTLS12 {
					want = append(want, "note "+name+" in use")
				}
				if version == tls.VersionTLS13 {
					want = append(want, "alpn offers h2,http/1.1", "server-cert hidden", "client-cert hidden")
				} else {
					want = append(want, "alpn http/1.1", "server-cert sent", "client-cert "+mutual)
				}
				want = append(want, "encrypted "+name)
				turns := talkTLS(t, client, server)
				if mutual == "not requested" && version >= tls.VersionTLS12 {
					everyWay(t, overTCP(9876, turns...), want...)
				} else {
					expect(t, overTCP(9876, turns...), want...)
					expect(t, pieces(overTCP(9876, turns...), 7), want...)
				}
			})
		}
	}
}

func TestTLSResumption(t *testing.T) {
	cache := tls.NewLRUClientSessionCache(4)
	client := &tls.Config{ServerName: "server.example", InsecureSkipVerify: true, ClientSessionCache: cache, MaxVersion: tls.VersionTLS12}
	server := &tls.Config{Certificates: []tls.Certificate{testCert(t, 0)}}
	server.SetSessionTicketKeys([][32]byte{{1}})
	talkTLS(t, client, server)
	everyWay(t, overTCP(443, talkTLS(t, client, server)...), "protocol tls", "offered TLS 1.2", "name sni server.example", "note resumed session",
		"server-cert hidden", "client-cert hidden", "encrypted TLS 1.2")
}

// TestTLSRefused holds that a ClientHello alone, or answered by an alert, is not encryption.
func TestTLSRefused(t *testing.T) {
	client := &tls.Config{ServerName: "server.example", InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}
	server := &tls.Config{Certificates: []tls.Certificate{testCert(t, 0)}, MinVersion: tls.VersionTLS13}
	turns := talkTLS(t, client, server)
	everyWay(t, overTCP(443, turns...), "protocol tls", "offered TLS 1.2", "name sni server.example", "note handshake refused: protocol version")
	expect(t, overTCP(443, turns[0]), "protocol tls", "offered TLS 1.2", "name sni server.example")
	expect(t, overTCP(443, turns[0], resp("HTTP/1.1 400 Bad Request\r\n\r\n")), "protocol tls", "offered TLS 1.2", "name sni server.example",
		"note the answer to the ClientHello is not TLS")
}

func TestTLSRetry(t *testing.T) {
	client := &tls.Config{ServerName: "server.example", InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP384}}
	server := &tls.Config{Certificates: []tls.Certificate{testCert(t, 0)}, CurvePreferences: []tls.CurveID{tls.CurveP384}}
	turns := talkTLS(t, client, server)
	want := []string{"protocol tls", "offered TLS 1.3", "name sni server.example", "server-cert hidden", "client-cert hidden", "encrypted TLS 1.3"}
	everyWay(t, overTCP(443, turns...), want...)
	onlyRetry := slices.Clone(turns[:2]) // ClientHello, HelloRetryRequest
	expect(t, overTCP(443, onlyRetry...), want[:3]...)
}

func TestTLSMidstream(t *testing.T) {
	turns := talkTLS(t, &tls.Config{InsecureSkipVerify: true}, &tls.Config{Certificates: []tls.Certificate{testCert(t, 0)}})
	data := turns[len(turns)-1]
	expect(t, midstream(overTCP(443, data)), "protocol tls", "encrypted TLS")
	expect(t, overTCP(443, data), "protocol unknown", "printable "+printableShare(data.data))
	expect(t, midstream(overTCP(443, turn{0, data.data[:len(data.data)-1]})), "protocol unknown", "printable "+printableShare(data.data[:len(data.data)-1]))
}

func printableShare(s string) string {
	n := strings.Count(s, "\t") + strings.Count(s, "\r") + strings.Count(s, "\n")
	for _, b := range []byte(s) {
		if b >= ' ' && b <= '~' {
			n++
		}
	}
	return fmt.Sprint(100 * n / len(s))
}

// testRecords cuts handshake messages into records of at most size bytes.
func testRecords(size int, messages ...[]byte) []byte {
	var out []byte
	for all := slices.Concat(messages...); len(all) > 0; {
		n := min(len(all), size)
		out = append(out, 22, 3, 1, byte(n>>8), byte(n))
		out, all = append(out, all[:n]...), all[n:]
	}
	return out
}

func testMessage(kind byte, body ...byte) []byte {
	return append([]byte{kind, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

// testHello is a ClientHello that offers TLS 1.2 for a name, with so much padding.
func testHello(name string, padding int) []byte {
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0, 0, 4, 0xca, 0xca, 0xc0, 0x2f, 1, 0)
	sni := binary.BigEndian.AppendUint16(nil, uint16(len(name)+3))
	sni = binary.BigEndian.AppendUint16(append(sni, 0), uint16(len(name)))
	extensions := testExtension(0xfafa)
	extensions = append(extensions, testExtension(extServerName, append(sni, name...)...)...)
	extensions = append(extensions, testExtension(21, make([]byte, padding)...)...)
	body = binary.BigEndian.AppendUint16(body, uint16(len(extensions)))
	return testMessage(msgClientHello, append(body, extensions...)...)
}

func testExtension(kind uint16, data ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(data))), data...)
}

func testClientHello(name string, padding int) []byte {
	return testRecords(1<<14, testHello(name, padding))
}

// testServerHello chooses a version and a cipher suite, as TLS 1.2 does.
func testServerHello(version, suite uint16) []byte {
	body := binary.BigEndian.AppendUint16(nil, version)
	body = append(append(body, make([]byte, 32)...), 0)
	return testMessage(msgServerHello, append(binary.BigEndian.AppendUint16(body, suite), 0)...)
}

const (
	testChange   = "\x14\x03\x03\x00\x01\x01"
	testFinished = "\x16\x03\x03\x00\x28........................................"
)

func TestTLSByHand(t *testing.T) {
	hello := testHello("a.example", 0)
	head := []string{"protocol tls", "offered TLS 1.2", "name sni a.example"}
	certificate, request, helloDone := testMessage(msgCertificate, 0, 0, 4, 0, 0, 1, 9), testMessage(msgCertificateRequest, 1, 1, 0, 0), testMessage(msgServerHelloDone)
	flight := func(version, suite uint16, more ...[]byte) turn {
		return resp(testRecords(20, slices.Concat(testServerHello(version, suite), certificate, slices.Concat(more...), helloDone)))
	}
	for _, test := range []struct {
		name  string
		turns []turn
		want  []string
	}{
		{"tiny records", []turn{orig(testRecords(3, hello)), resp(testChange)}, nil},
		{"large", []turn{orig(testRecords(4000, testHello("a.example", 14000)))}, nil},
		{"too large", []turn{orig(testRecords(9000, testHello("a.example", 60000)))}, []string{"protocol tls"}},
		{"no change of cipher", []turn{orig(testRecords(99, hello)), flight(tls12, 0xc02f)}, []string{"server-cert sent", "client-cert not requested"}},
		{"null cipher", []turn{orig(testRecords(99, hello)), flight(tls12, 0x003b), orig(testChange + testFinished), resp(testChange + testFinished)},
			[]string{"server-cert sent", "client-cert not requested", "clear TLS with a NULL cipher"}},
		{"ssl 3.0 export", []turn{orig(testRecords(99, hello)), flight(0x300, 3), orig(testChange + testFinished), resp(testChange + testFinished)},
			[]string{"note SSL 3.0 in use", "note weak cipher suite 0x0003 (export)", "server-cert sent", "client-cert not requested", "encrypted SSL 3.0"}},
		{"request, capture ends", []turn{orig(testRecords(99, hello)), flight(tls12, 0xc02f, request)}, []string{"server-cert sent", "client-cert requested"}},
		{"request, no answer", []turn{orig(testRecords(99, hello)), flight(tls12, 0xc02f, request), orig(testRecords(99, testMessage(msgCertificate, 0, 0, 0))), resp(testChange)},
			[]string{"server-cert sent", "client-cert requested", "encrypted TLS 1.2"}},
		{"application data without handshake", []turn{orig(testRecords(99, hello)), resp("\x17\x03\x03\x00\x14....................")}, nil},
		{"ssl 2 hello", []turn{orig("\x80\x1f\x01\x03\x01\x00\x06\x00\x00\x00\x10\x00\x00\x2f\x00\x00\x35................"), flight(0x301, 0x2f), orig(testChange), resp(testChange)},
			[]string{"protocol tls", "offered TLS 1.0", "note TLS 1.0 in use", "server-cert sent", "client-cert not requested", "encrypted TLS 1.0"}},
		{"ssl 2", []turn{orig("\x80\x1c\x01\x00\x02\x00\x03\x00\x00\x00\x10\x01\x00\x80................"), resp("\x80\x0d\x04\x00\x01\x00\x02\x00\x00\x00\x00\x00\x02.."),
			orig("\x80\x10\x02.............."), resp("\x80\x10................")}, []string{"protocol tls", "offered SSL 2.0", "note SSL 2.0 in use", "encrypted SSL 2.0"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := test.want
			if len(want) == 0 || !strings.HasPrefix(want[0], "protocol") {
				want = slices.Concat(head, want)
			}
			everyWay(t, overTCP(5061, test.turns...), want...)
		})
	}
}

func TestNotTLS(t *testing.T) {
	for _, s := range []string{"\x16\x03\x01\x00\x05\x00\x00\x00\x01x", "\x16\x03\x05\x02\x00\x01", "\x16\x03\x01\x02\x00\x01\x00\x00\x01\x03\x03",
		"\x15\x03\x01\x00\x02\x03\x28", "\x80\x1f\x01\x03\x01\x00\x06\x00\x00\x00\x11"} {
		facts, _, _ := run(t, overTCP(443, orig(s+strings.Repeat("x", 600)))...)
		if len(facts) != 2 || facts[0].Value != "unknown" {
			t.Errorf("%q: %v", s, words(facts))
		}
	}
}
