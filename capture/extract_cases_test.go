package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// secret stands where no header is.
const secret = "SECRET-PAYLOAD!!"

// over puts the 14 bytes of an Ethernet header in front of an IPv4 packet.
func over(t testing.TB, packet []byte) []byte { return append(unhex(t, macs+"08 00"), packet...) }

func tcpWith(payload string) []byte {
	h := []byte{0xc0, 1, 1, 0xbb, 0, 0, 0, 8, 0, 0, 0, 1, 0x80, 0x18, 0xff, 0xff, 0x12, 0x34, 0, 0, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}
	return append(h, payload...)
}

// extractFile audits frames one second apart and extracts from them.
func extractFile(t testing.TB, c ExtractConfig, want func(a *audited) []Wanted, frames ...[]byte) ([]packetRead, [][]string, ExtractResult) {
	t.Helper()
	a := auditOf(t, Config{Inputs: []string{writeFile(t, t.TempDir(), "in.pcap", pcapFile(1700000000, frames...))}, Hash: true})
	c.Want = want(a)
	data, result := a.extract(t, c)
	read, in := readBytes(t, data)
	if in.State != InputClean || uint64(len(read)) != result.Packets {
		t.Fatalf("%d packets read, %+v: %v %s", len(read), result, in.State, in.Detail)
	}
	return read, packetComments(t, data), result
}

// Headers stay, and nothing behind them, in each kind of packet.
func TestExtractHeaders(t *testing.T) {
	udpPacket := aroundUDP(53, []byte(secret))
	fragment := func(flagsOffset uint16, payload string) []byte {
		b := around4(flow.UDP, []byte(payload))
		binary.BigEndian.PutUint16(b[6:], flagsOffset)
		return b
	}
	quoted := append(around4(flow.UDP, []byte{0xc3, 0x50, 0, 53, 0, 24, 0, 0}), secret...)
	vlan := unhex(t, macs+"81 00 00 0a 08 00")
	for _, c := range []struct {
		name  string
		frame []byte
		keep  int
	}{
		{"udp", over(t, udpPacket), 14 + 20 + 8},
		{"udp in a vlan", append(slices.Clone(vlan), udpPacket...), 18 + 20 + 8},
		{"tcp with options", over(t, around4(flow.TCP, tcpWith(secret))), 14 + 20 + 32},
		{"padding of a short frame", append(over(t, around4(flow.TCP, tcpWith(""))), secret...), 14 + 20 + 32},
		{"echo", over(t, around4(flow.ICMP, append([]byte{8, 0, 0, 0, 0, 1, 0, 1}, secret...))), 14 + 20 + 8},
		{"icmp error", over(t, around4(flow.ICMP, append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, quoted...))), 14 + 20 + 8 + 20 + 8},
		{"icmp error about another protocol", over(t, around4(flow.ICMP, append([]byte{3, 2, 0, 0, 0, 0, 0, 0}, around4(flow.ESP, []byte(secret))...))), 14 + 20 + 8 + 20},
		{"sctp", over(t, around4(flow.SCTP, append([]byte{1, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0}, secret...))), 14 + 20 + 12},
		{"esp", over(t, around4(flow.ESP, []byte(secret))), 14 + 20},
		{"first fragment", over(t, fragment(0x2000, "\xc3\x50\x00\x35\x00\x64\x00\x00"+secret)), 14 + 20 + 8},
		{"fragment of a protocol without ports", over(t, func() []byte {
			b := around4(flow.ESP, []byte(secret))
			b[7] = 4
			return b
		}()), 14 + 20},
		{"udp in gre", over(t, around4(flow.GRE, append([]byte{0, 0, 8, 0}, udpPacket...))), 14 + 20 + 4 + 20 + 8},
		{"ipv6 with options", append(unhex(t, macs+"86 dd"), around6(0, append([]byte{17, 0, 1, 4, 0, 0, 0, 0, 0xc3, 0x50, 0, 53, 0, 24, 0, 0}, secret...))...), 14 + 40 + 8 + 8},
	} {
		for name, pseudonyms := range map[string]*Pseudonyms{"": nil, " with pseudonyms": testPseudonyms} {
			read, _, result := extractFile(t, ExtractConfig{Pseudonyms: pseudonyms}, func(a *audited) []Wanted { return a.all(0) }, c.frame)
			if len(read) != 1 || result.Shortened != 1 {
				t.Errorf("%s%s: %d packets, %+v", c.name, name, len(read), result)
				continue
			}
			if r := read[0]; len(r.data) != c.keep || int(r.wire) != len(c.frame) || strings.Contains(r.data, "PAYLOAD") {
				t.Errorf("%s%s: %d of %d bytes, want %d: %q", c.name, name, len(r.data), r.wire, c.keep, r.data)
			}
		}
		read, _, result := extractFile(t, ExtractConfig{Payload: true}, func(a *audited) []Wanted { return a.all(0) }, c.frame)
		if len(read) != 1 || read[0].data != string(c.frame) || result.Shortened != 0 {
			t.Errorf("%s: not kept whole", c.name)
		}
	}
}

