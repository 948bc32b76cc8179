package monitor

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

// TestOpenConnectionsCountAfterAKill kills a monitor while connections are open, some of which were told. The audit of the period is that of one monitor in which they ended when the
// checkpoint was made; nothing is told twice, and the ledger balances.
func TestOpenConnectionsCountAfterAKill(t *testing.T) {
	const n = 24
	list := sequence(n)
	lines := []string{unexpected, update, "10.0.0.1:50000 > 203.0.113.9:8443 tcp established sni=portal.example", "10.0.0.2:50009 > 10.0.0.10:3389 tcp established", "10.0.0.2:50003 > 10.0.0.10:50700 tcp established",
		refused, "10.0.0.50:4000 > 10.0.0.2:161 udp one-way"}
	o := Options{Interval: 24 * hour}
	for _, site := range []string{testSite, hourly} {
		set := compiled(t, testPack, site)
		for at := learning; at <= n; at++ {
			opened := func(r *run) (open []*flow.Conn) {
				for i, line := range lines[:at%len(lines)+1] {
					c := r.conn(line)
					c.End = flow.EndInput
					open = append(open, c)
					if (at+i)%2 == 0 {
						r.Young(c)
					}
				}
				return open
			}
			now := start + int64(at)*minute + second
			whole := begin(t, set, o)
			whole.play(list, 0, at)
			for _, c := range opened(whole) {
				whole.observe(c)
			}
			whole.play(list, at, n)
			whole.Due(start + 21*hour)
			want := whole.endPeriod()

			before := begin(t, set, o)
			before.play(list, 0, at)
			before.open = opened(before)
			data := before.checkpoint()
			told := slices.Clone(before.alerts)

			after := beginAt(t, set, now, o)
			if err := after.Restore(data, now); err != nil {
				t.Fatal(err)
			}
			after.play(list, at, n)
			if p := after.Counters().Pending; p != 0 {
				t.Errorf("%d are pending", p)
			}
			after.Due(start + 21*hour)
			got := after.endPeriod()
			name := fmt.Sprintf("killed after %d events, %d schedules", at, len(set.Schedules()))
			want.Packets.Read = got.Packets.Read // here those of open connections are in no ledger
			sameAudit(t, name, got, want)
			sameAlerts(t, name, append(told, after.alerts...), whole.alerts)
			if c := got.Connections; c.Open != 0 || c.Created != c.Emitted || got.Result.Basis.Open != 0 || !slices.ContainsFunc(c.Ends, func(e classify.Count) bool {
				return e == classify.Count{Name: "input-end", Packets: uint64(len(before.open))}
			}) {
				t.Errorf("%s: ledger %+v, %d open", name, c, got.Result.Basis.Open)
			}
			says := fmt.Sprintf("Of what was open then, %d connections count as ended, as they were", len(before.open))
			if len(before.open) == 1 {
				says = "Of what was open then, 1 connection counts as ended, as it was"
			}
			if text := sentence(got, says); !strings.HasPrefix(text, "What happened after the state was last saved, 1s before") || !strings.HasSuffix(text, "("+flow.Stamp(now-second)+" to "+flow.Stamp(now)+")") {
				t.Errorf("%s: %q", name, got.Coverage.CannotShow)
			}
			if b := got.Coverage.Blind; len(b) != 1 || b[0].From != flow.Stamp(now-second) || b[0].Until != flow.Stamp(now) {
				t.Errorf("%s: blind %+v", name, b)
			}
		}
	}
}

// TestLossesCountAfterAKill kills a monitor while a connection is open of which packets are missing: the report says so as if it had ended.
func TestLossesCountAfterAKill(t *testing.T) {
	set := compiled(t, testPack, testSite)
	o := Options{Interval: 24 * hour}
	lossy := func(r *run) *flow.Conn {
		c := r.conn(documented)
		c.Missed = flow.Missed{Followed: true, Packets: 40, Bytes: 40_000, Minutes: []flow.MissedMinute{{Minute: start / minute, Packets: 40}}}
		return c
	}
	whole := begin(t, set, o)
	whole.observe(lossy(whole))
	whole.Due(start + 21*hour)
	want := whole.endPeriod()

	r := begin(t, set, o)
	r.open = []*flow.Conn{lossy(r)}
	data := r.checkpoint()
	r = beginAt(t, set, start+second, o)
	if err := r.Restore(data, start+second); err != nil {
		t.Fatal(err)
	}
	r.Due(start + 21*hour)
	got := r.endPeriod()
	if l := got.Coverage.Loss; l.Missed != 40 || !reflect.DeepEqual(l, want.Coverage.Loss) {
		t.Errorf("%+v, want %+v", l, want.Coverage.Loss)
	}
	if len(got.Result.Basis.PairLoss) == 0 || got.Result.Verdict == "clean" {
		t.Errorf("%s: %q", got.Result.Verdict, got.Result.Reasons)
	}
}

