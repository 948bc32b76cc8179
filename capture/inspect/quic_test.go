package inspect

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/quic"
)

type recordedPackets struct {
	net.PacketConn
	r    *recorder
	from int
}

func (c recordedPackets) WriteTo(b []byte, to net.Addr) (int, error) {
	c.r.Lock()
	c.r.turns = append(c.r.turns, turn{c.from, string(b)})
	c.r.Unlock()
	return c.PacketConn.WriteTo(b, to)
}

// talkQUIC runs a real handshake of QUIC version 1 and returns the datagrams.
func talkQUIC(t testing.TB, retry bool, server *tls.Config) []turn {
	t.Helper()
	var r recorder
	var ends [2]*quic.Endpoint
	config := &quic.Config{TLSConfig: server, RequireAddressValidation: retry}
	for i, c := range []*quic.Config{nil, config} {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Skip("no loopback network: ", err)
		}
		if ends[i], err = quic.NewEndpoint(recordedPackets{conn, &r, i}, c); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var wait sync.WaitGroup
	wait.Go(func() { ends[1].Accept(ctx) })
	client := &quic.Config{TLSConfig: &tls.Config{ServerName: "quic.example", InsecureSkipVerify: true, NextProtos: []string{"h3"}, MinVersion: tls.VersionTLS13}}
	_, err := ends[0].Dial(ctx, "udp", ends[1].LocalAddr().String(), client)
	if err != nil && server.MinVersion == tls.VersionTLS13 {
		t.Fatal(err)
	}
	cancel()
	wait.Wait()
	for _, e := range ends {
		e.Close(ctx)
	}
	r.Lock()
	defer r.Unlock()
	return slices.Clone(r.turns)
}

var quicWant = []string{"protocol quic", "offered TLS 1.3", "name sni quic.example", "alpn offers h3", "encrypted QUIC 1 (TLS 1.3)", "server-cert hidden", "client-cert hidden"}

func TestQUIC(t *testing.T) {
	server := &tls.Config{Certificates: []tls.Certificate{testCert(t, 0)}, NextProtos: []string{"h3"}, MinVersion: tls.VersionTLS13}
	for _, retry := range []bool{false, true} {
		turns := talkQUIC(t, retry, server)
		expect(t, overUDP(4433, turns...), quicWant...)
		h := newHarness()
		h.sendBatch(overUDP(443, turns...)[:min(len(turns), 200)])
		h.close(t)
		if got := words(h.conns[0].Facts); !slices.Equal(got, quicWant) {
			t.Errorf("in one batch: %v", got)
		}
		var clients []turn
		for _, u := range turns {
			if u.from == 0 {
				clients = append(clients, u)
			}
		}
		expect(t, overUDP(443, clients...), quicWant[:4]...)
	}
}

// TestQUICKeys compares with RFC 9001, appendix A.1, and RFC 9369, appendix A.1.
func TestQUICKeys(t *testing.T) {
	dcid, _ := hex.DecodeString("8394c8f03e515708")
	for version, want := range map[uint32]string{
		quicV1: "1f369613dd76d5467730efcbe3b1a22d fa044b2f42a3fd3b46fb255c 9f50449e04a0e810283a1e9933adedd2",
		quicV2: "8b1a0bc121284290a29e0971b5cd045d 91f73e2351d8fa91660e909f 45b95e15235d6f45a6b19cbcb0294ba9",
	} {
		key, iv, hp := quicSecrets(version, dcid)
		if got := hex.EncodeToString(key) + " " + hex.EncodeToString(iv) + " " + hex.EncodeToString(hp); got != want {
			t.Errorf("version %#x: %s", version, got)
		}
	}
}

// testLong is the beginning of a packet with a long header, up to the length.
func testLong(version uint32, kind quicKind, dcid, scid string) []byte {
	if version == quicV2 {
		kind = (kind + 1) & 3
	}
	b := binary.BigEndian.AppendUint32([]byte{0xc0 | byte(kind)<<4 | 1}, version)
	b = append(append(b, byte(len(dcid))), dcid...)
	b = append(append(b, byte(len(scid))), scid...)
	if kind := quicKind(b[0] >> 4 & 3); kind == quicInitial && version != quicV2 || version == quicV2 && kind == 1 {
		b = append(b, 0)
	}
	return b
}

