//go:build linux && namespaces

package capture

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pcapaudit/capture/flow"
)

// TestLiveStalled lets a small ring overflow: what was lost is counted exactly, and the time is blind.
func TestLiveStalled(t *testing.T) {
	namespace(t)
	a, b := pair(t, 0)
	w := watch(t, Config{}, LiveConfig{Interfaces: []string{b}, RingBytes: 1 << 20})
	const n = 100_000
	w.in(func(*Pulse) {
		s := openSender(t, a)
		begun := time.Now()
		for i := range uint32(n) {
			s.send(liveFrame(uint16(i%100), i))
		}
		time.Sleep(stalledAfter + 100*time.Millisecond - time.Since(begun))
	})
	w.until("all packets", func(r *Result) bool { return r.Live[0].Kernel == n })
	r := w.end()
	l := r.Live[0]
	t.Log(r.livePacketsOf(0), time.Duration(l.Blind), l.BlindSpans)
	if l.Kernel != n || l.Dropped == 0 || l.Delivered == 0 || *r.Inputs[0].Interfaces[0].Dropped != l.Dropped {
		t.Error(r.livePacketsOf(0))
	}
	if len(l.BlindSpans) != 1 || l.BlindSpans[0].Cause != "stalled" || l.Blind < stalledAfter || l.BlindSpans[0].To-l.BlindSpans[0].From != l.Blind {
		t.Errorf("blind for %v: %v", time.Duration(l.Blind), l.BlindSpans)
	}
}

// TestLivePaused is a stall in which the ring had room: nothing was lost, nothing is blind.
func TestLivePaused(t *testing.T) {
	namespace(t)
	a, b := pair(t, 0)
	w := watch(t, Config{}, LiveConfig{Interfaces: []string{b}})
	w.in(func(*Pulse) {
		s := openSender(t, a)
		for i := range uint32(20) {
			s.send(liveFrame(1, i))
			time.Sleep(stalledAfter / 10)
		}
	})
	w.until("all packets", packets(20))
	if r := w.end(); r.Live[0].Blind != 0 || r.Live[0].Dropped != 0 {
		t.Errorf("%s, %v", r.livePacketsOf(0), r.Live[0].BlindSpans)
	}
}

// TestLiveLinks switches an interface off and on, renames it, deletes it and makes it again.
func TestLiveLinks(t *testing.T) {
	namespace(t)
	a, b := pair(t, 0)
	w := watch(t, Config{}, LiveConfig{Interfaces: []string{b, "lo"}})
	is := func(state LinkState) func(*Result) bool {
		return func(r *Result) bool { return r.Live[0].State == state }
	}
	sent := uint64(0)
	sends := func(what string) {
		t.Helper()
		openSender(t, a).send(liveFrame(1, uint32(sent)))
		sent++
		w.until("a packet "+what, func(r *Result) bool { return r.Live[0].Delivered == sent })
	}
	sends("at first")
	ip(t, "link set "+b+" down")
	w.until("down", is(LinkDown))
	ip(t, "link set "+b+" up")
	w.until("up", is(LinkUp))
	sends("after down and up")

	ip(t, "link set "+a+" down") // the other end: no carrier
	w.until("no carrier", is(LinkDown))
	ip(t, "link set "+a+" up")
	w.until("a carrier", is(LinkUp))

	ip(t, "link set "+b+" name pa-ring-new")
	w.until("renamed", func(r *Result) bool { return r.Live[0].Present == "pa-ring-new" })
	sends("after renaming")
	ip(t, "link set pa-ring-new name "+b)
	w.until("renamed back", func(r *Result) bool { return r.Live[0].Present == "" })

	openSender(t, a).send(liveFrame(1, uint32(sent))) // still in the ring when the interface goes
	sent++
	ip(t, "link delete "+b)
	w.until("deleted", is(LinkGone))
	gone := w.until("the packet before", func(r *Result) bool { return r.Live[0].Delivered == sent })
	if gone.Live[0].Index != 0 {
		t.Errorf("deleted interface has index %d", gone.Live[0].Index)
	}
	pair(t, 0)
	w.until("made again", is(LinkUp))
	sends("after it was made again")

	// Renamed away while another one of its name comes.
	ip(t, "link set "+b+" name pa-ring-old")
	ip(t, "link set "+a+" name pa-ring-olda")
	index := w.until("renamed again", func(r *Result) bool { return r.Live[0].Present == "pa-ring-old" }).Live[0].Index
	pair(t, 0)
	w.until("the other one", func(r *Result) bool { return r.Live[0].Index != index && r.Live[0].State == LinkUp })
	sends("on the other one")

	for range 20 { // at once
		ip(t, "link delete "+b)
		ip(t, "link add "+a+" type veth peer name "+b)
	}
	ip(t, "link set "+a+" up")
	ip(t, "link set "+b+" up")
	w.until("made again", is(LinkUp))
	sends("after flapping")

	r := w.end()
	l := r.Live[0]
	var causes []string
	for _, s := range l.BlindSpans {
		causes = append(causes, s.Cause)
		if s.To < s.From || s.From < r.First || s.To > r.Last {
			t.Errorf("span %v in a part from %d to %d", s, r.First, r.Last)
		}
	}
	if len(causes) < 3 || causes[0] != "down" || causes[1] != "down" || !slices.Contains(causes, "deleted") {
		t.Errorf("blind because of %v", causes)
	}
	if l.Blind == 0 || l.Monitored == 0 || l.Monitored+l.Blind != r.Last-r.First || l.Kernel != sent || l.Dropped != 0 {
		t.Errorf("%s of %d, monitored %v, blind %v", r.livePacketsOf(0), sent, time.Duration(l.Monitored), time.Duration(l.Blind))
	}
	if other := r.Live[1]; other.Blind != 0 || other.Monitored != r.Elapsed {
		t.Errorf("lo: %+v", other)
	}
}

