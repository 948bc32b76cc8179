package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"pcapaudit/capture/flow"
)

func TestCopies(t *testing.T) {
	const ms = 1_000_000
	plain := unhex(t, macs+"08 00"+udp4)
	with := func(frame []byte, at int, b ...byte) []byte {
		frame = slices.Clone(frame)
		copy(frame[at:], b)
		return frame
	}
	tagged := slices.Concat(plain[:12], []byte{0x81, 0, 0, 10}, plain[12:])
	noID := with(plain, 18, 0, 0)
	six := unhex(t, macs+"86 dd"+udp6)
	type packet struct {
		at    int64 // ms
		frame []byte
		want  Reason
	}
	var many []packet
	for i := range copyWindow {
		many = append(many, packet{0, with(plain, 18, 1, byte(i)), reasonDecoded})
	}
	for _, c := range []struct {
		name    string
		packets []packet
	}{
		{"copy", []packet{{0, plain, reasonDecoded}, {0, plain, reasonCopy}, {49, plain, reasonCopy}}},
		{"another identification is a retransmission", []packet{{0, plain, reasonDecoded}, {0, with(plain, 18, 0, 2), reasonDecoded}}},
		{"behind a router: TTL and header checksum", []packet{{0, plain, reasonDecoded}, {1, with(plain, 22, 0x3f, 17, 0xab, 0xcd), reasonCopy}}},
		{"another protocol", []packet{{0, plain, reasonDecoded}, {1, with(plain, 23, 136), reasonDecoded}}},
		{"other MAC addresses, in a VLAN", []packet{{0, plain, reasonDecoded}, {1, tagged, reasonCopy}, {1, with(plain, 0, 4), reasonCopy}}},
		{"other payload", []packet{{0, plain, reasonDecoded}, {1, with(plain, len(plain)-1, 9), reasonDecoded}}},
		{"other address", []packet{{0, plain, reasonDecoded}, {1, with(plain, 29, 9), reasonDecoded}}},
		{"padding of the frame", []packet{{0, plain, reasonDecoded}, {1, append(slices.Clone(plain), 1, 2, 3), reasonCopy}}},
		{"50 ms and no more", []packet{{0, plain, reasonDecoded}, {50, plain, reasonCopy}, {51, plain, reasonDecoded}, {52, plain, reasonCopy}}},
		{"time backwards", []packet{{60, plain, reasonDecoded}, {20, plain, reasonCopy}, {5, plain, reasonDecoded}}},
		{"64 packets and no more", slices.Concat([]packet{{0, plain, reasonDecoded}}, many[1:], []packet{{0, plain, reasonCopy}}, many[:1], []packet{{0, plain, reasonDecoded}})},
		{"without identification 1 ms", []packet{{0, noID, reasonDecoded}, {1, noID, reasonCopy}, {2, noID, reasonDecoded}}},
		{"IPv6", []packet{{0, six, reasonDecoded}, {1, with(six, 21, 0x3f), reasonCopy}, {3, six, reasonDecoded}, {3, with(six, 20, 6), malformedTransport}}},
		{"cut, without identification, may differ in what is not there", []packet{{0, noID[:len(noID)-1], reasonDecoded}, {0, noID[:len(noID)-1], reasonDecoded},
			{0, six[:len(six)-1], reasonDecoded}, {0, six[:len(six)-1], reasonDecoded}}},
		{"cut, with identification", []packet{{0, plain[:len(plain)-1], reasonDecoded}, {0, plain[:len(plain)-1], reasonCopy}}},
		{"malformed", []packet{{0, plain[:30], malformedNetwork}, {0, plain[:30], malformedNetwork}}},
		{"not IP", []packet{{0, unhex(t, macs+"08 06 00 01"), reasonNonIP}, {0, unhex(t, macs+"08 06 00 01"), reasonNonIP}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench()
			b.copies = new(copies)
			b.copies.seed = b.fragments.seed
			for i, p := range c.packets {
				got := b.decode(linkEthernet, record{data: p.frame, wire: uint32(len(p.frame)), time: p.at * ms})
				if got != p.want {
					t.Errorf("packet %d: %v %v, want %v %v", i, got.Class(), got, p.want.Class(), p.want)
				}
			}
		})
	}
	b := newBench()
	b.copies = &copies{seed: b.fragments.seed}
	for i, c := range []struct {
		frame []byte
		want  Reason
	}{{plain, reasonDecoded}, {plain, reasonCopy}, {noID, reasonDecoded}, {noID, reasonDecoded}} {
		if got := b.decode(linkEthernet, record{data: c.frame, wire: uint32(len(c.frame)), badTime: true}); got != c.want {
			t.Errorf("packet %d without time: %v, want %v", i, got, c.want)
		}
	}
}