// TestAcknowledgedBeforeARestore restores a connection with a finding that was not told yet, and is acknowledged: it is not told, and counts.
func TestAcknowledgedBeforeARestore(t *testing.T) {
	set := compiled(t, testPack, testSite)
	r := begin(t, set, Options{})
	r.see(unexpected)
	id := r.idOf()
	r = begin(t, set, Options{})
	r.open = []*flow.Conn{r.conn(unexpected)}
	data := r.checkpoint()
	r = beginAt(t, set, start+minute, Options{})
	r.Acknowledge(start+minute, acknowledges(t, id, start+hour))
	if err := r.Restore(data, start+minute); err != nil {
		t.Fatal(err)
	}
	if text := r.took(); strings.Contains(text, "finding") {
		t.Error(text)
	}
	if n := r.Counters(); n.Acknowledged != 1 || n.Connections != 1 {
		t.Errorf("%+v", n)
	}
	r.Tick(start + hour)
	r.want("when the acknowledgement has ended", "high finding again: agent-1 opened tcp/22 on server-1, 1 connections")
}

// TestRestoredConnectionsAreJudged counts verdicts: those of restored connections are as many as the report has.
func TestRestoredConnectionsAreJudged(t *testing.T) {
	set := compiled(t, testPack, testSite)
	r := begin(t, set, Options{})
	r.open = []*flow.Conn{r.conn(unexpected), r.conn(update)}
	data := r.checkpoint()
	judged := map[string]uint64{}
	r = beginAt(t, set, start+minute, Options{OnJudged: func(_ *flow.Conn, j classify.Judgement) { judged[j.Verdict]++ }})
	if err := r.Restore(data, start+minute); err != nil {
		t.Fatal(err)
	}
	r.see(documented)
	a := r.endPeriod()
	for _, total := range a.Totals {
		if judged[total.Verdict] != total.Connections {
			t.Errorf("%s: %d of %d were told", total.Verdict, judged[total.Verdict], total.Connections)
		}
	}
	if n := r.Counters().Connections; n != a.Connections.Emitted {
		t.Errorf("%d connections were counted, %d are in the report", n, a.Connections.Emitted)
	}
}