// TestLiveReturnsWithoutRight has an interface come back when the program may not open it any more, and then may.
func TestLiveReturnsWithoutRight(t *testing.T) {
	namespace(t)
	_, b := pair(t, 0)
	w := watch(t, Config{}, LiveConfig{Interfaces: []string{b}})
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	rights := func(on bool) {
		w.in(func(*Pulse) { // on Live's thread
			if err := unix.Capget(&header, &data[0]); err != nil {
				t.Error(err)
			}
			if data[0].Effective &^= 1 << unix.CAP_NET_RAW; on {
				data[0].Effective |= 1 << unix.CAP_NET_RAW
			}
			if err := unix.Capset(&header, &data[0]); err != nil {
				t.Error(err)
			}
		})
	}
	rights(false)
	ip(t, "link delete "+b)
	pair(t, 0)
	r := w.until("the failure", func(r *Result) bool { return len(r.Inputs[0].Warnings) > 0 })
	if s := r.Live[0].BlindSpans; s[len(s)-1].Cause != "cannot be opened" || !strings.Contains(r.Inputs[0].Warnings[0], "CAP_NET_RAW") || r.Live[0].State != LinkGone {
		t.Errorf("%+v, %v", r.Live[0], r.Inputs[0].Warnings)
	}
	w.in(func(p *Pulse) { r = p.Cut() })
	r = w.until("the next part", func(r *Result) bool { return r.Live[0].Blind > 0 && r.Live[0].Monitored == 0 })
	if len(r.Inputs[0].Warnings) != 1 {
		t.Errorf("the next part does not say why: %v", r.Inputs[0].Warnings)
	}
	rights(true)
	w.until("up", func(r *Result) bool { return r.Live[0].State == LinkUp })
	w.end()
}

// TestLiveClockSteps sets a clock that the test has made, while a connection goes on.
func TestLiveClockSteps(t *testing.T) {
	namespace(t)
	a, b := pair(t, 0)
	var ahead atomic.Int64
	begun := time.Now()
	clock := func() (int64, int64) {
		now := time.Now()
		return now.UnixNano() + ahead.Load(), int64(now.Sub(begun))
	}
	w := watch(t, Config{}, LiveConfig{Interfaces: []string{b}, Clock: clock})
	s, sent := openSender(t, a), uint64(0)
	sends := func() {
		t.Helper()
		s.send(liveFrame(1, uint32(sent)))
		sent++
		w.until("a packet", packets(sent))
	}
	sends()
	for i, step := range []time.Duration{time.Hour, -3 * time.Hour, 40 * 24 * time.Hour, -5 * time.Second} {
		ahead.Add(int64(step))
		w.until(fmt.Sprint("a step by ", step), func(r *Result) bool { return len(r.Live[0].BlindSpans) == i+1 })
		sends()
	}
	var now int64
	w.in(func(p *Pulse) { now = p.Now() })
	if wall, _ := clock(); wall-now < 0 || wall-now > 10e9 {
		t.Errorf("the packet clock is %v behind", time.Duration(wall-now))
	}
	r := w.end()
	if len(w.conns) != 1 || w.conns[0].OrigPackets != sent || w.conns[0].Last < w.conns[0].First || w.conns[0].Last-w.conns[0].First > 60e9 {
		t.Errorf("connections: %+v", w.conns)
	}
	l := r.Live[0]
	if want := int64(time.Hour + 40*24*time.Hour); l.Blind < want || l.Blind > want+60e9 || r.First >= r.Last || l.Monitored <= 0 {
		t.Errorf("blind %v: %v; from %s to %s", time.Duration(l.Blind), l.BlindSpans, flow.Stamp(r.First), flow.Stamp(r.Last))
	}
}

