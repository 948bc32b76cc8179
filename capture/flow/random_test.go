package flow

import (
	"net/netip"
	"reflect"
	"testing"
)

// packetsFrom makes packets of any bytes, six each: few hosts and ports, so that connections meet, with plausible sequence numbers.
func packetsFrom(data []byte) []testPacket {
	hosts := [...]string{"10.0.0.1", "10.0.0.2", "192.0.2.9", "2001:db8::1", "2001:db8::2", "2001:db8::3"}
	ports := [...]uint16{80, 443, 8080, 40000, 40001, 50000, 53, 2049}
	flags := [...]TCPFlags{SYN, SYN, SYN, SYN | ACK, SYN | ACK, SYN | ACK, ACK, ACK | PSH, ACK, FIN | ACK, RST, RST | ACK, SYN | FIN, 0}
	steps := [...]int64{1e9, 2e9, 20e9, 31e9, 61e9, 121e9, -5e9, 3601e9} // else a millisecond
	protos := [...]Proto{TCP, TCP, TCP, TCP, UDP, ICMP, GRE, SCTP}
	now := int64(epoch)
	var packets []testPacket
	for ; len(data) >= 6; data = data[6:] {
		pair, port, flag, seq, step, rest := data[0], data[1], data[2], data[3], data[4], data[5]
		family := int(pair>>6&1) * 3
		src, dst := int(pair%3), int(pair/3%3)
		p := testPacket{}
		p.Proto = protos[pair>>3%8&7]
		now += 1e6
		if step < 16 {
			now += steps[step&7]
		}
		p.Time, p.Num, p.IPLen = now, uint64(len(packets)+1), uint32(rest)
		if step == 255 {
			p.Time += 1e15
		}
		srcPort, dstPort := ports[port&7], ports[port>>3&7]
		if rest&3 != 0 { // one busy tuple, both ways
			src, dst, srcPort, dstPort = 0, 1, 40000, 80
			if port&1 != 0 {
				src, dst, srcPort, dstPort = 1, 0, 80, 40000
			}
		}
		if p.Proto.IsICMP() {
			srcPort, dstPort = PackICMP(p.Proto, flag&8, 0)
		} else if !p.Proto.HasPorts() {
			srcPort, dstPort = 0, 0
		}
		p.src = netip.AddrPortFrom(netip.MustParseAddr(hosts[family+src]), srcPort)
		p.dst = netip.AddrPortFrom(netip.MustParseAddr(hosts[family+dst]), dstPort)
		if p.src == p.dst {
			continue
		}
		if p.Proto == TCP {
			p.Flags = flags[int(flag)%len(flags)]
			p.Ack = 1
			if seq < 32 {
				p.Seq, p.Ack = uint32(seq&1)*1000, uint32(seq>>1&1)*1000+uint32(seq>>2&1)*76+1
			}
		}
		if rest>>4 < 3 {
			p.PayloadLen = uint32(rest)
		}
		switch rest {
		case 255:
			p.Bits = BadTime
			p.Time = 0
		case 254:
			p.Bits = Broken
		case 251, 252:
			p.refused = true
		case 253:
			p.Bits = Fragment
		}
		if pair >= 192 {
			p.Context = uint16(int(step) % len(testContexts))
		}
		packets = append(packets, p)
	}
	return packets
}

func randomBytes(n int, seed uint64) []byte {
	data := make([]byte, n)
	for i := range data {
		seed = seed*6364136223846793005 + 1442695040888963407
		data[i] = byte(seed >> 56)
	}
	return data
}

// check runs the packets through the model, and through tables with other seeds and other batch sizes: all must agree.
func check(t *testing.T, limit int, key Key, packets []testPacket) []Conn {
	t.Helper()
	want := newModel(limit, key).run(packets)
	missed := make([]Missed, len(want)) // the model knows nothing of it
	for i, size := range []int{BatchSize, 1, 100} {
		got := run(t, Options{MaxConnections: limit, Key: key, Seed: [2]uint64{uint64(i), 99}}, size, packets)
		for j := range min(len(got), len(want)) {
			if i == 0 {
				missed[j] = got[j].Missed
			} else if !reflect.DeepEqual(got[j].Missed, missed[j]) {
				t.Fatalf("limit %d, batches of %d, connection %d missed %+v, in other batches %+v", limit, size, j, got[j].Missed, missed[j])
			}
			got[j].Missed = Missed{}
			if !reflect.DeepEqual(got[j], want[j]) {
				t.Fatalf("limit %d, batches of %d, connection %d:\n got %s %+v\nwant %s %+v", limit, size, j, describe(&got[j]), got[j], describe(&want[j]), want[j])
			}
		}
		if len(got) != len(want) {
			t.Fatalf("limit %d, batches of %d: %d connections, want %d", limit, size, len(got), len(want))
		}
	}
	return want
}

func TestTableAgainstModel(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(10) {
		packets := packetsFrom(randomBytes(6*2000, seed))
		for _, limit := range []int{1, 7, 40, 300} {
			for _, c := range check(t, limit, Key(seed)&(KeyVLAN|KeyInterface), packets) {
				seen[c.Proto.String()+" "+c.Outcome.String()] = true
				seen[c.KnownBy.String()], seen[c.End.String()], seen[c.Visibility.String()] = true, true, true
			}
		}
	}
	for o := Established; o <= Midstream; o++ {
		if !seen["tcp "+o.String()] {
			t.Errorf("no TCP connection was %v", o)
		}
	}
	for _, s := range []string{"udp answered", "udp one-way", "icmp answered", "icmp one-way", "gre seen", "unknown", "port", "first-packet",
		"synack", "handshake", "input-end", "closed", "idle", "reused", "evicted", "both", "orig-only", "resp-only"} {
		if !seen[s] {
			t.Errorf("no connection was %s", s)
		}
	}
}

// TestTableManyEnds has more ends than the table's limit, so that eviction, free lists of both widths and the index are at work.
func TestTableManyEnds(t *testing.T) {
	for seed := range uint64(2) {
		packets := packetsFrom(randomBytes(6*6000, seed+100))
		for i := range packets {
			p := &packets[i]
			if p.Proto.HasPorts() {
				p.src = netip.AddrPortFrom(p.src.Addr(), p.src.Port()+uint16(i/50*7%97))
				p.dst = netip.AddrPortFrom(p.dst.Addr(), p.dst.Port()+uint16(i/30%31))
			}
		}
		for _, limit := range []int{16, 300} {
			check(t, limit, Key(seed), packets)
		}
	}
}

func FuzzTable(f *testing.F) {
	f.Add(uint8(3), randomBytes(600, 1))
	f.Add(uint8(0), randomBytes(300, 2))
	f.Fuzz(func(t *testing.T, limit uint8, data []byte) {
		if len(data) > 6*3000 {
			return
		}
		check(t, int(limit)+1, Key(limit)&(KeyVLAN|KeyInterface), packetsFrom(data))
	})
}
