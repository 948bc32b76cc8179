package flow

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

const opened = `
	0 10.0.0.1:40000 > 10.0.0.2:80 S seq=99
	0.1 10.0.0.2:80 > 10.0.0.1:40000 SA seq=499 ack=100
	0.2 10.0.0.1:40000 > 10.0.0.2:80 A seq=100 ack=500
`

// Data comes from 10.0.0.1:40000 as "> SEQ LEN", acknowledgements from 10.0.0.2:80 as "< ACK".
func transfer(steps string) string {
	script := ""
	for i, step := range strings.Split(steps, ", ") {
		var dir string
		var n, payload int
		switch fields, _ := fmt.Sscan(step, &dir, &n, &payload); fields {
		case 3:
			script += fmt.Sprintf("%d 10.0.0.1:40000 > 10.0.0.2:80 A seq=%d ack=500 len=%d\n", i+1, n, payload)
		case 2:
			script += fmt.Sprintf("%d 10.0.0.2:80 > 10.0.0.1:40000 A seq=500 ack=%d\n", i+1, n)
		}
	}
	return script
}

func TestMissed(t *testing.T) {
	const wrap = 1<<32 - 1000
	for _, c := range []struct {
		name           string
		handshake      bool
		steps          string
		packets, bytes uint64
	}{
		{"in order", true, "> 100 1000, > 1100 1000, < 2100", 0, 0},
		{"one segment", true, "> 100 1000, > 2100 1000, < 3100", 1, 1000},
		{"the first segment", true, "> 1100 1000, < 2100", 1, 1000},
		{"the last segment", true, "> 100 1000, < 2100", 1, 1000},
		{"part of a segment", true, "> 100 1000, < 1150", 1, 50},
		{"three segments at once", true, "> 100 1000, < 4100", 3, 3000},
		{"not acknowledged", true, "> 100 1000, > 2100 1000, < 1100", 0, 0},
		{"retransmitted before it is acknowledged", true, "> 100 1000, > 2100 1000, < 1100, > 1100 1000, < 3100", 0, 0},
		{"seen twice", true, "> 100 1000, > 100 1000, > 100 500, < 1100", 0, 0},
		{"reordered", true, "> 2100 1000, > 100 1000, > 1100 1000, < 3100", 0, 0},
		{"acknowledgement before data", true, "< 2100, > 100 1000, > 1100 1000, < 2100", 0, 0},
		{"late data fills the middle of a hole", true, "> 100 1000, < 4100, > 2100 1000", 2, 2000},
		{"keep-alive", true, "> 100 1000, < 1100, > 1099 0, < 1100, > 1099 1, < 1100", 0, 0},
		{"few bytes are not many packets", true, "> 100 1, < 400", 1, 299},
		{"forged acknowledgement", true, "> 100 1000, < 2000000000, > 1100 1000, < 2100", 0, 0},
		{"old acknowledgement", true, "> 100 1000, < 1100, < 50", 0, 0},
		{"more holes than are remembered", true, "> 1100 1000, > 3100 1000, > 5100 1000, > 7100 1000, < 8100", 3, 3000},
		{"many holes one after the other", true, "> 1100 1000, < 2100, > 3100 1000, < 4100, > 5100 1000, < 6100, > 7100 1000, < 8100, > 9100 1000, < 10100", 5, 5000},
		{"midstream", false, "> 5000 1000, < 6000", 0, 0},
		{"midstream, acknowledgement first", false, "< 6000, > 5000 1000, > 6000 1000, < 7000", 0, 0},
		{"midstream, out of order", false, "> 6000 1000, > 5000 1000, < 7000", 0, 0},
		{"midstream with a hole", false, "> 5000 1000, > 7000 1000, < 8000", 1, 1000},
		{"wrap", false, fmt.Sprintf("> %d 1000, > 0 1000, < 1000", int64(wrap)), 0, 0},
		{"hole before the wrap", false, fmt.Sprintf("> %d 1000, > 0 1000, < 1000", int64(wrap)-1000), 1, 1000},
		{"hole behind the wrap", false, fmt.Sprintf("> %d 1000, > 1000 1000, < 2000", int64(wrap)), 1, 1000},
		{"hole over the wrap", false, fmt.Sprintf("> %d 1000, > 500 1000, < 1500", int64(wrap)-500), 1, 1000},
		{"only one side", false, "> 1 100, > 101 100, > 201 100", 1, 0},
		{"the silent side was acknowledged", false, "< 100, < 3020, < 4480", 3, 4380},
		{"two packets of one side", false, "> 1 100, > 101 100", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			script := transfer(c.steps)
			if c.handshake {
				script = opened + script
			}
			conns := run(t, Options{}, BatchSize, parsePackets(t, script))
			if len(conns) != 1 {
				t.Fatalf("%d connections", len(conns))
			}
			if m := conns[0].Missed; !m.Followed || m.Packets != c.packets || m.Bytes != c.bytes {
				t.Errorf("missed %+v, want %d packets, %d bytes", m, c.packets, c.bytes)
			}
		})
	}
}