// TestOpenConnectionsThatCannotBeJudged: the part that they would have ended in has a ledger that does not balance. They are doubted then, as those that had no room.
func TestOpenConnectionsThatCannotBeJudged(t *testing.T) {
	set := compiled(t, testPack, testSite)
	r := begin(t, set, Options{})
	r.open = []*flow.Conn{r.conn(update), r.conn(update2)}
	data := r.checkpoint()
	c, parts, err := read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	r = beginAt(t, set, start+minute, Options{})
	r.parts = parts
	p, err := r.broke(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.keep(p)
	r.audit()
	a := r.endPeriod()
	if b := a.Result.Basis; b.Unsaved != 2 || a.Connections.Open != 2 || len(a.Residuals) > 0 || !strings.Contains(strings.Join(a.Result.Reasons, "\n"), "2 open connections had no room") {
		t.Errorf("%+v, ledger %+v, %q", b, a.Connections, a.Result.Reasons)
	}
}

// sentence is the sentence of an audit on what it cannot show that has some text; "" where none has.
func sentence(a *classify.Audit, text string) string {
	i := slices.IndexFunc(a.Coverage.CannotShow, func(s string) bool { return strings.Contains(s, text) })
	if i < 0 {
		return ""
	}
	return a.Coverage.CannotShow[i]
}

// TestKilledAgainAndAgain restores each checkpoint of a run that is killed over and over: what was open at each counts once.
func TestKilledAgainAndAgain(t *testing.T) {
	const kills = 3 * maxParts
	set := compiled(t, testPack, testSite)
	r := begin(t, set, Options{Interval: 24 * hour})
	now := start
	for i := range kills {
		r.see(documented)
		r.open = []*flow.Conn{r.conn(update), r.conn(unexpected)}
		data := r.checkpoint()
		now += 10 * second
		r = beginAt(t, set, now, Options{Interval: 24 * hour})
		if err := r.Restore(data, now); err != nil {
			t.Fatal(err)
		}
		if text := r.took(); strings.Contains(text, "finding") != (i == 0) {
			t.Errorf("kill %d: %s", i+1, text)
		}
	}
	r.Due(start + 21*hour)
	a := r.endPeriod()
	if c := a.Connections; c.Created != 3*kills || c.Open != 0 || c.Emitted != 3*kills || len(a.Residuals) > 0 || a.Result.Basis.Judged != 3*kills {
		t.Errorf("ledger %+v, basis %+v", c, a.Result.Basis)
	}
}

// TestMoreOpenThanACheckpointHolds: those beyond the limit are counted, doubted, and make nothing missing.
func TestMoreOpenThanACheckpointHolds(t *testing.T) {
	set := compiled(t, testPack, testSite)
	const more = 3
	r := begin(t, set, Options{Interval: 24 * hour})
	for i := range maxOpen + more {
		c := r.conn(update)
		c.Orig, c.End = netip.AddrPortFrom(c.Orig.Addr(), 50_000+uint16(i%10_000)), flow.EndInput
		r.open = append(r.open, c)
	}
	r.Tick(start + minute)
	data := r.checkpoint()
	t.Logf("%d bytes for each of %d", len(data)/maxOpen, maxOpen)
	r = beginAt(t, set, start+2*minute, Options{Interval: 24 * hour})
	if err := r.Restore(data, start+2*minute); err != nil {
		t.Fatal(err)
	}
	r.want("restored", "info resolved: going on with the period after 1m in which nothing was watched; 65536 connections that were open then count as ended, as they were; 3 open connections had no room in the state")
	r.see(update)
	r.Due(start + 21*hour)
	a := r.endPeriod()
	if c, b := a.Connections, a.Result.Basis; c.Created != maxOpen+more+1 || c.Open != more || c.Emitted != maxOpen+1 || b.Unsaved != more || len(a.Residuals) > 0 {
		t.Errorf("ledger %+v, basis %+v", c, b)
	}
	const doubt = "3 open connections had no room in the saved state and could not be judged"
	if !slices.Contains(a.Result.Reasons, doubt) || sentence(a, doubt) == "" {
		t.Errorf("%q, %q", a.Result.Reasons, a.Coverage.CannotShow)
	}
	if got := statuses(a, "p/check-in"); strings.Contains(got, "missing") {
		t.Error(got)
	}
}

// TestKilledWhileConnectionsLinger: those that had closed and only lingered end as closed, and are not told as open.
func TestKilledWhileConnectionsLinger(t *testing.T) {
	set := compiled(t, testPack, testSite)
	for _, c := range []struct {
		open, closed uint64
		says         string // in the audit
	}{
		{0, 2, ""},
		{1, 2, "Of what was open then, 1 connection counts as ended, as it was; if it went on it may count once more, as a running session of which nobody saw who opened it."},
		{2, 1, "Of what was open then, 2 connections count as ended, as they were; those that went on may count once more, as running sessions of which nobody saw who opened them."},
	} {
		r := begin(t, set, Options{Interval: 24 * hour})
		for i := range c.open + c.closed {
			o := r.conn(update)
			if o.End = flow.EndInput; i >= c.open {
				o.End = flow.EndClosed
			}
			r.open = append(r.open, o)
		}
		data := r.checkpoint()
		r = beginAt(t, set, start+minute, Options{Interval: 24 * hour})
		if err := r.Restore(data, start+minute); err != nil {
			t.Fatal(err)
		}
		r.want("restored", "info resolved: going on with the period after 1m in which nothing was watched"+map[uint64]string{
			1: "; 1 connection that was open then counts as ended, as it was", 2: "; 2 connections that were open then count as ended, as they were"}[c.open])
		r.Due(start + 21*hour)
		a := r.endPeriod()
		ends := map[string]uint64{}
		for _, e := range a.Connections.Ends {
			ends[e.Name] += e.Packets
		}
		if ends["input-end"] != c.open || ends["closed"] != c.closed || a.Connections.Emitted != c.open+c.closed {
			t.Errorf("%+v", a.Connections)
		}
		if got := sentence(a, "Of what was open then"); !strings.Contains(got, c.says) || c.says == "" && got != "" {
			t.Errorf("%d open: %q", c.open, got)
		}
	}
}

// TestOpenConnIsKeptWhole writes an open connection with every field and reads it again.
func TestOpenConnIsKeptWhole(t *testing.T) {
	set := compiled(t, testPack, testSite)
	r := begin(t, set, Options{})
	c := flow.Conn{ID: flow.ConnID{File: 1, Packet: 1 << 42, Depth: 3}, Proto: flow.ICMPv6, Orig: netip.MustParseAddrPort("[2001:db8::1]:0"), Resp: netip.MustParseAddrPort("[2001:db8::2]:0"),
		ICMPType: 128, ICMPCode: 7, KnownBy: flow.KnownByFirstPacket, Outcome: flow.Answered, Visibility: flow.RespOnly, End: flow.EndIdle, First: start - hour, Last: start + 3,
		OrigPackets: 1, RespPackets: 2, OrigBytes: 3, RespBytes: 4, Missed: flow.Missed{Followed: true, Packets: 3, Bytes: 4000, Minutes: []flow.MissedMinute{{Minute: start / minute, Packets: 3}}}, VLANs: []uint16{7, 8}, Tunnel: "gre", Interface: "eth1",
		Facts:     []flow.Fact{{Kind: flow.FactNote, Origin: flow.NameSNI, File: 1, Packet: 99, Value: "any \x00 text\n"}, {Value: "tls"}},
		ICMPError: flow.TTLExceeded, ICMPErrorBy: netip.MustParseAddr("fe80::1"), QuotesKnown: true, OtherLeg: true}
	for v, i := reflect.ValueOf(c), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not tried", v.Type().Field(i).Name)
		}
	}
	r.open = []*flow.Conn{&c}
	data := r.checkpoint()
	got, _, err := read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if again := flow.Conn(got.open[0].Conn); !reflect.DeepEqual(again, c) {
		t.Errorf("%+v\nwant\n%+v", again, c)
	}
}

