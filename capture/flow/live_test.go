package flow

import (
	"fmt"
	"slices"
	"testing"
)

// liveTable is a table that is advanced between packets as a capture that does not end does.
type liveTable struct {
	*Table
	t      *testing.T
	log    []string // emitted and shown connections
	passed []testPacket
	batch  Batch
}

func newLiveTable(t *testing.T, limit int) *liveTable {
	l := &liveTable{t: t}
	l.Table = NewTable(Options{MaxConnections: limit,
		Emit:  func(_ uint32, c *Conn) { l.log = append(l.log, "emitted "+describe(c)) },
		Young: func(_ uint32, c *Conn) { l.log = append(l.log, "shown "+describe(c)) }})
	return l
}

// add takes the packets of a script, numbered on from those before.
func (l *liveTable) add(script string) {
	l.t.Helper()
	l.batch.N = 0
	for _, p := range parsePackets(l.t, script) {
		l.passed = append(l.passed, p)
		p.Num = uint64(len(l.passed))
		l.batch.put(l.Hasher(), &p)
		if l.batch.N == BatchSize {
			l.AddBatch(&l.batch)
			l.batch.N = 0
		}
	}
	l.AddBatch(&l.batch)
}

func (l *liveTable) advance(seconds float64) { l.Advance(epoch + int64(seconds*1e9)) }

func (l *liveTable) want(want ...string) {
	l.t.Helper()
	if !slices.Equal(l.log, want) {
		l.t.Errorf("got %q\nwant %q", l.log, want)
	}
	l.log = nil
}

func TestAdvanceShowsYoungConnectionsOnce(t *testing.T) {
	l := newLiveTable(t, 0)
	l.advance(-100)
	l.add("0 10.0.0.1:40000 > 10.0.0.2:80 S seq=100\n0.1 10.0.0.2:80 > 10.0.0.1:40000 RA ack=101\n0.2 10.0.0.1:40001 > 10.0.0.2:81 S seq=5")
	l.advance(0.9)
	l.want()
	l.advance(1.05)
	l.want("shown 0:1 tcp 10.0.0.1:40000 > 10.0.0.2:80 handshake refused input-end 1/1")
	l.advance(5.1)
	l.want()
	l.advance(5.25)
	l.want("shown 0:3 tcp 10.0.0.1:40001 > 10.0.0.2:81 handshake unanswered input-end 1/0 orig-only")
	l.advance(59)
	l.want()
	l.advance(200)
	l.want("emitted 0:1 tcp 10.0.0.1:40000 > 10.0.0.2:80 handshake refused closed 1/1",
		"emitted 0:3 tcp 10.0.0.1:40001 > 10.0.0.2:81 handshake unanswered idle 1/0 orig-only")
	if c := l.Counters(); c.Open != 0 || c.Created != 2 || c.Emitted != 2 || c.Unpreviewed != 0 {
		t.Errorf("counters %+v", c)
	}
}

func TestEndedConnectionIsNotShown(t *testing.T) {
	l := newLiveTable(t, 0)
	l.add("0" + ab + "S seq=100\n0.3" + ab + "S seq=900") // the second opens anew: the first has ended
	l.want("emitted 0:1 tcp 10.0.0.1:40000 > 10.0.0.2:80 handshake unanswered reused 1/0 orig-only")
	l.add("4 10.0.0.1:40002 > 10.0.0.2:80 S seq=1")
	l.advance(5.5)
	l.want("shown 0:2 tcp 10.0.0.1:40000 > 10.0.0.2:80 handshake unanswered input-end 1/0 orig-only")
	l.advance(9.5)
	l.want("shown 0:3 tcp 10.0.0.1:40002 > 10.0.0.2:80 handshake unanswered input-end 1/0 orig-only")
}

func TestYoungConnectionsAreBounded(t *testing.T) {
	l := newLiveTable(t, 2*maxYoung)
	const more = 1000
	for from := 0; from < maxYoung+more; from += BatchSize {
		l.batch.N = 0
		for i := from; i < min(from+BatchSize, maxYoung+more); i++ {
			p := parsePackets(t, fmt.Sprintf("0 10.%d.%d.%d:40000 > 10.255.255.255:80 S seq=100", i>>16, i>>8&255, i&255))[0]
			p.Num = uint64(i + 1)
			l.batch.put(l.Hasher(), &p)
		}
		l.AddBatch(&l.batch)
	}
	l.advance(5.1)
	if c := l.Counters(); c.Unpreviewed != more || len(l.log) != maxYoung {
		t.Errorf("%d shown, %d not", len(l.log), c.Unpreviewed)
	}
}

