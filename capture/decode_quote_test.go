package capture

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// Parts of ICMP errors, as hexadecimal bytes.
const (
	hostA    = "c0 00 02 01" // 192.0.2.1, the sender in v4ends
	hostB    = "c6 33 64 02" // 198.51.100.2
	routerR  = "cb 00 71 09" // 203.0.113.9
	echo4    = "45 00 00 1c 00 01 00 00 40 01 00 00" + v4ends + "08 00 00 00 12 34 00 01"
	syn4     = "45 00 00 28 00 01 00 00 40 06 00 00" + v4ends + tcpSYN
	v6back   = " 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02\n"
	answered = "45 00 00 20 00 01 00 00 40 11 00 00 c6 33 64 02 c0 00 02 01 00 35 04 00 00 0c 00 00 01 02 03 04\n"
)

// error4 is an Ethernet frame of an ICMP error with the octets of a packet.
func error4(t testing.TB, src, dst string, typ, code uint8, quoted []byte) []byte {
	return append(unhex(t, macs+fmt.Sprintf("08 00 45 00 %04x 00 01 00 00 40 01 00 00 %s %s %02x %02x 00 00 00 00 00 00", 28+len(quoted), src, dst, typ, code)), quoted...)
}

func error6(t testing.TB, typ, code uint8, quoted []byte) []byte {
	return append(unhex(t, macs+fmt.Sprintf("86 dd 60 00 00 00 %04x 3a 40 %s %02x %02x 00 00 00 00 00 00", 8+len(quoted), v6back, typ, code)), quoted...)
}

func TestICMPErrors(t *testing.T) {
	ip4 := func(hex string) []byte { return unhex(t, macs+"08 00"+hex) }
	head := func(hex string, n int) []byte { return unhex(t, hex)[:n] }
	udpFrame, answer, udp6Frame := ip4(udp4), ip4(answered), unhex(t, macs+"86 dd"+udp6)
	unknown := head(strings.Replace(udp4, "00 35", "00 36", 1), 28)
	for _, c := range []struct {
		name   string
		frames [][]byte
		want   string // of the connections, in order: outcome, error and who sent it, "known" where all errors of one quote known connections
	}{
		{"port unreachable", [][]byte{udpFrame, error4(t, hostB, hostA, 3, 3, head(udp4, 28))}, "udp one-way port-unreachable by 198.51.100.2, icmp one-way known"},
		{"by a firewall", [][]byte{ip4(syn4), error4(t, routerR, hostA, 3, 13, head(syn4, 28))}, "tcp unanswered administratively-prohibited by 203.0.113.9, icmp one-way known"},
		{"whole packet quoted", [][]byte{ip4(syn4), error4(t, routerR, hostA, 11, 0, head(syn4, 40))}, "tcp unanswered ttl-exceeded by 203.0.113.9, icmp one-way known"},
		{"of a ping", [][]byte{ip4(echo4), error4(t, routerR, hostA, 3, 1, head(echo4, 28))}, "icmp one-way host-unreachable by 203.0.113.9, icmp one-way known"},
		{"fragmentation needed gives way to a failure", [][]byte{udpFrame, error4(t, routerR, hostA, 3, 4, head(udp4, 28)), error4(t, hostB, hostA, 3, 3, head(udp4, 28)), error4(t, routerR, hostA, 3, 0, head(udp4, 28))},
			"udp one-way port-unreachable by 198.51.100.2, icmp one-way known, icmp one-way known, icmp one-way known"},
		{"unknown connection", [][]byte{udpFrame, error4(t, hostB, hostA, 3, 3, unknown)}, "udp one-way, icmp one-way"},
		{"one of two is unknown", [][]byte{udpFrame, error4(t, hostB, hostA, 3, 3, head(udp4, 28)), error4(t, hostB, hostA, 3, 3, unknown)}, "udp one-way port-unreachable by 198.51.100.2, icmp one-way"},
		{"not to the sender", [][]byte{udpFrame, error4(t, routerR, hostB, 3, 3, head(udp4, 28))}, "udp one-way, icmp one-way"},
		{"quoted side never sent", [][]byte{udpFrame, error4(t, routerR, hostB, 3, 3, head(answered, 28))}, "udp one-way, icmp one-way"},
		{"quoted responder", [][]byte{udpFrame, answer, error4(t, hostA, hostB, 3, 3, head(answered, 28))}, "udp answered port-unreachable by 192.0.2.1, icmp one-way known"},
		{"before the packet", [][]byte{error4(t, hostB, hostA, 3, 3, head(udp4, 28)), udpFrame}, "icmp one-way, udp one-way"},
		{"quote without ports", [][]byte{udpFrame, error4(t, hostB, hostA, 3, 3, head(udp4, 23))}, "udp one-way, icmp one-way"},
		{"no quote", [][]byte{udpFrame, error4(t, hostB, hostA, 3, 3, nil)}, "udp one-way, icmp one-way"},
		{"redirect is no error", [][]byte{udpFrame, error4(t, routerR, hostA, 5, 1, head(udp4, 28))}, "udp one-way, icmp one-way"},
		{"ipv6", [][]byte{udp6Frame, error6(t, 1, 4, head(udp6, 52))}, "udp one-way port-unreachable by 2001:db8::1, icmp6 one-way known"},
		{"ipv6 packet too big", [][]byte{udp6Frame, error6(t, 2, 0, head(udp6, 52))}, "udp one-way fragmentation-needed by 2001:db8::1, icmp6 one-way known"},
		{"ipv6 cut quote", [][]byte{udp6Frame, error6(t, 1, 4, head(udp6, 41))}, "udp one-way, icmp6 one-way"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			_, err := Run(context.Background(), Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(pcapFile(1, c.frames...)), Emit: func(c *flow.Conn) {
				s := fmt.Sprintf("%v %v", c.Proto, c.Outcome)
				if c.ICMPError != flow.NoICMPError {
					s += fmt.Sprintf(" %v by %v", c.ICMPError, c.ICMPErrorBy)
				}
				if c.QuotesKnown {
					s += " known"
				}
				got = append(got, s)
			}})
			if err != nil {
				t.Fatal(err)
			}
			if s := strings.Join(got, ", "); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
			for _, f := range c.frames {
				checkCuts(t, linkEthernet, f)
			}
		})
	}
}

