package inspect

import (
	"encoding/binary"
	"slices"
	"testing"
)

// testDTLS is a record of an epoch.
func testDTLS(kind byte, epoch uint16, content ...byte) string {
	b := []byte{kind, 0xfe, 0xfd, byte(epoch >> 8), byte(epoch), 0, 0, 0, 0, 0, 1}
	return string(append(binary.BigEndian.AppendUint16(b, uint16(len(content))), content...))
}

// testFragments cuts a TLS handshake message into DTLS fragments, each in a record.
func testFragments(number byte, message []byte, size int) []string {
	body, total := message[4:], message[1:4]
	var out []string
	for offset := 0; offset < max(len(body), 1); offset += size {
		part := body[offset:min(len(body), offset+size)]
		head := append([]byte{message[0]}, total...)
		head = append(head, 0, number, 0, byte(offset>>8), byte(offset), 0, byte(len(part)>>8), byte(len(part)))
		out = append(out, testDTLS(recordHandshake, 0, append(head, part...)...))
	}
	return out
}

// testDTLSHello is testHello with a cookie, for DTLS 1.2 or with extensions.
func testDTLSHello(cookie string) []byte {
	body := testHello("dtls.example", 700)[4:]
	body[0], body[1] = 0xfe, 0xfd
	b := append(slices.Clone(body[:35]), byte(len(cookie)))
	return testMessage(msgClientHello, append(append(b, cookie...), body[35:]...)...)
}

func testDTLSServerHello(version uint16) []byte { return testServerHello(version, 0xc02f) }

// testDTLS13ServerHello chooses in an extension.
func testDTLS13ServerHello() []byte {
	b := testServerHello(dtls12, 0x1301)[4:]
	extension := testExtension(extSupportedVersions, 0xfe, 0xfc)
	return testMessage(msgServerHello, append(append(b, 0, byte(len(extension))), extension...)...)
}

func TestDTLS(t *testing.T) {
	first, second := testFragments(0, testDTLSHello(""), 2000), testFragments(1, testDTLSHello("cookie"), 300)
	verify := testFragments(0, testMessage(3, 0xfe, 0xff, 2, 'a', 'b'), 100)
	flight := func(hello []byte, messages ...[]byte) turn {
		datagram := ""
		for i, m := range append([][]byte{hello}, messages...) {
			for _, f := range testFragments(byte(1+i), m, 60) {
				datagram += f
			}
		}
		return resp(datagram)
	}
	certificate := testMessage(msgCertificate, append([]byte{0, 0, 100}, make([]byte, 100)...)...)
	request, helloDone := testMessage(msgCertificateRequest, 1, 1, 0, 0), testMessage(msgServerHelloDone)
	change, finished := testDTLS(recordChange, 0, 1), testDTLS(recordHandshake, 1, make([]byte, 40)...)
	head := []string{"protocol dtls", "offered DTLS 1.2", "name sni dtls.example"}
	begin := []turn{orig(first[0]), resp(verify[0]), orig(second[1]), orig(second[0]), orig(second[2])}
	for _, test := range []struct {
		name  string
		turns []turn
		want  []string
	}{
		{"hello alone", []turn{orig(second[2]), orig(second[0]), orig(second[1])}, head},
		{"1.2", append(slices.Clone(begin), flight(testDTLSServerHello(dtls12), certificate, helloDone), orig(change+finished), resp(change+finished)),
			slices.Concat(head, []string{"server-cert sent", "client-cert not requested", "encrypted DTLS 1.2"})},
		{"1.0 mutual", append(slices.Clone(begin), flight(testDTLSServerHello(dtls10), certificate, request, helloDone),
			orig(testFragments(2, certificate, 50)[0]+change+finished), resp(change+finished)),
			slices.Concat(head, []string{"note DTLS 1.0 in use", "server-cert sent", "client-cert sent", "encrypted DTLS 1.0"})},
		{"flight lost in part", append(slices.Clone(begin), flight(testDTLSServerHello(dtls12), certificate),
			resp(testFragments(4, helloDone, 60)[0]), orig(change+finished), resp(change+finished)),
			slices.Concat(head, []string{"server-cert sent", "client-cert hidden", "encrypted DTLS 1.2"})},
		{"flight out of order", append(slices.Clone(begin), flight(testDTLSServerHello(dtls12), certificate),
			resp(testFragments(4, helloDone, 60)[0]), resp(testFragments(3, request, 60)[0]), orig(change+finished), resp(change+finished)),
			slices.Concat(head, []string{"server-cert sent", "client-cert requested", "encrypted DTLS 1.2"})},
		{"1.3", append(slices.Clone(begin), resp(testFragments(1, testDTLS13ServerHello(), 999)[0]+"\x2e\x12\x34\x00\x20................................")),
			slices.Concat(head, []string{"server-cert hidden", "client-cert hidden", "encrypted DTLS 1.3"})},
		{"refused", append(slices.Clone(begin), resp(testDTLS(recordAlert, 0, 2, 40))), slices.Concat(head, []string{"note handshake refused: handshake failure"})},
		{"midstream", []turn{resp(testDTLS(recordApplication, 1, make([]byte, 30)...))}, []string{"protocol dtls", "encrypted DTLS"}},
		{"behind stun", slices.Concat([]turn{orig(testSTUN()), resp(testSTUN())}, begin), slices.Concat([]string{"protocol stun"}, head)},
		{"in a turn channel", []turn{orig(testSTUN()), resp(testSTUN()), orig("\x40\x01" + string(binary.BigEndian.AppendUint16(nil, uint16(len(first[0])))) + first[0])},
			slices.Concat([]string{"protocol stun"}, head)},
		{"in a turn indication", []turn{orig(testSTUN()), orig(testSTUN(testExtension(stunData, []byte(first[0])...)...))}, slices.Concat([]string{"protocol stun"}, head)},
	} {
		t.Run(test.name, func(t *testing.T) { expect(t, overUDP(5684, test.turns...), test.want...) })
	}
}

func testSTUN(attributes ...byte) string {
	for len(attributes)%4 != 0 {
		attributes = append(attributes, 0)
	}
	b := binary.BigEndian.AppendUint16([]byte{0, 1}, uint16(len(attributes)))
	b = binary.BigEndian.AppendUint32(b, stunCookie)
	return string(append(append(b, "transaction."...), attributes...))
}