// A mirror port that shows everything twice: the connections are those of the clean capture, and the ledger says what the rest is.
func TestRunDedup(t *testing.T) {
	var clean, mirrored [][]byte
	for i := range 200 {
		frame := unhex(t, macs+"08 00"+udp4)
		binary.BigEndian.PutUint16(frame[18:], uint16(i+1))
		frame[29] = byte(i % 7)
		clean = append(clean, frame)
		again := slices.Clone(frame)
		again[22]--
		mirrored = append(mirrored, frame, again)
	}
	run := func(file []byte, dedup bool) (conns []flow.Conn, res *Result) {
		res, err := Run(context.Background(), Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(file), Dedup: dedup, Emit: func(c *flow.Conn) { conns = append(conns, kept(c)) }})
		if err != nil {
			t.Fatal(err)
		}
		return conns, res
	}
	once := func(frames [][]byte) []byte { // all within one second
		file := pcapFile(1000, frames...)
		for i, at := 0, 24; at < len(file); i++ {
			binary.LittleEndian.PutUint32(file[at:], 1000)
			binary.LittleEndian.PutUint32(file[at+4:], uint32(i))
			at += 16 + int(binary.LittleEndian.Uint32(file[at+8:]))
		}
		return file
	}
	want, _ := run(once(clean), true)
	got, res := run(once(mirrored), true)
	if n := res.Ledger.Class(Duplicate).Packets; n != 200 {
		t.Errorf("%d duplicates, want 200", n)
	}
	if len(want) != 7 || len(got) != len(want) {
		t.Fatalf("%d connections, without copies %d", len(got), len(want))
	}
	for i := range got {
		if got[i].OrigPackets != want[i].OrigPackets || got[i].OrigBytes != want[i].OrigBytes || got[i].Orig != want[i].Orig {
			t.Errorf("connection %d: %+v, without copies %+v", i, got[i], want[i])
		}
	}
	if _, res := run(once(mirrored), false); res.Ledger.Class(Duplicate).Packets != 0 || res.Connections.Packets != 400 {
		t.Error("copies are left out without being asked to")
	}
}

// What a tunnel carries is filtered by its own addresses; the record is in the class of its own packet.
func TestRunFilter(t *testing.T) {
	plain := unhex(t, macs+"08 00"+udp4)
	tunnel := unhex(t, macs+"08 00 45 00 00 34 00 01 00 00 40 04 00 00 0a 00 00 01 0a 00 00 02"+udp4)
	for _, c := range []struct {
		host        string
		read, inner uint64 // packets not left out
	}{{"192.0.2.1", 1, 1}, {"10.0.0.1", 1, 0}, {"10.0.0.9", 0, 0}} {
		f := &flow.Filter{Hosts: []netip.Addr{netip.MustParseAddr(c.host)}}
		f.Compile()
		res, err := Run(context.Background(), Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(pcapFile(1000, plain, tunnel)), Filter: f})
		if err != nil {
			t.Fatal(err)
		}
		l := &res.Ledger
		if l.Class(Decoded).Packets != c.read || l.Class(Filtered).Packets != 2-c.read || l.InnerClass(Decoded).Packets != c.inner || l.InnerClass(Filtered).Packets != 1-c.inner {
			t.Errorf("%s: %d decoded, %d filtered, inside %d and %d", c.host, l.Class(Decoded).Packets, l.Class(Filtered).Packets,
				l.InnerClass(Decoded).Packets, l.InnerClass(Filtered).Packets)
		}
		if res.Connections.Packets != c.read+c.inner {
			t.Errorf("%s: %d packets in connections", c.host, res.Connections.Packets)
		}
	}
}

// Interfaces of one file are told apart where the key asks for them, with VLAN tags and without.
func TestKeyInterface(t *testing.T) {
	for _, c := range []struct {
		key  flow.Key
		want uint64
	}{{0, 1}, {flow.KeyInterface, 2}, {flow.KeyVLAN, 2}, {flow.KeyInterface | flow.KeyVLAN, 4}} {
		r := newTestRun(flow.Options{Key: c.key}, Interface{LinkType: linkEthernet, Name: "eth0"}, Interface{LinkType: linkEthernet})
		if c.key&flow.KeyInterface != 0 {
			r.decoder.interfaceName = r.in.interfaceName
		}
		frames := [][]byte{unhex(t, macs+"08 00"+udp4), unhex(t, macs+"81 00 00 0a 08 00"+udp4)}
		r.records.n = 40
		for i := range r.records.n {
			data := frames[i/2%2]
			r.records.recs[i] = record{data: data, wire: uint32(len(data)), time: int64(i), num: uint64(i) + 1, iface: uint16(i % 2)}
		}
		r.track()
		if n := r.table.Counters().Created; n != c.want {
			t.Errorf("key %d: %d connections, want %d", c.key, n, c.want)
		}
		r.table.Close()
	}
}

// Filters, copies and keys cost no allocation either.
func TestNoAllocationsFiltered(t *testing.T) {
	r := newTestRun(flow.Options{Key: flow.KeyVLAN | flow.KeyInterface}, Interface{LinkType: linkEthernet, Name: "a"}, Interface{LinkType: linkEthernet, Name: "b"})
	defer r.table.Close()
	r.decoder.interfaceName = r.in.interfaceName
	r.decoder.copies = &copies{seed: r.decoder.fragments.seed}
	r.decoder.filter = &flow.Filter{Nets: []netip.Prefix{netip.MustParsePrefix("192.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}, Ports: []flow.PortRange{{First: 0, Last: 60000}}}
	r.decoder.filter.Compile()
	r.records = *mixedBatch(t)
	for i := range r.records.recs {
		r.records.recs[i].iface = uint16(i / 8 % 2)
	}
	if n := testing.AllocsPerRun(100, r.track); n != 0 {
		t.Errorf("%v allocations a batch, want 0", n)
	}
}
