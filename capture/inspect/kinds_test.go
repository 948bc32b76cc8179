package inspect

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// firstBytes are what a side of each protocol over TCP begins with.
var firstBytes = map[string][]string{
	"http2":       {http2Preface},
	"http":        {"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "PROPFIND /a HTTP/1.0\r\n\r\n"},
	"ssh":         {"SSH-2.0-OpenSSH_9.6\r\n", "SSH-1.5-old\n"},
	"sip":         {"INVITE sip:a@b.example SIP/2.0\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n"},
	"smtp":        {"EHLO a.example\r\n", "HELO a\r\n", "220 mail.example\r\n250 ok\r\n"},
	"ftp":         {"220 files.example\r\n331 password\r\n"},
	"imap":        {"* OK IMAP4rev1 ready\r\n"},
	"pop3":        {"+OK POP3 ready\r\n"},
	"syslog":      {"<34>1 2003-10-11T22:14:15.003Z host\n", "<34>Oct 11 22:14:15 host su: text\n", "40 <34>Oct 11 22:14:15 host su: text and more\n"},
	"smb1":        {session(smbPlain1 + "\x75" + zeros(40))},
	"smb2":        {session(smbPlain2 + "\x40\x00" + zeros(80))},
	"smb3":        {session(smbTransform + zeros(38) + "\x01\x00" + zeros(30))},
	"netbios-ssn": {"\x81\x00\x00\x44" + testNetbios("SERVER7", 0x20) + testNetbios("PC9", 0)},
	"dcerpc":      {"\x05\x00\x0b\x03\x10\x00\x00\x00\x48\x00\x00\x00\x01\x00\x00\x00" + zeros(56), rpcGreeting},
	"kerberos":    {saslBuffer(ber(0x6a, ber(0x30, ber(0xa1, "\x02\x01\x05"), ber(0xa2, "\x02\x01\x0a"))))},
	"ldap":        {ldapBindText(2, ber(0xa3)), ldapSearchText(1, "", 0)},
	"tds":         {tdsHello(tdsPrelogin, 1), tdsLoginText},
	"rdp":         {x224(rdpRequest, "Cookie: a\r\n")},
	"onc-rpc":     {record(call(1, progNFS, 4, 1, be(0, 0, 0, 0))), record(reply(9, be(1)))},
	"dns":         {"\x00\x1b\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01"},
	"openvpn":     {"\x00\x0e\x38" + random(8) + zeros(5)},
}

var allPorts = []uint16{9, 21, 22, 25, 53, 80, 110, 111, 135, 143, 389, 443, 445, 514, 1433, 3389, 5060}

// bareInspector is for what only recognises: it has no table.
var bareInspector = New(nil, Learn{}, nil)

// conversationOn is one that is not read from packets.
func conversationOn(port uint16, opener int) *conversation {
	return &conversation{in: bareInspector, orig: opener, proto: flow.TCP, addrs: [2]netip.Addr{testResp, testOrig}, ports: [2]uint16{port, 49152}}
}

// everyKind gives all protocols, whatever byte they say that they begin with.
func everyKind[K any](by [256][]*K) []*K {
	var all []*K
	for _, kinds := range by {
		for _, k := range kinds {
			if !slices.Contains(all, k) {
				all = append(all, k)
			}
		}
	}
	return all
}

// TestOneProtocolOnly: the beginning of each protocol is that of no other one, on any port and from either side, and no byte that it may
// begin with is left out.
func TestOneProtocolOnly(t *testing.T) {
	samples := map[string][]string{"tls": {string(testClientHello("a.example", 0)), "\x80\x1f\x01\x03\x01\x00\x06\x00\x00\x00\x10\x00\x00\x2f\x00\x00\x35................"}}
	for name, list := range firstBytes {
		samples[name] = list
	}
	kinds := everyKind(streams)
	for name, list := range samples {
		for _, data := range list {
			recognised := false
			for _, port := range allPorts {
				for side := range 2 {
					for opener := -1; opener <= 1; opener++ {
						for _, k := range kinds {
							is := k.first(conversationOn(port, opener), side, []byte(data))
							if is == yes && k.name != name && !(name == "ftp" && k.name == "smtp") {
								t.Errorf("%q is %s, not %s, on port %d", data, k.name, name, port)
							}
							if is != no && k.name == name && k.begins != "" && strings.IndexByte(k.begins, data[0]) < 0 {
								t.Errorf("%s does not begin with %q", name, data[0])
							}
						}
						k, is := firstOf(conversationOn(port, opener), side, []byte(data))
						recognised = recognised || is == yes && k.name == name
					}
				}
			}
			if !recognised {
				t.Errorf("%q is not recognised as %s", data, name)
			}
		}
	}
}

// TestUnknownBytes: bytes and words at random are of no protocol, nor if they begin as one.
func TestUnknownBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	begins := []string{"", "\x16\x03", "\x15\x03", "\x80", "\x17\x03", "\x00", "\x00\x00", "\x05\x00", "\x30", "\x12\x01", "\x10\x01", "\x03\x00", "\x81\x00", "GET", "SSH", "220 ", "EHL", "<34>", "* ", "+OK"}
	h := newHarness()
	check := func(data []byte) {
		t.Helper()
		for _, port := range []uint16{9, 53, 443} {
			if k, is := firstOf(conversationOn(port, r.IntN(3)-1), r.IntN(2), data); is == yes {
				t.Errorf("%q is %s on port %d", data, k.name, port)
			}
		}
		for _, k := range everyKind(datagrams) {
			c := conversationOn(9, 0)
			c.in, c.proto = h.inspector, flow.UDP
			if k.read(c, 0, data) != no {
				t.Errorf("%q is %s", data, k.name)
			}
		}
	}
	for n := range 3000 {
		data := []byte(begins[n%len(begins)])
		for range 8 + r.IntN(200) {
			data = append(data, byte(r.Uint32()))
		}
		check(data)
		text := []byte(begins[n%len(begins)])
		for range 8 + r.IntN(200) {
			text = append(text, " \r\nabcdefghABCDEFGH0123456789:/.-<>*+"[r.IntN(37)])
		}
		check(text)
	}
}