func TestMissedHandshake(t *testing.T) {
	for _, c := range []struct {
		name, script string
		want         Missed
	}{
		{"whole", opened, Missed{Followed: true}},
		{"SYN-ACK not seen", `
			0 10.0.0.1:40000 > 10.0.0.2:80 S seq=99
			0.2 10.0.0.1:40000 > 10.0.0.2:80 A seq=100 ack=500
			0.3 10.0.0.2:80 > 10.0.0.1:40000 A seq=500 ack=100`, Missed{true, 1, 0, []MissedMinute{{epoch / minute, 1}}}},
		{"SYN not seen at the capture's start", `
			0.1 10.0.0.2:80 > 10.0.0.1:40000 SA seq=499 ack=100
			0.2 10.0.0.1:40000 > 10.0.0.2:80 A seq=100 ack=500`, Missed{Followed: true}},
		{"SYN not seen", `
			0 10.0.0.1:40001 > 10.0.0.2:80 udp
			100.1 10.0.0.2:80 > 10.0.0.1:40000 SA seq=499 ack=100
			100.2 10.0.0.1:40000 > 10.0.0.2:80 A seq=100 ack=500`, Missed{true, 1, 0, []MissedMinute{{(epoch + 100e9) / minute, 1}}}},
		{"no answer", "0 10.0.0.1:40000 > 10.0.0.2:80 S seq=99", Missed{}},
		{"refused", "0 10.0.0.1:40000 > 10.0.0.2:80 S seq=99\n 0 10.0.0.2:80 > 10.0.0.1:40000 RA seq=0 ack=100", Missed{}},
		{"fragmented, the first ones seen", "0 10.0.0.1:40000 > 10.0.0.2:80 A fragment\n0.1 10.0.0.1:40000 > 10.0.0.2:80 A seq=100 len=1000\n0.2 10.0.0.2:80 > 10.0.0.1:40000 A ack=3100", Missed{}},
		{"fragmented", opened + "1 10.0.0.1:40000 > 10.0.0.2:80 A seq=100 ack=500 fragment\n2 10.0.0.2:80 > 10.0.0.1:40000 A seq=500 ack=3000", Missed{}},
		{"broken", opened + "1 10.0.0.2:80 > 10.0.0.1:40000 A seq=500 ack=3000 broken", Missed{Followed: true}},
		{"FIN acknowledged, not seen", opened + "1 10.0.0.2:80 > 10.0.0.1:40000 A seq=500 ack=101", Missed{true, 1, 1, []MissedMinute{{(epoch + 1e9) / minute, 1}}}},
		{"FIN", opened + "1 10.0.0.1:40000 > 10.0.0.2:80 FA seq=100 ack=500\n1 10.0.0.2:80 > 10.0.0.1:40000 A seq=500 ack=101", Missed{Followed: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conns := run(t, Options{}, BatchSize, parsePackets(t, c.script))
			i := slices.IndexFunc(conns, func(c Conn) bool { return c.Proto == TCP })
			if got := conns[i].Missed; fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestMissedMinutes(t *testing.T) {
	script := opened
	for i := range 2 * MaxMissedMinutes {
		script += fmt.Sprintf("%d 10.0.0.2:80 > 10.0.0.1:40000 A seq=500 ack=%d\n", 1+60*i, 100+100*(i+1))
	}
	m := run(t, Options{}, BatchSize, parsePackets(t, script))[0].Missed
	last := MissedMinute{epoch/minute + MaxMissedMinutes - 1, MaxMissedMinutes + 1}
	if m.Packets != 2*MaxMissedMinutes || len(m.Minutes) != MaxMissedMinutes || m.Minutes[MaxMissedMinutes-1] != last {
		t.Errorf("got %+v", m)
	}
}

// What is dropped behind a network that loses, reorders and repeats is found; nothing is found where nothing is dropped.
func TestMissedOfTransfers(t *testing.T) {
	for seed := range uint64(20) {
		packets, data := networkTransfer(seed, 3000)
		for _, every := range []int{0, 50, 20} {
			kept, dropped, n := []testPacket(nil), uint64(0), 0
			for i, p := range packets {
				if data[i] {
					if n++; every > 0 && n%every == 0 {
						dropped++
						continue
					}
				}
				kept = append(kept, p)
			}
			m := run(t, Options{}, BatchSize, kept)[0].Missed
			if !m.Followed || m.Packets > dropped || m.Packets < dropped*3/4 {
				t.Errorf("seed %d, one of %d dropped: %d packets missed, want %d", seed, every, m.Packets, dropped)
			}
		}
	}
}

// TestMissedSoFar asks for what open connections missed, again and again: it is what they would have missed if they ended then, and nothing is changed by asking.
func TestMissedSoFar(t *testing.T) {
	minutes := opened
	for i := range 2 * MaxMissedMinutes {
		minutes += fmt.Sprintf("%d 10.0.0.2:80 > 10.0.0.1:40000 A seq=500 ack=%d\n", 1+60*i, 100+100*(i+1))
	}
	scripts := [][]testPacket{parsePackets(t, minutes), parsePackets(t, "0 10.0.0.1:40000 > 10.0.0.2:80 S seq=99\n0.2 10.0.0.1:40000 > 10.0.0.2:80 A seq=100 ack=500\n0.3 10.0.0.2:80 > 10.0.0.1:40000 A seq=500 ack=100")}
	for seed := range uint64(3) {
		packets, _ := networkTransfer(seed, 200)
		scripts = append(scripts, slices.DeleteFunc(packets, func(p testPacket) bool { return p.Num%23 == 0 }))
	}
	for _, packets := range scripts {
		var ended []Missed
		table := NewTable(Options{Emit: func(_ uint32, c *Conn) { ended = append(ended, c.Missed) }})
		var b Batch
		for i, p := range packets {
			b.N = 0
			b.put(table.Hasher(), &p)
			table.AddBatch(&b)
			want := run(t, Options{}, BatchSize, packets[:i+1])[0].Missed
			table.EachOpen(9, func(_ uint32, c *Conn) {
				if fmt.Sprint(c.Missed) != fmt.Sprint(want) {
					t.Fatalf("after %d packets: %+v, want %+v", i+1, c.Missed, want)
				}
			})
		}
		want := run(t, Options{}, BatchSize, packets)[0].Missed
		if table.Close(); len(ended) != 1 || fmt.Sprint(ended[0]) != fmt.Sprint(want) || len(table.losses.minutes) != 0 {
			t.Errorf("ended with %+v, want %+v", ended, want)
		}
	}
}

// networkTransfer is what a capture point behind a bad network sees of a download, and which of it is data seen once: a tenth of the
// segments is lost before the capture point and sent again later, some come twice, some late.
func networkTransfer(seed uint64, segments int) (packets []testPacket, data []bool) {
	const size = 1000
	random := randomBytes(segments, seed)
	orig, resp := netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:80")
	isn := uint32(0) - uint32(seed*100_000) - 1
	add := func(src, dst netip.AddrPort, seq, ack, payload uint32, once bool) {
		p := testPacket{src: src, dst: dst, Packet: Packet{Proto: TCP, Flags: ACK, Seq: seq, Ack: ack, PayloadLen: payload, IPLen: 40 + payload}}
		p.Num = uint64(len(packets) + 1)
		p.Time = epoch + int64(len(packets))*1e5
		packets, data = append(packets, p), append(data, once)
	}
	add(orig, resp, 7, isn, 0, false)
	add(resp, orig, isn, 7, 0, false)
	seg := func(i int, once bool) { add(resp, orig, isn+uint32(i)*size, 7, size, once) }
	for i := 0; i+4 <= segments; i += 4 { // one flight
		switch r := random[i]; {
		case r < 25: // lost before the capture point, repeated behind the flight
			seg(i, true)
			seg(i+2, true)
			seg(i+3, true)
			add(orig, resp, 7, isn+uint32(i+1)*size, 0, false)
			seg(i+1, true)
		case r < 50: // out of order
			for _, k := range []int{1, 0, 3, 2} {
				seg(i+k, true)
			}
		case r < 75: // the second is lost behind the capture point
			seg(i, true)
			seg(i+1, false)
			seg(i+2, true)
			seg(i+3, true)
			add(orig, resp, 7, isn+uint32(i+1)*size, 0, false)
			seg(i+1, false)
		default:
			for k := range 4 {
				seg(i+k, true)
			}
		}
		add(orig, resp, 7, isn+uint32(i+4)*size, 0, false)
	}
	return packets, data
}

// A scan takes no watches, more connections than there are get none, and those that end give theirs back.
func TestWatchesAreBounded(t *testing.T) {
	var conns []Missed
	table := NewTable(Options{MaxConnections: 1 << 18, Emit: func(_ uint32, c *Conn) { conns = append(conns, c.Missed) }})
	var b Batch
	send := func(n int, flags TCPFlags, at int64) {
		b.N = 0
		tuple(&b, table.Hasher(), uint64(n), false)
		b.Packets[0].Flags, b.Packets[0].Time = flags, epoch+at
		table.AddBatch(&b)
	}
	for n := range 1000 {
		send(n, SYN, 0)
	}
	if table.losses.used != 0 {
		t.Fatalf("SYNs took %d watches", table.losses.used)
	}
	for n := range maxWatches + 10 {
		send(1000+n, ACK, 0)
	}
	if c := table.Counters(); table.losses.used != maxWatches || c.Unfollowed != 10 {
		t.Errorf("%d watches, %d connections without", table.losses.used, c.Unfollowed)
	}
	send(0, ACK, 2*3600e9) // all others are idle
	for n := range 4 * maxWatches {
		send(1+n%3, ACK, 2*3600e9+int64(n)*1e6)
	}
	send(500, ACK, 4*3600e9)
	if n := len(table.losses.free); n != maxWatches-1 {
		t.Errorf("%d watches given back, want %d", n, maxWatches-1)
	}
	table.Close()
	if n := len(table.losses.free); n != maxWatches || len(table.losses.minutes) != 0 {
		t.Errorf("%d watches given back in the end, %d lists of minutes left", n, len(table.losses.minutes))
	}
	unfollowed := 0
	for _, m := range conns {
		if !m.Followed {
			unfollowed++
		}
	}
	if unfollowed < 10 || uint64(len(conns)) != table.Counters().Created {
		t.Errorf("%d of %d connections not followed", unfollowed, len(conns))
	}
}

func BenchmarkLosses(b *testing.B) {
	for _, conns := range []int{64, 60_000} {
		b.Run(fmt.Sprint(conns), func(b *testing.B) {
			table := NewTable(Options{})
			defer table.Close()
			fill(table, conns, false)
			all := batches(table.Hasher(), conns, 1<<18, false)
			for i := range all {
				table.AddBatch(&all[i])
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += BatchSize {
				batch := &all[i/BatchSize%len(all)]
				for k := range batch.N {
					table.losses.track(batch.Record[k], &batch.Packets[k], 0, 0)
				}
			}
		})
	}
}
