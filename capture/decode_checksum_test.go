package capture

import (
	"bytes"
	"context"
	"encoding/binary"
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
		{"data is not looked at", [][]byte{right, segment(t, fromA, 0x10, wrong)}, Checksums{Right: 1}},
		{"length of offload", [][]byte{right, segment(t, fromA, syn, func(ip []byte) { ip[2], ip[3], ip[36] = 0, 0, 9 })}, Checksums{Right: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench()
			for _, f := range c.frames {
				if r := b.decode(linkEthernet, record{data: f, wire: uint32(len(f))}); r != reasonDecoded {
					t.Fatal(r)
				}
			}
			last := &b.out.Packets[0]
			if b.ledger.Checksums != c.want || (last.Bits&flow.Broken != 0) != (c.want.Broken > 0) {
				t.Errorf("%+v, broken %v, want %+v", b.ledger.Checksums, last.Bits&flow.Broken != 0, c.want)
			}
			f := c.frames[len(c.frames)-1]
			b.ledger.Checksums = Checksums{}
			if b.decode(linkEthernet, record{data: f[:len(f)-1], wire: uint32(len(f))}); b.ledger.Checksums.Right+b.ledger.Checksums.Unset+b.ledger.Checksums.Offload > 0 {
				t.Errorf("judged a packet that is not there as a whole: %+v", b.ledger.Checksums)
			}
		})
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
			got = c
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