// Of a tunnel that is wanted alone what it carries is payload; of what it carries the tunnel's headers are the way there.
func TestExtractDepth(t *testing.T) {
	frame := over(t, around4(flow.GRE, append([]byte{0, 0, 8, 0}, aroundUDP(53, []byte(secret))...)))
	for depth, keep := range map[uint8]int{0: 14 + 20, 1: 14 + 20 + 4 + 20 + 8} {
		read, comments, _ := extractFile(t, ExtractConfig{}, func(a *audited) []Wanted {
			return []Wanted{{ID: flow.ConnID{Packet: 1, Depth: depth}, Comments: []string{"x"}}}
		}, frame, frame)
		if len(read) != 2 || len(read[0].data) != keep || comments[1][1] != "packet 2 of in.pcap" {
			t.Errorf("depth %d: %d packets, %d bytes, %q", depth, len(read), len(read[0].data), comments)
		}
	}
}

func TestExtractLimitsAndComments(t *testing.T) {
	dns := over(t, aroundUDP(53, nil))
	ntp := over(t, aroundUDP(123, nil))
	first, second := flow.ConnID{Packet: 1}, flow.ConnID{Packet: 2}
	read, comments, result := extractFile(t, ExtractConfig{}, func(*audited) []Wanted {
		return []Wanted{
			{first, []string{"finding a", "finding a", "\x1b]52;c;\u202eevil\n" + strings.Repeat("y", 500)}, 1},
			{second, []string{"finding b"}, 2},
			{first, []string{"finding c", "finding a"}, 2},
			{flow.ConnID{Packet: 99}, []string{"not there"}, 0},
		}
	}, dns, ntp, dns, ntp, dns, ntp)
	if result != (ExtractResult{Packets: 4, Connections: 2, Limited: 2}) {
		t.Errorf("%+v", result)
	}
	var numbers []int64
	for _, r := range read {
		numbers = append(numbers, r.time/1e9-1700000000)
	}
	if !slices.Equal(numbers, []int64{0, 1, 2, 3}) {
		t.Errorf("packets of seconds %v", numbers)
	}
	hostile := comments[0][1]
	if comments[0][0] != "finding a" || len(comments[0]) != 4 || comments[0][2] != "finding c" || comments[0][3] != "packet 1 of in.pcap" || len(comments[2]) != 3 || comments[2][0] != "finding c" {
		t.Errorf("%q", comments)
	}
	if strings.ContainsAny(hostile, "\x1b\n\u202e") || len([]rune(hostile)) != maxText+1 {
		t.Errorf("%q", hostile)
	}
}