// An error cut by snaplen within its quote ties to nothing that the whole one does not tie to.
func TestICMPErrorsCut(t *testing.T) {
	frame := error4(t, hostB, hostA, 3, 3, unhex(t, udp4)[:28])
	b := newBench()
	b.decode(linkEthernet, record{data: frame, wire: uint32(len(frame))})
	whole := b.out.Quotes[0]
	if !whole.Read {
		t.Fatal("not read")
	}
	for n := range frame {
		if b.decode(linkEthernet, record{data: frame[:n:n], wire: uint32(len(frame))}) != reasonDecoded {
			continue
		}
		if q := b.out.Quotes[0]; q.Read && q != whole {
			t.Errorf("captured %d bytes: %+v, want %+v", n, q, whole)
		}
	}
}

func TestICMPErrorsNoAllocations(t *testing.T) {
	r := newTestRun(flow.Options{}, Interface{LinkType: linkEthernet})
	defer r.table.Close()
	frames := [][]byte{unhex(t, macs+"08 00"+udp4), error4(t, hostB, hostA, 3, 3, unhex(t, udp4)[:28]), unhex(t, macs+"86 dd"+udp6), error6(t, 1, 4, unhex(t, udp6))}
	r.records.n = flow.BatchSize
	for i := range r.records.recs {
		data := frames[i%len(frames)]
		r.records.recs[i] = record{data: data, wire: uint32(len(data)), time: int64(i) * 1e6, num: uint64(i) + 1}
	}
	if n := testing.AllocsPerRun(50, r.track); n != 0 {
		t.Errorf("%v allocations a batch, want 0", n)
	}
}