// TestLiveParts cuts a connection into parts. Each balances, and together they are the whole.
func TestLiveParts(t *testing.T) {
	namespace(t)
	a, b := pair(t, 0)
	w := watch(t, Config{}, LiveConfig{Interfaces: []string{b}})
	s := openSender(t, a)
	var parts []*Result
	for i := range uint32(3) {
		for j := range uint32(10) {
			s.send(liveFrame(uint16(i), 10*i+j))
		}
		w.until("10 packets", packets(10))
		w.in(func(p *Pulse) {
			active := 0
			p.EachActive(func(*flow.Conn) { active++ })
			r := p.Cut()
			if c := r.Connections; active != 1 || c.Created != uint64(i)+1 || c.Open != uint64(i)+1 || c.Emitted != 0 || c.Packets != 10 {
				t.Errorf("part %d: %d active, %+v", i, active, c)
			}
			parts = append(parts, r)
		})
	}
	parts = append(parts, w.end())
	for i, r := range parts {
		if err := r.Balanced(); err != nil {
			t.Errorf("part %d: %v", i, err)
		}
		if i > 0 && r.First != parts[i-1].Last {
			t.Errorf("part %d begins at %d, the one before ends at %d", i, r.First, parts[i-1].Last)
		}
		if want := uint64(10); i < 3 && (r.Live[0].Kernel != want || r.Inputs[0].Interfaces[0].Packets != want || r.Ledger.Read.Packets != want) {
			t.Errorf("part %d: %s", i, r.livePacketsOf(0))
		}
	}
	if last := parts[3].Connections; last.Created != 3 || last.Emitted != 3 || len(w.conns) != 3 || w.conns[2].ID.Packet != 21 {
		t.Errorf("last part: %+v", last)
	}
}

// TestLiveYoung shows an open connection, without any further packet.
func TestLiveYoung(t *testing.T) {
	namespace(t)
	a, b := pair(t, 0)
	w := watch(t, Config{}, LiveConfig{Interfaces: []string{b}})
	openSender(t, a).send(liveFrame(1, 0))
	w.until("the connection", func(*Result) bool { return len(w.young) == 1 })
	if r := w.end(); len(w.conns) != 1 || w.young[0].ID != w.conns[0].ID || r.Ledger.Read.Packets != 1 {
		t.Errorf("young %+v, ended %+v", w.young, w.conns)
	}
}

// TestLiveForwarded watches both sides of a router: every packet counts once.
func TestLiveForwarded(t *testing.T) {
	namespace(t)
	hosts := [2]*os.File{otherHost(t, "pa-ring-left"), otherHost(t, "pa-ring-right")}
	var watched []string
	for n, host := range []string{"pa-ring-left", "pa-ring-right"} {
		a, b := pair(t, n)
		ip(t, "link set "+a+" netns "+host)
		ip(t, fmt.Sprintf("-n %s addr add 192.0.2.%d/28 dev %s", host, 16*n+1, a))
		ip(t, "-n "+host+" link set "+a+" up")
		ip(t, fmt.Sprintf("addr add 192.0.2.%d/28 dev %s", 16*n+2, b))
		ip(t, fmt.Sprintf("-n %s route add default via 192.0.2.%d", host, 16*n+2))
		watched = append(watched, b)
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	w := watch(t, Config{}, LiveConfig{Interfaces: watched})
	var server *net.UDPConn
	var err error
	if err := elsewhere(hosts[1], func() error {
		server, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(192, 0, 2, 17)})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if err := elsewhere(hosts[0], func() error {
		client, err := net.DialUDP("udp4", nil, server.LocalAddr().(*net.UDPAddr))
		if err != nil {
			return err
		}
		defer client.Close()
		for range 50 {
			if _, err := client.Write([]byte("question")); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.until("50 forwarded packets", func(r *Result) bool { return r.Ledger.Reasons[reasonForwarded].Packets == 50 })
	w.end()
	for _, c := range w.conns {
		if c.Proto == flow.UDP && c.OrigPackets != 50 {
			t.Errorf("connection with other than 50 packets: %+v", c)
		}
	}
}