// Fragments that come before the first one of their datagram are written where they were, and what came between them and it behind.
func TestExtractWaitingFragments(t *testing.T) {
	fragment := func(id, flagsOffset uint16, payload string) []byte {
		return over(t, unhex(t, fragment4(id, 17, flagsOffset, hex.EncodeToString([]byte(payload)))))
	}
	const head = "\x04\x00\x00\x35\x00\x18\x00\x00"
	other := over(t, aroundUDP(123, nil))
	frames := [][]byte{fragment(7, 0x0002, "third..."), other, fragment(8, 0x0001, "no first"), fragment(7, 0x2001, "second.."), other, fragment(7, 0x2000, head), other}
	for _, far := range []int{0, 3 * flow.BatchSize} {
		all := slices.Concat(frames[:5], slices.Repeat([][]byte{over(t, aroundUDP(514, nil))}, far), frames[5:])
		dir := t.TempDir()
		a := auditOf(t, Config{Inputs: []string{writeFile(t, dir, "in.pcap", closeTogether(pcapFile(1700000000, all...)))}})
		var list []Wanted
		for _, c := range a.conns {
			if c.Resp.Port() != 514 {
				list = append(list, Wanted{ID: c.ID})
			}
		}
		data, result := a.extract(t, ExtractConfig{Want: list, Payload: true})
		var got []string
		for _, c := range packetComments(t, data) {
			got = append(got, strings.Fields(c[0])[1])
		}
		want := fmt.Sprintf("1 2 4 5 %d %d", 6+far, 7+far)
		if strings.Join(got, " ") != want || result.Lost != 0 {
			t.Errorf("packets %v, want %s; %+v", got, want, result)
		}
		data, _ = a.extract(t, ExtractConfig{Want: list})
		headers, _ := readBytes(t, data)
		for i, want := range []int{14 + 20, 14 + 20 + 8, 14 + 20, 14 + 20 + 8, 14 + 20 + 8, 14 + 20 + 8} {
			if got := len(headers[i].data); got != want {
				t.Errorf("packet %d: %d bytes of headers, want %d", i, got, want)
			}
		}
	}
}

// closeTogether puts the packets of a classic capture a microsecond apart.
func closeTogether(b []byte) []byte {
	for at, n := pcapHeader, uint32(0); at < len(b); n++ {
		binary.LittleEndian.PutUint32(b[at:], 1700000000)
		binary.LittleEndian.PutUint32(b[at+4:], n)
		at += 16 + int(binary.LittleEndian.Uint32(b[at+8:]))
	}
	return b
}

func TestExtractICMPErrors(t *testing.T) {
	packet := unhex(t, udp4)
	frames := [][]byte{over(t, packet), error4(t, routerR, hostA, 3, 3, packet), error4(t, routerR, hostA, 3, 3, unhex(t, syn4))}
	read, comments, _ := extractFile(t, ExtractConfig{}, func(*audited) []Wanted { return []Wanted{{ID: flow.ConnID{Packet: 1}}} }, frames...)
	if len(read) != 2 || comments[1][0] != "packet 2 of in.pcap" || len(read[1].data) != 14+20+8+20+8 {
		t.Errorf("%d packets: %q", len(read), comments)
	}
}

// Several files, interfaces and link types; a file read in time order is not the one that was named first.
func TestExtractInterfaces(t *testing.T) {
	frame := over(t, aroundUDP(53, nil))
	w := &ngBytes{order: binary.BigEndian}
	w.section()
	w.iface(linkRaw, 0, ngOption{interfaceName, []byte("tun0")}, ngOption{interfaceResolution, []byte{6}})
	w.iface(linkEthernet, 96, ngOption{interfaceName, []byte("eth0")}, ngOption{interfaceDescription, []byte("core")}, ngOption{interfaceResolution, []byte{9}})
	w.enhanced(testPacket{ticks: 1700000005_000001, data: frame[14:]})
	w.enhanced(testPacket{ticks: 1700000006_000000001, data: frame, wire: 900, iface: 1})
	dir := t.TempDir()
	a := auditOf(t, Config{Inputs: []string{writeFile(t, dir, "b.pcapng", w.Bytes()), writeFile(t, dir, "a.pcap", pcapFile(1700000000, frame))}})
	data, _ := a.extract(t, ExtractConfig{Want: a.all(0), Payload: true})
	if again, _ := a.extract(t, ExtractConfig{Want: a.all(0), Payload: true}); !bytes.Equal(again, data) {
		t.Error("other bytes the second time")
	}
	read, in := readBytes(t, data)
	if len(read) != 3 || len(in.Interfaces) != 3 {
		t.Fatalf("%d packets, %+v", len(read), in)
	}
	for i, want := range []struct {
		time int64
		wire uint32
		Interface
	}{
		{1700000000_000000000, uint32(len(frame)), Interface{LinkType: linkEthernet, Snaplen: maxCaptured}},
		{1700000005_000001000, uint32(len(frame) - 14), Interface{Name: "tun0", LinkType: linkRaw}},
		{1700000006_000000001, 900, Interface{Name: "eth0", Description: "core", LinkType: linkEthernet, Snaplen: 96}},
	} {
		r, got := read[i], in.Interfaces[read[i].iface]
		if r.time != want.time || r.wire != want.wire || got.Name != want.Name || got.Description != want.Description || got.LinkType != want.LinkType || got.Snaplen != want.Snaplen {
			t.Errorf("packet %d: %d %d %+v, want %+v", i, r.time, r.wire, got, want)
		}
	}
	if c := packetComments(t, data); c[0][1] != "packet 1 of a.pcap" || c[2][1] != "packet 2 of b.pcapng" {
		t.Errorf("%q", c)
	}
}

