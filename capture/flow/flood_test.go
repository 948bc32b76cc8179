package flow

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestFloodSparesConnections: ten million SYNs at 200,000 a second (a few hundred thousand with -short) go through a table of the default size, and the hundred
// connections that run among them keep their outcome. At the default size the process stays below 256 MiB of resident memory.
func TestFloodSparesConnections(t *testing.T) {
	const (
		real  = 100
		every = 50_000 // flood packets between two packets of each connection
		step  = 5_000  // ns
	)
	flood := 10_000_000
	if testing.Short() {
		flood = 400_000
	}
	before := resident(t)
	kept := 0
	table := NewTable(Options{Emit: func(_ uint32, c *Conn) {
		if c.Resp.Port() != 9876 {
			return
		}
		if c.Outcome != Established || c.End == EndEvicted || c.KnownBy != KnownByHandshake {
			t.Errorf("%v > %v: %v, %v, known by %v", c.Orig, c.Resp, c.Outcome, c.End, c.KnownBy)
		}
		kept++
	}})
	var b Batch
	num, now := uint64(0), int64(epoch)
	send := func(src, dst uint32, sport, dport uint16, flags TCPFlags, seq, ack uint32) {
		num, now = num+1, now+step
		p := &b.Packets[b.N]
		*p = Packet{Time: now, Num: num, Proto: TCP, PortA: sport, PortB: dport, Flags: flags, Seq: seq, Ack: ack, IPLen: 60}
		table.Hasher().SetEnds4(p, src, dst)
		if b.N++; b.N == BatchSize {
			table.AddBatch(&b)
			b.N = 0
		}
	}
	const responder = 0x0a000001
	for i := range uint32(real) {
		host, port := 0x0a010000+i, uint16(50_000)
		send(host, responder, port, 9876, SYN, 1, 0)
		send(responder, host, 9876, port, SYN|ACK, 1, 2)
		send(host, responder, port, 9876, ACK, 2, 2)
	}
	for n := range uint32(flood) {
		send(0x14000000+n, responder, uint16(1024+n%60_000), 443, SYN, n, 0)
		if n%every == every-1 {
			for i := range uint32(real) {
				send(0x0a010000+i, responder, 50_000, 9876, ACK|PSH, 2, 2)
			}
		}
	}
	table.AddBatch(&b)
	grown := resident(t) - before
	c := table.Counters()
	table.Close()
	if kept != real {
		t.Errorf("%d of %d connections came out whole", kept, real)
	}
	if c.Peak > DefaultMaxConnections || c.Created != c.Open+c.Emitted {
		t.Errorf("counters %+v", c)
	}
	t.Logf("%d SYNs: resident memory grew by %d MiB, %d connections evicted", flood, grown>>20, c.Ends[EndEvicted])
	if grown > 256<<20 {
		t.Errorf("resident memory grew by %d MiB, the bound is 256", grown>>20)
	}
}

// resident is the process's resident memory in bytes; 0 where the system does not say.
func resident(t *testing.T) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Logf("resident memory is not measured: %v", err)
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return 0
}