func TestActiveSinceMark(t *testing.T) {
	l := newLiveTable(t, 0)
	l.add(handshake + "1 10.0.0.3:5000 > 10.0.0.2:514 udp\n1 10.0.0.3:5001 > 10.0.0.2:80 S seq=1")
	active := func() (list []string) {
		l.EachActive(func(_ uint32, c *Conn) { list = append(list, c.ID.String()) })
		return list
	}
	if got := active(); !slices.Equal(got, []string{"0:1", "0:4"}) {
		t.Errorf("before any mark: %v", got)
	}
	l.Mark()
	if got := active(); got != nil {
		t.Errorf("after the mark: %v", got)
	}
	l.add("2" + ab + "PA len=5")
	if got := active(); got != nil {
		t.Errorf("one side only: %v", got)
	}
	l.add("2.1" + ba + "A\n2.2 10.0.0.4:7 > 10.0.0.2:9 udp")
	if got := active(); !slices.Equal(got, []string{"0:1", "0:7"}) && !slices.Equal(got, []string{"0:1", "0:8"}) {
		t.Errorf("both sides: %v", got)
	}
}

// TestEachOpen gives open connections, also those that linger, up to a number: those that both sides sent on before others. What only lingers has closed.
func TestEachOpen(t *testing.T) {
	l := newLiveTable(t, 0)
	l.add("0 10.0.0.3:5001 > 10.0.0.2:80 S seq=1\n" + handshake + "1 10.0.0.3:5000 > 10.0.0.2:514 udp\n1.1 10.0.0.4:7 > 10.0.0.2:9 udp\n1.2 10.0.0.2:9 > 10.0.0.4:7 udp\n" +
		"1.3" + ab + "FA\n1.4" + ba + "FA\n1.5" + ab + "A")
	for _, c := range []struct {
		most int
		want []string
	}{
		{10, []string{"0:2 established closed", "0:6 answered input-end", "0:1 unanswered input-end", "0:5 one-way input-end"}},
		{4, []string{"0:2 established closed", "0:6 answered input-end", "0:1 unanswered input-end", "0:5 one-way input-end"}},
		{3, []string{"0:2 established closed", "0:6 answered input-end"}},
		{1, []string{"0:2 established closed"}},
		{0, nil},
	} {
		var got []string
		l.EachOpen(c.most, func(_ uint32, o *Conn) { got = append(got, o.ID.String()+" "+o.Outcome.String()+" "+o.End.String()) })
		if !slices.Equal(got, c.want) {
			t.Errorf("at most %d: %v, want %v", c.most, got, c.want)
		}
	}
	if n := l.Counters(); n.Open != 4 || n.Emitted != 0 {
		t.Errorf("%+v", n)
	}
	for i := range 20 {
		l.add(fmt.Sprintf("2 10.0.1.%d:5001 > 10.0.0.2:80 S seq=1", i))
	}
	var n int
	l.EachOpen(16, func(uint32, *Conn) { n++ })
	if n != 2+16/8 {
		t.Errorf("of a flood %d", n)
	}
}

func TestStepEndsNothing(t *testing.T) {
	for _, step := range []int64{3600e9, -3600e9, -50 * 365 * 86400e9} {
		l := newLiveTable(t, 0)
		l.add(handshake)
		l.advance(10)
		l.log = nil
		l.Step(step)
		for s := int64(11); s < 600; s++ {
			l.Advance(epoch + step + s*1e9)
		}
		l.want()
		l.Close()
		l.want("emitted 0:1 tcp 10.0.0.1:40000 > 10.0.0.2:80 handshake established input-end 2/1")
	}
}

// Advancing a table whenever a packet has come changes no connection: those that have been silent for too long only end sooner.
func TestAdvanceChangesNoConnection(t *testing.T) {
	for seed := range uint64(50) {
		packets := packetsFrom(randomBytes(3000, seed))
		at := int64(epoch)
		for i := range packets {
			at += int64(i%7) * int64(i%11) * 1e9
			packets[i].Time, packets[i].Bits, packets[i].File, packets[i].Context = at, packets[i].Bits&^BadTime, 0, 0
			packets[i].refused, packets[i].Num = false, uint64(i+1)
		}
		var want, got []string
		for _, c := range run(t, Options{}, 7, packets) {
			c.End = EndInput
			want = append(want, describe(&c))
		}
		table := NewTable(Options{Emit: func(_ uint32, c *Conn) {
			c.End = EndInput
			got = append(got, describe(c))
		}})
		var b Batch
		for _, p := range packets {
			b.N = 0
			b.put(table.Hasher(), &p)
			table.AddBatch(&b)
			table.Advance(p.Time)
		}
		table.Close()
		slices.Sort(got)
		slices.Sort(want)
		if len(got) < 10 || !slices.Equal(got, want) {
			t.Fatalf("seed %d: got %q\nwant %q", seed, got, want)
		}
	}
}
