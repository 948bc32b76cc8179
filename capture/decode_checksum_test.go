package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"
	"testing"

	"pcapaudit/capture/flow"
)

// onesSum is RFC 1071 word by word.
func onesSum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		if sum += word; sum > 0xffff {
			sum -= 0xffff
		}
	}
	return uint16(sum)
}

func TestSum16(t *testing.T) {
	b := make([]byte, 0, 1600)
	random := uint32(7)
	for n := range 1600 {
		if got, want := fold16(sum16(b)), onesSum(b); got%0xffff != want%0xffff {
			t.Fatalf("%d bytes: %#04x, want %#04x", n, got, want)
		}
		random = random*1664525 + 1013904223
		b = append(b, byte(random>>24))
	}
	if got := fold16(sum16(bytes.Repeat([]byte{0xff}, 1<<16))); got != 0xffff {
		t.Errorf("largest sum: %#04x", got)
	}
}

func BenchmarkSum16(b *testing.B) {
	for _, n := range []int{20, 60, 300, 1460} {
		data := bytes.Repeat([]byte{0xa5}, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				sum16(data)
			}
		})
	}
}

// segment is a TCP segment in IPv4 with right checksums, in Ethernet.
func segment(t testing.TB, hex string, flags byte, change func(ip []byte)) []byte {
	frame := unhex(t, macs+"08 00"+hex)
	ip := frame[14:]
	tcp := ip[20:]
	tcp[13] = flags
	binary.BigEndian.PutUint16(ip[10:], 0)
	binary.BigEndian.PutUint16(ip[10:], ^onesSum(ip[:20]))
	pseudo := append(slices.Clone(ip[12:20]), 0, 6, 0, byte(len(tcp)))
	binary.BigEndian.PutUint16(tcp[16:], ^onesSum(append(slices.Clone(pseudo), tcp...)))
	if change != nil {
		change(ip)
	}
	return frame
}

