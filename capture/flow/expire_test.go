package flow

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	const hour = int64(time.Hour)
	type step struct {
		times int
		at    int64
		want  int64
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"forward", []step{{1, 5e9, 5e9}, {1, 6e9, 6e9}, {1, 6e9 + hour, 6e9 + hour}}},
		{"backward", []step{{1, 5e9, 5e9}, {1, 4e9, 5e9}}},
		{"one bad packet", []step{{1, 0, 0}, {1, 100 * hour, 0}, {1, 1e9, 1e9}}},
		{"bad packets in between", []step{{1, 0, 0}, {255, 100 * hour, 0}, {1, 1e9, 1e9}, {255, 100 * hour, 1e9}}},
		{"a gap", []step{{1, 0, 0}, {255, 100 * hour, 0}, {1, 100*hour + 7, 100 * hour}, {1, 100*hour + 9, 100*hour + 9}}},
		{"one worse packet in a gap", []step{{1, 0, 0}, {1, 900 * hour, 0}, {255, 100 * hour, 100 * hour}}},
		{"back for good", []step{{1, 100 * hour, 100 * hour}, {255, 5, 100 * hour}, {1, 7, 7}}},
		{"directions do not add up", []step{{1, 100 * hour, 100 * hour}, {200, 5, 100 * hour}, {200, 300 * hour, 100 * hour}, {200, 5, 100 * hour}}},
		{"extremes", []step{{1, 0, 0}, {1, 1<<63 - 1, 0}, {1, -1 << 63, 0}, {1, 1, 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var k clock
			for i, s := range c.steps {
				for range s.times {
					k.see(s.at)
				}
				if k.now != s.want {
					t.Fatalf("step %d: clock at %d, want %d", i, k.now, s.want)
				}
			}
		})
	}
}

func TestOneBadTime(t *testing.T) {
	more := strings.Repeat("1 10.0.0.3:40000 > 10.0.0.4:80 A\n", 600) + "2" + ab + "FA\n2" + ba + "FA"
	const other = "0.1 10.0.0.3:40000 > 10.0.0.4:80 A\n"
	for _, c := range []struct{ name, script, want string }{
		{"absurd: ends nothing", handshake + other + "9999999 10.0.0.3:40000 > 10.0.0.4:80 A\n" + more,
			"handshake established closed 3/2\nport midstream input-end 602/0 orig-only"},
		{"possible: ends its own connection", handshake + other + "999999 10.0.0.3:40000 > 10.0.0.4:80 A\n" + more,
			"port midstream idle 1/0 orig-only\nhandshake established closed 3/2\nport midstream input-end 601/0 orig-only"},
		{"absurd SYN-ACK", "0" + ab + "S seq=1\n1e9" + ba + "SA ack=2\n1" + ab + "A", "handshake established input-end 2/1"},
		{"another file, months later", "0 10.0.0.1:123 > 10.0.0.2:123 udp\n9999999 10.0.0.1:123 > 10.0.0.2:123 udp file=1",
			"unknown one-way idle 1/0 orig-only\nunknown one-way input-end 1/0 orig-only"},
	} {
		t.Run(c.name, func(t *testing.T) { wantConns(t, c.script, c.want) })
	}
}