// TestRestoreOfTheVersionBefore: a checkpoint without open connections is restored; they stay open in the ledger.
func TestRestoreOfTheVersionBefore(t *testing.T) {
	set := compiled(t, testPack, testSite)
	r := begin(t, set, Options{Interval: 24 * hour})
	r.see(documented)
	data := bytes.Replace(reseal(t, r.checkpoint(), `"open":[],`, ""), []byte(checkpointSchema), []byte(schemaBefore), 1)
	r = beginAt(t, set, start+minute, Options{Interval: 24 * hour})
	if err := r.Restore(data, start+minute); err != nil {
		t.Fatal(err)
	}
	r.want("restored", "info resolved: going on with the period after 1m in which nothing was watched")

	r = begin(t, set, Options{Interval: 24 * hour}) // nobody knows what those were that were open
	r.open = []*flow.Conn{r.conn(update)}
	s, err := r.Save(r.facts(), nil)
	if err != nil {
		t.Fatal(err)
	}
	data = reseal(t, encoded(t, s), `"unsaved":1`, `"unsaved":0`)
	r = beginAt(t, set, start+minute, Options{Interval: 24 * hour})
	if err := r.Restore(data, start+minute); err != nil {
		t.Fatal(err)
	}
	r.want("restored", "info resolved: going on with the period after 1m in which nothing was watched; 1 open connection had no room in the state")
	r.Due(start + 21*hour)
	if a := r.endPeriod(); a.Connections.Open != 1 || a.Result.Basis.Unsaved != 1 {
		t.Errorf("%+v, %d unsaved", a.Connections, a.Result.Basis.Unsaved)
	}
}