// TestFirstBytesOfDatagrams: what a protocol over UDP takes begins with one of its bytes. The datagrams are those of the other tests, whole, with each
// first byte and with none.
func TestFirstBytesOfDatagrams(t *testing.T) {
	samples := []string{dnsText(t, "7 query a a.example"), call(9, progPortmap, 2, 3, authNone, be(progNFS, 3, 6, 0)), reply(9, be(2049)),
		string(dhcp(1, 7, "192.0.2.9", "0.0.0.0", "\x35\x03", "\x0cpc-7")), "\x23\x02\x06\xec" + zeros(44), snmp3(4, "", ber(0x30, ber(4, "engine"), ber(4, ""), ber(0xa0, "\x02\x01\x01"))),
		"\x00\x01x\x00octet\x00", random(4) + be(99) + random(52), random(8) + zeros(8) + "\x21\x20\x22\x08" + be(0, 28), "\x02" + zeros(3) + random(88), "\x38" + random(8) + zeros(5),
		"INVITE sip:a@b.example SIP/2.0\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", "M-SEARCH * HTTP/1.1\r\n\r\n", "NOTIFY * HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
		"<34>1 2003-10-11T22:14:15.003Z host", ber(0x6a, ber(0x30, ber(0xa1, "\x02\x01\x05"), ber(0xa2, "\x02\x01\x0a"))), ldapSearchText(1, "", 0),
		"\x00\x01\x00\x00\x21\x12\xa4\x42" + random(12), "\x01\x01\x00\x00\x00\x00\x00\x01", "\xc0\x00\x00\x00\x01\x08" + random(8) + "\x00\x00\x44\x9e" + zeros(1182),
		"\x16\xfe\xfd" + zeros(8) + "\x00\x0c\x01" + zeros(11), "\x17\xfe\xfd\x00\x01" + zeros(6) + "\x00\x14" + random(20),
		"\x00\x07\x01\x10\x00\x01\x00\x00\x00\x00\x00\x00\x20" + testNetbios("SERVER7", 0x20)[1:] + "\x00\x20\x00\x01",
		"\x11\x02\x00\x09\xc0\x00\x02\x09\x00\x8a\x00\x60\x00\x00" + testNetbios("SERVER7", 0x20) + testNetbios("PC9", 0)}
	h, taken := newHarness(), map[string]bool{}
	for _, k := range everyKind(datagrams) {
		for _, port := range []uint16{9, 53, 67, 123, 137, 138, 161, 500, 514, 547, 1900, 4500, 5353, 5355} {
			for _, s := range samples {
				for first := range 256 {
					c := conversationOn(port, 0)
					c.in, c.proto = h.inspector, flow.UDP
					data := append([]byte{byte(first)}, s[1:]...)
					if k.read(c, 0, data) == no {
						continue
					}
					taken[k.name] = true
					if k.begins != "" && strings.IndexByte(k.begins, byte(first)) < 0 {
						t.Fatalf("%s takes a datagram that begins with %#02x", k.name, first)
					}
				}
			}
			c := conversationOn(port, 0)
			if k.read(c, 0, nil) != no {
				t.Errorf("%s takes an empty datagram", k.name)
			}
		}
		if !taken[k.name] {
			t.Errorf("no sample is %s", k.name)
		}
	}
}