// What came before a step of the clock, in the packets that made it too, is no sign of who began a conversation.
func TestClockStepStartsAnew(t *testing.T) {
	const other = "10.0.0.3:40000 > 10.0.0.4:80 A\n"
	gap := "0 " + other + strings.Repeat("90000 "+other, agreeing)
	const gapWant = "port midstream idle 1/0 orig-only\nport midstream input-end 256/0 orig-only\n"
	for _, c := range []struct{ name, script, want string }{
		{"first packet of the gap's end", "0 " + other + "90000 10.0.0.1:50000 > 10.0.0.2:50001 udp", "orig-only\nunknown one-way input-end 1/0 orig-only"},
		{"soon after it", gap + "90100 10.0.0.1:50000 > 10.0.0.2:50001 udp", gapWant + "unknown one-way input-end 1/0 orig-only"},
		{"an idle timeout after it", gap + "90121 10.0.0.1:50000 > 10.0.0.2:50001 udp", gapWant + "first-packet one-way input-end 1/0 orig-only"},
		{"first stamp 30 years early", "-999999999" + ba + "A\n" + strings.Repeat("0 "+other, agreeing) + "2 10.0.0.1:50000 > 10.0.0.2:50001 udp",
			"port midstream input-end 0/1 resp-only\nport midstream input-end 256/0 orig-only\nunknown one-way input-end 1/0 orig-only"},
	} {
		t.Run(c.name, func(t *testing.T) { wantConns(t, c.script, c.want) })
	}
}

// After time stamps far ahead the clock comes back; connections go on idling out.
func TestSweepsGoOnAfterStepBack(t *testing.T) {
	var script strings.Builder
	for i := range 2 * agreeing {
		fmt.Fprintf(&script, "900000000 10.1.%d.%d:5 > 10.0.0.9:53 udp\n", i>>8, i&255)
	}
	for i := range 8 * agreeing {
		fmt.Fprintf(&script, "%f 10.2.%d.%d:5 > 10.0.0.9:53 udp\n", float64(i)/4, i>>8, i&255)
	}
	packets := parsePackets(t, script.String())
	idle := 0
	for _, c := range check(t, 10_000, 0, packets) {
		if c.End == EndIdle {
			idle++
		}
	}
	if idle < 5*agreeing {
		t.Errorf("%d connections idled out", idle)
	}
}

// A connection cut in two by a time stamp more than an hour ahead is counted; one that idles out in due time is not.
func TestDoubtedEndsAreCounted(t *testing.T) {
	const quiet, other = "10.0.0.1:5 > 10.0.0.2:5 udp\n", "10.0.0.3:5 > 10.0.0.4:5 udp\n"
	table := NewTable(Options{})
	var b Batch
	for _, p := range parsePackets(t, "0 "+quiet+"0 "+other+"100 "+quiet+"9000 "+other+"101 "+quiet) {
		b.put(table.Hasher(), &p)
	}
	table.AddBatch(&b)
	table.Close()
	if c := table.Counters(); c.Doubted != 1 || c.Ends[EndIdle] != 2 || c.Created != 4 {
		t.Errorf("%+v", c)
	}
}

func TestTimeoutsAreNamed(t *testing.T) {
	if shortestTimeout != int64(30*time.Second) {
		t.Errorf("shortest timeout is %v", time.Duration(shortestTimeout))
	}
}

// TestSweepOverlooksNobody looks at every line, as sweeps do not.
func TestSweepOverlooksNobody(t *testing.T) {
	for seed := range uint64(4) {
		table := NewTable(Options{MaxConnections: 300})
		var b Batch
		for i, p := range packetsFrom(randomBytes(6*4000, seed+500)) {
			p.Num = uint64(i + 1)
			p.Context = 0
			b.put(table.Hasher(), &p)
			if i%50 != 0 {
				continue
			}
			table.AddBatch(&b)
			b.N = 0
			if i%500 == 0 {
				table.Step([]int64{-2e9, 700e9}[i/500%2])
			}
			for rec := uint32(2); rec < table.records.used; rec++ {
				r, quiet := &table.records.of[rec], table.records.quiet.of[rec]
				if r.flags&live != 0 && quiet > r.last+idleTimeouts.of(r) {
					t.Fatalf("seed %d, packet %d: a %v of state %b and last packet %d would not be looked at before %d", seed, i, r.proto, r.state(), r.last, quiet)
				}
				if r.flags&wide != 0 {
					if rec++; r.flags&live != 0 && table.records.quiet.of[rec] != never {
						t.Fatalf("seed %d, packet %d: line %d of an address would be taken for a connection", seed, i, rec)
					}
				}
			}
		}
		table.Close()
	}
}