// TestReloadsAfterAKill: connections of which nobody knows what they were stay in the ledger of the period, also where its parts become one and more of them follow.
func TestReloadsAfterAKill(t *testing.T) {
	set := compiled(t, testPack, testSite)
	r := begin(t, set, Options{Interval: 24 * hour})
	r.open = []*flow.Conn{r.conn(update), r.conn(update)}
	s, err := r.Save(r.facts(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r = beginAt(t, set, start+minute, Options{Interval: 24 * hour})
	if err := r.Restore(encoded(t, s), start+minute); err != nil {
		t.Fatal(err)
	}
	for range maxParts + 3 {
		if err := r.Reload(set, nil, r.facts()); err != nil {
			t.Fatal(err)
		}
	}
	r.see(documented)
	r.Due(start + 21*hour)
	a := r.endPeriod()
	if c := a.Connections; c.Created != 3 || c.Open != 2 || c.Emitted != 1 || a.Result.Basis.Unsaved != 2 {
		t.Errorf("%+v, %d unsaved", c, a.Result.Basis.Unsaved)
	}
}

// TestHostileFactsAreRestored: what JSON makes of bytes that are no text keeps no checkpoint from being restored.
func TestHostileFactsAreRestored(t *testing.T) {
	set := compiled(t, testPack, testSite)
	r := begin(t, set, Options{})
	c := r.conn(unexpected)
	c.Facts = []flow.Fact{{Kind: flow.FactNote, Value: strings.Repeat("\xff", flow.MaxFactValue)}}
	r.open = []*flow.Conn{c}
	data := r.checkpoint()
	if _, _, err := read(bytes.NewReader(data), int64(len(data))); err != nil {
		t.Error(err)
	}
}

// TestRestoreOfMutants changes bytes of the open connections of a checkpoint that has its sum: it is refused and changes nothing, or the period ends with a ledger that balances.
func TestRestoreOfMutants(t *testing.T) {
	const mutants = 500
	set := compiled(t, testPack, hourly)
	var e envelope
	if err := strict(checkpointOf(t, set), &e); err != nil {
		t.Fatal(err)
	}
	from, until := bytes.Index(e.Content, []byte(`"open":[{"conn"`)), bytes.LastIndex(e.Content, []byte(`"state":`))
	if from < 0 || until < from {
		t.Fatalf("the checkpoint has no open connections: %s", e.Content[len(e.Content)-500:])
	}
	random := rand.New(rand.NewPCG(5, 6))
	const digits = "0123456789"
	restored := 0
	for range mutants {
		mutant := slices.Clone(e.Content)
		for range 1 + random.IntN(3) {
			at := from + random.IntN(until-from)
			switch old := mutant[at]; {
			case strings.IndexByte(digits, old) >= 0:
				mutant[at] = digits[random.IntN(len(digits))]
			case random.IntN(8) == 0:
				mutant[at] = byte(random.IntN(256))
			}
		}
		r := begin(t, set, Options{Interval: 24 * hour})
		if err := r.Restore(sealed(t, mutant), start+hour); err != nil {
			untouched(t, r)
			continue
		}
		restored++
		r.since = r.now
		r.see(documented)
		if a := r.endPeriod(); len(a.Residuals) > 0 || a.Connections.Created != a.Connections.Open+a.Connections.Emitted {
			t.Errorf("ledger %+v of %s", a.Connections, mutant[from:until])
		}
	}
	t.Logf("%d of %d were restored", restored, mutants)
	if restored < mutants/4 {
		t.Error("too few to tell")
	}
}

// TestOpenConnectionsAreBounded: open connections of which payloads told much take no more than they may, also in text that JSON makes longer, and all are counted.
func TestOpenConnectionsAreBounded(t *testing.T) {
	set := compiled(t, testPack, testSite)
	for _, value := range []string{strings.Repeat("a", flow.MaxFactValue), strings.Repeat("\x01", flow.MaxFactValue)} {
		r := begin(t, set, Options{})
		for range 10_000 {
			c := r.conn(unexpected)
			c.Facts = slices.Repeat([]flow.Fact{{Kind: flow.FactNote, Packet: 1 << 40, Value: value}}, 16)
			r.open = append(r.open, c)
		}
		s, err := r.Save(r.facts(), r.eachOpen)
		if err != nil {
			t.Fatal(err)
		}
		data := encoded(t, s)
		if n := len(s.open); n < 1000 || n == len(r.open) || uint64(n)+s.state.Unsaved != uint64(len(r.open)) || len(data) > maxOpenBytes+1<<20 {
			t.Errorf("%d connections, %d have no room, %d bytes", n, s.state.Unsaved, len(data))
		}
	}
}