// testInitial protects frames as a client does, under the keys of a connection id.
func testInitial(version uint32, keyed, dcid string, number uint16, frames []byte) string {
	k := newQUICKeys(version, []byte(keyed))
	frames = append(slices.Clone(frames), make([]byte, max(0, 1150-len(frames)))...)
	b := testLong(version, quicInitial, dcid, "")
	b = binary.BigEndian.AppendUint16(b, 0x4000|uint16(2+len(frames)+16))
	at := len(b)
	b = binary.BigEndian.AppendUint16(b, number)
	nonce := slices.Clone(k.iv)
	binary.BigEndian.PutUint16(nonce[10:], binary.BigEndian.Uint16(nonce[10:])^number)
	b = append(b, k.aead.Seal(nil, nonce, frames, b)...)
	var mask [16]byte
	k.hp.Encrypt(mask[:], b[at+4:at+20])
	b[0] ^= mask[0] & 0x0f
	b[at] ^= mask[1]
	b[at+1] ^= mask[2]
	return string(b)
}

func testCrypto(offset int, data []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{6}, 0x4000|uint16(offset))
	return append(binary.BigEndian.AppendUint16(b, 0x4000|uint16(len(data))), data...)
}

func testHandshakePacket(version uint32) string {
	return string(append(testLong(version, quicHandshake, "", "server12"), append([]byte{30}, make([]byte, 30)...)...))
}

func TestQUICByHand(t *testing.T) {
	hello := testHello("quic.example", 1500)
	ack := []byte{2, 5, 0, 1, 0, 1, 1, 3, 5, 0, 0, 0, 1, 1, 1}
	early := slices.Concat([]byte{1, 0, 0}, testCrypto(1000, hello[1000:]), ack, testCrypto(300, hello[300:400]))
	late := slices.Concat(testCrypto(0, hello[:350]), testCrypto(400, hello[400:1000]))
	retry := string(append(testLong(quicV1, quicRetry, "", "newid123"), "token and its tag of sixteen bytes"...))
	negotiation := "\x80\x00\x00\x00\x00\x00\x08original\x00\x00\x00\x01"
	names := []string{"protocol quic", "offered TLS 1.2", "name sni quic.example"} // as testHello offers
	proof := func(v string) []string {
		return slices.Concat(names, []string{"encrypted QUIC " + v + " (TLS 1.3)", "server-cert hidden", "client-cert hidden"})
	}
	v1 := func(keyed, dcid string, number uint16, frames []byte) turn {
		return orig(testInitial(quicV1, keyed, dcid, number, frames))
	}
	for _, test := range []struct {
		name  string
		turns []turn
		want  []string
	}{
		{"two initials", []turn{v1("original", "original", 0, late), v1("original", "original", 1, early), resp(testHandshakePacket(quicV1))}, proof("1")},
		{"disordered", []turn{v1("original", "original", 1, early), v1("original", "original", 0, late), resp(testHandshakePacket(quicV1))}, proof("1")},
		{"new destination, old keys", []turn{v1("original", "original", 0, late), v1("original", "server12", 1, early)}, names},
		{"retry", []turn{v1("original", "original", 0, late), resp(retry), v1("newid123", "newid123", 1, late), v1("newid123", "newid123", 2, early)}, names},
		{"half", []turn{v1("original", "original", 0, late)}, names[:1]},
		{"other keys", []turn{v1("mistaken", "original", 0, late), v1("mistaken", "original", 1, early)}, names[:1]},
		{"version 2", []turn{orig(testInitial(quicV2, "original", "original", 0, late)), orig(testInitial(quicV2, "original", "original", 1, early)),
			resp(testHandshakePacket(quicV2))}, proof("2")},
		{"negotiation", []turn{orig("\xc0\xff\x00\x00\x1d\x08original\x00" + string(make([]byte, 1200))), resp(negotiation),
			v1("original", "original", 0, late), v1("original", "original", 1, early)}, names},
		{"coalesced", []turn{v1("original", "original", 0, late), v1("original", "original", 1, early),
			resp(string(append(append(testLong(quicV1, quicInitial, "", "server12"), 25), make([]byte, 25)...)) + testHandshakePacket(quicV1))}, proof("1")},
	} {
		t.Run(test.name, func(t *testing.T) { expect(t, overUDP(8443, test.turns...), test.want...) })
	}
}