func TestChecksums(t *testing.T) {
	const fromA = "45 00 00 28 00 01 00 00 40 06 00 00" + v4ends + tcpSYN
	const fromB = "45 00 00 28 00 01 00 00 40 06 00 00 c6 33 64 02 c0 00 02 01 01 bb c0 01 00 00 00 63 00 00 00 08 50 12 ff ff 00 00 00 00"
	pseudo := func(ip []byte, length byte) uint16 { return onesSum(append(slices.Clone(ip[12:20]), 0, 6, 0, length)) }
	put := func(at int, value func(ip []byte) uint16) func([]byte) {
		return func(ip []byte) { binary.BigEndian.PutUint16(ip[at:], value(ip)) }
	}
	fixed := func(v uint16) func([]byte) uint16 { return func([]byte) uint16 { return v } }
	wrong := put(36, fixed(0x1234))
	const syn, synAck = 0x02, 0x12
	right := segment(t, fromA, syn, nil)
	for _, c := range []struct {
		name   string
		frames [][]byte
		want   Checksums
	}{
		{"right", [][]byte{right, segment(t, fromB, synAck, nil)}, Checksums{Right: 2}},
		{"wrong after right ones", [][]byte{right, segment(t, fromA, syn, wrong)}, Checksums{Right: 1, Broken: 1}},
		{"wrong header after right ones", [][]byte{right, segment(t, fromA, syn, put(10, fixed(0x1234)))}, Checksums{Right: 1, Broken: 1}},
		{"of another sender proves nothing", [][]byte{right, segment(t, fromB, synAck, wrong)}, Checksums{Right: 1, Doubted: 1}},
		{"all wrong: anonymous addresses", [][]byte{segment(t, fromA, syn, wrong), segment(t, fromA, syn, wrong)}, Checksums{Doubted: 2}},
		{"most wrong", [][]byte{segment(t, fromA, syn, wrong), right, segment(t, fromA, syn, wrong)}, Checksums{Right: 1, Doubted: 2}},
		{"offload", [][]byte{right, segment(t, fromA, syn, put(36, func(ip []byte) uint16 { return pseudo(ip, 20) }))}, Checksums{Right: 1, Offload: 1}},
		{"offload of segmentation", [][]byte{right, segment(t, fromA, syn, put(36, func(ip []byte) uint16 { return pseudo(ip, 0) }))}, Checksums{Right: 1, Offload: 1}},
		{"unset", [][]byte{right, segment(t, fromA, syn, put(36, fixed(0)))}, Checksums{Right: 1, Unset: 1}},
		{"data", [][]byte{right, segment(t, fromA, 0x10, wrong)}, Checksums{Right: 1, Broken: 1}},
		{"length of offload", [][]byte{right, segment(t, fromA, syn, func(ip []byte) { ip[2], ip[3], ip[36] = 0, 0, 9 })}, Checksums{Right: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench()
			var sound bool
			for _, f := range c.frames {
				if r := b.decode(linkEthernet, record{data: f, wire: uint32(len(f))}); r != reasonDecoded {
					t.Fatal(r)
				}
				before := b.ledger.Checksums
				payload := b.sound(&b.out, 0, f, false)
				if counted := b.ledger.Checksums != before; counted {
					t.Error("a packet that is no evidence was counted")
				}
				if sound = b.sound(&b.out, 0, f, true); payload != sound {
					t.Errorf("for its payload %v, as evidence %v", payload, sound)
				}
			}
			if again := b.sound(&b.out, 0, nil, true); again != sound || b.ledger.Checksums != c.want || sound != (c.want.Broken == 0) {
				t.Errorf("%+v, sound %v, then %v, want %+v", b.ledger.Checksums, sound, again, c.want)
			}
			f := c.frames[len(c.frames)-1]
			f = f[:len(f)-1]
			b.ledger.Checksums = Checksums{}
			if b.decode(linkEthernet, record{data: f, wire: uint32(len(f) + 1)}); !b.sound(&b.out, 0, f, true) || b.ledger.Checksums != (Checksums{}) {
				t.Errorf("judged a packet that is not there as a whole: %+v", b.ledger.Checksums)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	// 192.0.2.1 and 198.51.100.2 as the sum of both
	const addresses = 0xc0000201 + 0xc6336402
	sctp := unhex(t, "9c 40 0b 5a 00 00 00 00 00 00 00 00 01 00 00 04")
	binary.LittleEndian.PutUint32(sctp[8:], crc32.Checksum(sctp, crc32.MakeTable(crc32.Castagnoli)))
	datagram := unhex(t, "9c 40 00 35 00 09 00 00 41 ff ff")
	pseudo := append(unhex(t, "c0 00 02 01 c6 33 64 02 00 11 00 09"), datagram[:9]...)
	binary.BigEndian.PutUint16(datagram[6:], ^onesSum(pseudo))
	echo := unhex(t, "08 00 f7 fd 00 01 00 01")
	for _, c := range []struct {
		name   string
		proto  flow.Proto
		b      []byte
		change func(b []byte)
		want   comparison
	}{
		{"sctp", flow.SCTP, sctp, nil, checksumRight},
		{"sctp, other octet", flow.SCTP, sctp, func(b []byte) { b[13]++ }, checksumWrong},
		{"sctp, offload", flow.SCTP, sctp, func(b []byte) { copy(b[8:12], "\x00\x00\x00\x00") }, checksumUnset},
		{"udp", flow.UDP, datagram, nil, checksumRight},
		{"udp, other octet", flow.UDP, datagram, func(b []byte) { b[8]++ }, checksumWrong},
		{"udp, octets behind its length", flow.UDP, datagram, func(b []byte) { b[9]++ }, checksumRight},
		{"udp, none", flow.UDP, datagram, func(b []byte) { b[6], b[7] = 0, 0 }, checksumUnset},
		{"udp, offload", flow.UDP, datagram, func(b []byte) { binary.BigEndian.PutUint16(b[6:], onesSum(pseudo[:12])) }, checksumOffload},
		{"udp, longer than the packet", flow.UDP, datagram, func(b []byte) { b[5] = 12 }, notCompared},
		{"udp, no length", flow.UDP, datagram, func(b []byte) { b[5] = 0 }, notCompared},
		{"icmp", flow.ICMP, echo, nil, checksumRight},
		{"icmp, other code", flow.ICMP, echo, func(b []byte) { b[1]++ }, checksumWrong},
		{"gre", flow.GRE, echo, nil, notCompared},
	} {
		b := slices.Clone(c.b)
		if c.change != nil {
			c.change(b)
		}
		if got := compare(c.proto, b, addresses); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if got := compare(flow.TCP, make([]byte, maxChecked+1), 0); got != notCompared {
		t.Errorf("more than a frame holds: %d", got)
	}
	if got := compare(flow.SCTP, make([]byte, maxChecked+1), 0); got != notCompared {
		t.Errorf("more than a frame holds: %d", got)
	}
}

// A forged answer with a wrong checksum answers nothing, and of a thousand segments few are looked at.
func TestChecksumsWhereTheyAreEvidence(t *testing.T) {
	const question, answer = "9c 40 00 35 00 09 %s 41", "00 35 9c 40 00 09 %s 42"
	datagram := func(ends, text, sum string) []byte {
		return unhex(t, macs+"08 00 45 00 00 1d 00 01 00 00 40 11 00 00"+ends+fmt.Sprintf(text, sum))
	}
	const back = "c6 33 64 02 c0 00 02 01 "
	frames := [][]byte{
		segment(t, "45 00 00 28 00 01 00 00 40 06 00 00"+back+"01 bc c0 01 00 00 00 63 00 00 00 08 50 12 ff ff 00 00 00 00", 0x12, nil), // trust in its sender
		datagram(v4ends, question, "00 00"), datagram(back, answer, "12 34"),
	}
	for range 1000 {
		frames = append(frames, segment(t, syn4, 0x10, nil))
	}
	outcomes := map[flow.Proto]flow.Outcome{}
	res, err := Run(context.Background(), Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(pcapFile(1, frames...)), Emit: func(c *flow.Conn) { outcomes[c.Proto] = c.Outcome }})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Checksums{Right: 2, Unset: 1, Broken: 1}); res.Ledger.Checksums != want || outcomes[flow.UDP] != flow.OneWay {
		t.Errorf("%+v, %v", res.Ledger.Checksums, outcomes)
	}
}

// A forged SYN-ACK with a wrong checksum counts and completes no handshake.
func TestBrokenIsNoEvidence(t *testing.T) {
	const fromB = "45 00 00 28 00 01 00 00 40 06 00 00 c6 33 64 02 c0 00 02 01 01 bb c0 01 00 00 00 63 00 00 00 08 50 12 ff ff 00 00 00 00"
	const other = "45 00 00 28 00 01 00 00 40 06 00 00 c6 33 64 02 c0 00 02 01 01 bc c0 01 00 00 00 63 00 00 00 08 50 12 ff ff 00 00 00 00"
	frames := [][]byte{segment(t, other, 0x12, nil), segment(t, syn4, 0x02, nil),
		segment(t, fromB, 0x12, func(ip []byte) { ip[36] ^= 0x55 }), segment(t, syn4, 0x10, nil)}
	var got *flow.Conn
	res, err := Run(context.Background(), Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(pcapFile(1, frames...)), Emit: func(c *flow.Conn) {
		if c.Resp.Port() == 443 {
			got = new(kept(c))
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got == nil || got.Outcome == flow.Established || got.OrigPackets != 2 || got.RespPackets != 1 || res.Ledger.Checksums.Broken != 1 {
		t.Errorf("%+v, %+v", got, res.Ledger.Checksums)
	}
}

// In this capture checksums are wrong because the network card of the capturing host was to write them.
func TestChecksumsOfOffload(t *testing.T) {
	name := "../../shared/captures/zeek__chksums-localhost-bad-chksum.pcap"
	if found, _ := filepath.Glob(name); found == nil {
		t.Skip("no capture", name)
	}
	res, err := Run(context.Background(), Config{Inputs: []string{name}})
	if err != nil || res.Ledger.Checksums.Broken != 0 {
		t.Errorf("%+v, error %v", res.Ledger.Checksums, err)
	}
}