func TestExtractRefuses(t *testing.T) {
	path := writeFile(t, t.TempDir(), "in.pcap", pcapFile(1700000000, over(t, aroundUDP(53, nil)), over(t, aroundUDP(53, nil))))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := auditOf(t, Config{Inputs: []string{path}, Hash: true})
	extract := func(edit func(*ExtractConfig)) error {
		c := ExtractConfig{First: a.config, Read: slices.Clone(a.result.Inputs), Want: a.all(0), Out: new(bytes.Buffer)}
		edit(&c)
		_, err := Extract(context.Background(), c)
		return err
	}
	if err := extract(func(c *ExtractConfig) { c.Read[0].Name = "-" }); !errors.Is(err, ErrOnePass) {
		t.Error(err)
	}
	if err := Rereadable([]string{path, "-"}); !errors.Is(err, ErrOnePass) {
		t.Error(err)
	}
	if err := Rereadable([]string{"/dev/null"}); !errors.Is(err, ErrOnePass) {
		t.Error(err)
	}
	if err := Rereadable([]string{path, filepath.Dir(path), filepath.Join(filepath.Dir(path), "*")}); err != nil {
		t.Error(err)
	}
	if err := extract(func(c *ExtractConfig) { c.Payload, c.Pseudonyms = true, testPseudonyms }); !errors.Is(err, ErrPseudonymsPayload) {
		t.Error(err)
	}
	if err := extract(func(c *ExtractConfig) { c.Read = nil }); err == nil {
		t.Error("no inputs")
	}
	if err := extract(func(c *ExtractConfig) { c.Want = make([]Wanted, MaxWanted+1) }); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Error(err)
	}
	if err := extract(func(c *ExtractConfig) { c.Out = &fullDisk{100} }); !errors.Is(err, errFull) {
		t.Error(err)
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Extract(done, ExtractConfig{First: a.config, Read: a.result.Inputs, Out: new(bytes.Buffer)}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	var changed *ChangedError
	for name, edit := range map[string]func(b []byte) []byte{
		"size":  func(b []byte) []byte { return append(b, 0) },
		"hash":  func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"short": func(b []byte) []byte { return b[:len(b)-1] },
	} {
		if err := os.WriteFile(path, edit(bytes.Clone(whole)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := extract(func(*ExtractConfig) {}); !errors.As(err, &changed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	var input *InputError
	if err := extract(func(*ExtractConfig) {}); !errors.As(err, &input) {
		t.Error(err)
	}
}

// What the first pass did not come to is not written either.
func TestExtractInterrupted(t *testing.T) {
	frame := over(t, aroundUDP(53, nil))
	a := auditOf(t, Config{Inputs: []string{writeFile(t, t.TempDir(), "in.pcap", pcapFile(1700000000, frame, frame, frame))}})
	a.result.Inputs[0].State, a.result.Inputs[0].Packets = InputUnfinished, 2
	if _, result := a.extract(t, ExtractConfig{Want: a.all(0)}); result.Packets != 2 {
		t.Errorf("%+v", result)
	}
}

// Wherever a header may hold an address, it holds none of the true ones afterwards.
func TestPseudonymsEverywhere(t *testing.T) {
	v4, v6, mac := []byte{198, 51, 100, 77}, netip.MustParseAddr("2001:db8:aaaa:bbbb:cccc:dddd:eeee:7777").AsSlice(), []byte{2, 0xaa, 0xbb, 0xcc, 0xdd, 0x77}
	dns := []byte{0xc3, 0x50, 0, 53, 0, 8, 0, 0}
	ip4 := func(proto flow.Proto, options string, payload []byte) []byte {
		h := []byte{byte(0x45 + len(options)/4), 0, 0, 0, 0, 1, 0, 0, 64, byte(proto), 0, 0}
		h = append(append(append(append(h, v4...), v4...), options...), payload...)
		binary.BigEndian.PutUint16(h[2:], uint16(len(h)))
		return h
	}
	ip6 := func(next uint8, payload []byte) []byte {
		h := []byte{0x60, 0, 0, 0, 0, 0, next, 64}
		h = append(append(append(h, v6...), v6...), payload...)
		binary.BigEndian.PutUint16(h[4:], uint16(len(h)-40))
		return h
	}
	ethernet := func(typ uint16, packet []byte) []byte {
		return append(append(append(slices.Clone(mac), mac...), byte(typ>>8), byte(typ)), packet...)
	}
	with := func(head string, payload []byte) []byte { return append([]byte(head), payload...) }
	udpTo := func(port uint16, payload []byte) []byte {
		return append([]byte{0xc3, 0x50, byte(port >> 8), byte(port), byte((8 + len(payload)) >> 8), byte(8 + len(payload)), 0, 0}, payload...)
	}
	mptcp := with("\xc0\x01\x01\xbb\x00\x00\x00\x07\x00\x00\x00\x00\x70\x02\xff\xff\x00\x00\x00\x00\x1e\x08\x30\x01", v4)
	cases := map[string]struct {
		link uint32
		data []byte
	}{
		"ethernet":          {linkEthernet, ethernet(etherIPv4, ip4(flow.UDP, "", dns))},
		"ethernet, ipv6":    {linkEthernet, ethernet(etherIPv6, ip6(17, dns))},
		"sll":               {linkSLL, append(append([]byte{0, 0, 0, 1, 0, 6}, mac...), with("\x02\x77\x08\x00", ip4(flow.UDP, "", dns))...)},
		"sll of a tunnel":   {linkSLL, append(append([]byte{0, 0, 3, 0, 0, 4}, v4...), with("\x02\x77\x02\x77\x08\x00", ip4(flow.UDP, "", dns))...)},
		"sll2":              {linkSLL2, append(append([]byte{8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6}, mac...), with("\x02\x77", ip4(flow.UDP, "", dns))...)},
		"802.11":            {link80211, append(append(append(append([]byte{8, 1, 0, 0}, mac...), mac...), mac...), with("\x00\x00\xaa\xaa\x03\x00\x00\x00\x08\x00", ip4(flow.UDP, "", dns))...)},
		"record route":      {linkRaw, ip4(flow.UDP, "\x07\x07\x08"+string(v4)+"\x00", dns)},
		"routing header":    {linkRaw, ip6(43, append(append([]byte{17, 2, 0, 1, 0, 0, 0, 0}, v6...), dns...))},
		"home address":      {linkRaw, ip6(60, append(append([]byte{17, 2, 1, 2, 0, 0, 201, 16}, v6...), dns...))},
		"mptcp":             {linkRaw, ip4(flow.TCP, "", mptcp)},
		"redirect":          {linkRaw, ip4(flow.ICMP, "", append(with("\x05\x01\x00\x00", v4), ip4(flow.UDP, "", dns)...))},
		"quote":             {linkRaw, ip4(flow.ICMP, "", with("\x03\x03\x00\x00\x00\x00\x00\x00", ip4(flow.UDP, "\x07\x07\x08"+string(v4)+"\x00", dns)))},
		"quote, ipv6":       {linkRaw, ip6(58, with("\x01\x04\x00\x00\x00\x00\x00\x00", ip6(17, dns)))},
		"gre":               {linkRaw, ip4(flow.GRE, "", with("\x00\x00\x65\x58", ethernet(etherIPv6, ip6(17, dns))))},
		"vxlan":             {linkEthernet, ethernet(etherIPv4, ip4(flow.UDP, "", udpTo(4789, with("\x08\x00\x00\x00\x00\x00\x2a\x00", ethernet(etherIPv4, ip4(flow.UDP, "", dns))))))},
		"geneve":            {linkRaw, ip4(flow.UDP, "", udpTo(6081, append(with("\x02\x00\x08\x00\x00\x00\x2a\x00\x01\x02\x03\x01", v4), ip4(flow.UDP, "", dns)...)))},
		"gtp-u":             {linkRaw, ip4(flow.UDP, "", udpTo(2152, append(append(with("\x34\xff\x00\x40\x00\x00\x00\x01\x00\x00\x00\x85\x02\x00", v4), 0, 0), ip4(flow.UDP, "", dns)...)))},
		"ipv6 in ipv4":      {linkRaw, ip4(protoIPv6, "", ip6(17, dns))},
		"tunnel in a quote": {linkRaw, ip4(flow.ICMP, "", with("\x03\x03\x00\x00\x00\x00\x00\x00", ip4(flow.GRE, "", with("\x00\x00\x08\x00", ip4(flow.UDP, "", dns)))))},
	}
	for name, c := range cases {
		w := &ngBytes{order: little}
		w.section().iface(uint16(c.link), 0, ngOption{interfaceName, []byte("host-77-uplink")}, ngOption{interfaceDescription, []byte("198.51.100.77")})
		w.enhanced(testPacket{ticks: 1700000000_000000, data: c.data})
		a := auditOf(t, Config{Inputs: []string{writeFile(t, t.TempDir(), "198.51.100.77.pcapng", w.Bytes())}})
		data, result := a.extract(t, ExtractConfig{Want: a.all(0), Pseudonyms: testPseudonyms})
		if result.Packets != 1 || result.Lost != 0 {
			t.Errorf("%s: %+v", name, result)
		}
		for what, trueOnes := range map[string][]byte{"an IPv4 address": v4, "an IPv6 address": v6, "a hardware address": mac, "a name": []byte("uplink"), "the name of the file": []byte("198.51"), "padding": {2, 0x77}} {
			if bytes.Contains(data, trueOnes) {
				t.Errorf("%s: %s is left:\n%s", name, what, hex.Dump(data))
			}
		}
		again := reread(t, a.config, data)
		if only := differences(exchangesOf(a.conns, testPseudonyms.Address), exchangesOf(again.conns, nil)); len(only) > 0 {
			t.Errorf("%s: %s", name, strings.Join(only, "\n"))
		}
	}
}

// The header of IPv4 stays right, or wrong.
func TestPseudonymsChecksum(t *testing.T) {
	right := around4(flow.UDP, []byte{0xc3, 0x50, 0, 53, 0, 8, 0xab, 0xcd})
	binary.BigEndian.PutUint16(right[10:], ^fold16(sum16(right[:20])))
	wrong := bytes.Clone(right)
	wrong[11] ^= 1
	read, _, _ := extractFile(t, ExtractConfig{Pseudonyms: testPseudonyms}, func(a *audited) []Wanted { return a.all(0) }, over(t, right), over(t, wrong))
	for i, want := range []bool{true, false} {
		h := []byte(read[i].data)[14:34]
		if got := fold16(sum16(h)) == 0xffff; got != want {
			t.Errorf("packet %d: right %v, want %v", i, got, want)
		}
		if sum := read[i].data[14+20+6:]; sum != "\x00\x00" {
			t.Errorf("packet %d: checksum of UDP % x", i, sum)
		}
	}
}
