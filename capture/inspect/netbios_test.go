package inspect

import (
	"fmt"
	"slices"
	"testing"
)

func testNetbios(name string, suffix byte) string {
	plain := fmt.Sprintf("%-15s", name) + string([]byte{suffix})
	encoded := []byte{32}
	for _, c := range []byte(plain) {
		encoded = append(encoded, 'A'+c>>4, 'A'+c&15)
	}
	return string(encoded) + "\x00"
}

func TestNetbiosService(t *testing.T) {
	registration := func(name string, suffix byte, flags string) string {
		return "\x12\x34\x29\x10\x00\x01\x00\x00\x00\x00\x00\x01" + testNetbios(name, suffix) + "\x00\x20\x00\x01\xc0\x0c\x00\x20\x00\x01\x00\x04\x93\xe0\x00\x06" + flags + "\x00\xc0\x00\x02\x09"
	}
	query := "\x12\x34\x01\x10\x00\x01" + zeros(6) + testNetbios("SERVER7", 0x20) + "\x00\x20\x00\x01"
	response := func(code string, data string) string {
		return "\x12\x34\x85" + code + zeros(3) + "\x01" + zeros(4) + testNetbios("SERVER7", 0x20) + "\x00\x20\x00\x01\x00\x00\x00\x3c" + data
	}
	facts := []string{"protocol netbios-ns", "clear NetBIOS name service in clear"}
	for _, c := range []struct {
		name  string
		turns []turn
		names []string
	}{
		{"registrations", []turn{orig(registration("PC9", 0, "\x00")), orig(registration("PC9", 0x20, "\x60")), orig(registration("WORKGROUP", 0, "\x80")), orig(registration("USER", 3, "\x00")), orig(registration("MY PC", 0, "\x00"))},
			[]string{"netbios invalid IP asks pc9: 192.0.2.9 until 300000 s", "netbios invalid IP asks pc9: 192.0.2.9 until 300000 s"}},
		{"answer", []turn{orig(query), resp(response("\x00", "\x00\x0c\x60\x00\xc0\x00\x02\x07\x60\x00\x00\x00\x00\x00"))}, []string{"netbios invalid IP asks server7: 192.0.2.7 until 60 s"}},
		{"refusal", []turn{orig(query), resp(response("\x03", "\x00\x06\x60\x00\xc0\x00\x02\x07"))}, nil},
		{"cut", []turn{resp(response("\x00", "\x00\x06\x60\x00\xc0\x00"))}, nil},
	} {
		got, names, _ := run(t, overUDP(137, c.turns...)...)
		if !slices.Equal(words(got), facts) || !slices.Equal(nameWords(names), c.names) && len(names)+len(c.names) > 0 {
			t.Errorf("%s: %q %q", c.name, words(got), nameWords(names))
		}
	}
}

func TestNetbiosDatagram(t *testing.T) {
	datagram := "\x11\x02\x00\x01\xc0\x00\x02\x09\x00\x8a\x00\xbb\x00\x00" + testNetbios("PC9", 0) + testNetbios("WORKGROUP", 0x1e) + random(60)
	expect(t, overUDP(138, orig(datagram)), "protocol netbios-dgm", "clear NetBIOS datagram in clear")
	if facts, _, _ := run(t, overUDP(138, orig(datagram[:40]))...); slices.Contains(words(facts), "protocol netbios-dgm") {
		t.Error("a name that is cut is recognised")
	}
}
