package monitor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/rules"
)

// event is something that a monitor is told, a minute after the one before.
type event func(r *run)

// learning is how many events of a sequence tell names and announcements: without one of them later verdicts differ.
const learning = 3

// sequence is events of which the later depend on the first.
func sequence(n int) []event {
	random := rand.New(rand.NewPCG(4, 2))
	lines := []string{documented, "10.0.0.2:50000 > 10.0.0.10:9876 tcp refused", unexpected, refused, unanswer, update, update2, "10.0.0.2:50000 > 203.0.113.9:8443 tcp established",
		"10.0.0.1:50000 > 203.0.113.7:443 tcp established", "10.0.0.2:50003 > 10.0.0.10:50700 tcp established", "10.0.0.50:4000 > 10.0.0.2:161 udp answered", "10.0.0.2:50004 > 10.0.0.10:135 tcp established"}
	list := []event{
		func(r *run) {
			r.LearnName(&flow.Name{At: r.now, Origin: flow.NameDNS, Asker: netip.MustParseAddr("10.0.0.2"), Name: "portal.example", Addr: netip.MustParseAddr("203.0.113.9")})
		},
		func(r *run) { r.LearnAnnouncement(announcement(r.now, flow.ControlSeen)) },
		func(r *run) { r.LearnAnnouncement(announcement(r.now, flow.PortAnnounced)) },
	}
	if len(list) != learning {
		panic("the first events are not those that teach")
	}
	for len(list) < n {
		line, young := lines[random.IntN(len(lines))], random.IntN(3) == 0
		list = append(list, func(r *run) {
			c := r.conn(line)
			if young {
				r.Young(c)
			}
			r.observe(c)
		})
	}
	return list
}

func announcement(at int64, e flow.ControlEvent) *flow.Announcement {
	return &flow.Announcement{At: at, Event: e, By: flow.AnnouncedByRPC, Orig: netip.MustParseAddrPort("10.0.0.2:50004"), Resp: netip.MustParseAddrPort("10.0.0.10:135"),
		Peer: netip.MustParseAddr("10.0.0.2"), To: netip.MustParseAddrPort("10.0.0.10:50700"), Proto: flow.TCP}
}

// play tells events [from, to) of a sequence.
func (r *run) play(list []event, from, to int) {
	for i := from; i < to; i++ {
		r.Tick(start + int64(i+1)*minute)
		list[i](r)
	}
}

// TestRestoredPeriods kills a monitor after every event of a sequence and goes on with a checkpoint of that moment, or of some events before. The audit of the period is
// that of one monitor that saw the same, and names the time in between; no finding is told twice.
func TestRestoredPeriods(t *testing.T) {
	const n = 40
	list := sequence(n)
	o := Options{Interval: 24 * hour}
	for _, site := range []string{testSite, hourly} {
		set := compiled(t, testPack, site)
		for _, lost := range []int{0, 7} {
			for at := lost + learning; at <= n; at++ {
				whole := begin(t, set, o)
				whole.play(list, 0, at-lost)
				whole.play(list, at, n)
				whole.Due(start + 21*hour)
				want := whole.endPeriod()

				before := begin(t, set, o)
				before.number = 1000 // ids of connections differ in each process
				before.play(list, 0, at-lost)
				data := before.checkpoint()
				told := slices.Clone(before.alerts)
				before.play(list, at-lost, at) // what is lost

				now := start + int64(at)*minute + second
				after := beginAt(t, set, now, o)
				if err := after.Restore(data, now); err != nil {
					t.Fatal(err)
				}
				after.play(list, at, n)
				after.Due(start + 21*hour)
				got := after.endPeriod()
				name := fmt.Sprintf("killed after %d events, %d of them lost, %d schedules", at, lost, len(set.Schedules()))
				sameAudit(t, name, got, want)
				from, until := max(start, start+int64(at-lost)*minute), now
				if b := got.Coverage.Blind; len(b) != 1 || b[0].From != flow.Stamp(from) || b[0].Until != flow.Stamp(until) {
					t.Errorf("%s: blind %+v, want %s to %s", name, b, flow.Stamp(from), flow.Stamp(until))
				}
				sameAlerts(t, name, append(told, after.alerts...), whole.alerts)
			}
		}
	}
}

func sameAudit(t *testing.T, name string, got, want *classify.Audit) {
	t.Helper()
	if !reflect.DeepEqual(got.Totals, want.Totals) || got.Connections.Emitted != want.Connections.Emitted || got.Packets.Read != want.Packets.Read || len(got.Residuals) > 0 {
		t.Errorf("%s: totals %+v, ledger %+v, want %+v, %+v", name, got.Totals, got.Connections, want.Totals, want.Connections)
	}
	for _, ref := range []string{"p/check-in", "p/update", "p/report", "p/rpc"} {
		g, w := strings.Split(statuses(got, ref), ", "), strings.Split(statuses(want, ref), ", ")
		for i := range w {
			if g[i] != w[i] && !weaker(g[i], w[i]) {
				t.Errorf("%s: %s: %s, want %s", name, ref, g[i], w[i])
			}
		}
	}
	of := func(a *classify.Audit) map[string]uint64 {
		found := map[string]uint64{}
		for _, f := range a.Findings {
			if f.Kind == "connection" || f.Kind == "question" {
				found[f.ID+" "+f.Severity+" "+f.Summary] = f.Connections
			}
		}
		return found
	}
	if g, w := of(got), of(want); !reflect.DeepEqual(g, w) {
		t.Errorf("%s: findings\n%v\nwant\n%v", name, g, w)
	}
}

// weaker is true for a status that claims less: a host that was not seen after the break may have been silent.
func weaker(got, want string) bool {
	return strings.HasSuffix(got, "not-testable") || strings.HasSuffix(got, "not-observed") && strings.HasSuffix(want, "missing")
}

// sameAlerts compares what was told of findings.
func sameAlerts(t *testing.T, name string, got, want []Alert) {
	t.Helper()
	of := func(list []Alert) []string {
		var out []string
		for _, a := range list {
			if a.Finding != nil {
				out = append(out, fmt.Sprint(a.ID, a.Change, a.Severity, a.Connections, a.Finding.Summary))
			}
		}
		return out
	}
	if g, w := of(got), of(want); !reflect.DeepEqual(g, w) {
		t.Errorf("%s: alerts\n%s\nwant\n%s", name, strings.Join(g, "\n"), strings.Join(w, "\n"))
	}
}

func TestRestoreUnderOtherRules(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{Interval: 24 * hour})
	r.see(documented)
	r.Tick(start + minute)
	data := r.checkpoint()
	r = beginAt(t, compiled(t, testPack, hourly), start+2*minute, Options{Interval: 24 * hour})
	if err := r.Restore(data, start+2*minute); err != nil {
		t.Fatal(err)
	}
	r.see(documented)
	r.Due(start + 21*hour)
	if a := r.endPeriod(); a.Connections.Emitted != 2 || len(a.Rules) != 2 || a.Rules[0].Until != flow.Stamp(start+minute) || a.Rules[1].From != flow.Stamp(start+2*minute) {
		t.Errorf("ledger %+v, rules %+v", a.Connections, a.Rules)
	}
}

func TestRestoreAfterThePeriod(t *testing.T) {
	set := compiled(t, testPack, testSite)
	o := Options{Interval: hour}
	r := begin(t, set, o)
	r.see(documented, unexpected)
	r.Tick(start + 10*minute)
	data := r.checkpoint()
	late := start + 5*hour + 20*minute
	r = beginAt(t, set, late, o)
	if err := r.Restore(data, late); err != nil {
		t.Fatal(err)
	}
	r.want("restored", "info resolved: going on with the period after 5h10m in which nothing was watched")
	if !r.Due(late + second) {
		t.Fatal("the old period goes on")
	}
	a := r.endPeriod()
	if a.Connections.Emitted != 2 || a.Period.AskedUntil != flow.Stamp(start+hour) || len(a.Coverage.Blind) != 1 {
		t.Errorf("ledger %+v, period %+v, blind %+v", a.Connections, a.Period, a.Coverage.Blind)
	}
	if p := r.Period(); p.From != start+5*hour || p.Until != start+6*hour {
		t.Errorf("then %s to %s", flow.Stamp(p.From), flow.Stamp(p.Until))
	}
	r.took()
	r.see(unexpected)
	r.want("known from before", "")
}

// TestNothingIsUnannouncedAfterABreak: what was announced while nobody watched is not held against a connection.
func TestNothingIsUnannouncedAfterABreak(t *testing.T) {
	set := compiled(t, testPack, testSite)
	const rpc = "10.0.0.2:50003 > 10.0.0.10:50999 tcp established"
	r := begin(t, set, Options{})
	r.LearnAnnouncement(announcement(start, flow.ControlSeen))
	r.Tick(start + minute)
	data := r.checkpoint()
	r.see(rpc)
	r.want("unannounced", "medium finding new: agent-2 opened tcp/50999 on server-1, 1 connections")
	r = beginAt(t, set, start+2*minute, Options{})
	if err := r.Restore(data, start+2*minute); err != nil {
		t.Fatal(err)
	}
	r.took()
	r.see(rpc)
	if got := r.took(); strings.Contains(got, "medium") {
		t.Error(got)
	}
}

func checkpointOf(t testing.TB, set *rules.Set) []byte {
	r := begin(t, set, Options{Interval: 24 * hour})
	r.play(sequence(20), 0, 20)
	r.Blind(r.now+second, "eth0", "down")
	r.open = []*flow.Conn{r.conn(unexpected), r.conn("10.0.0.1:50000 > 203.0.113.9:8443 tcp established sni=portal.example")}
	r.open[1].VLANs, r.open[1].Tunnel, r.open[1].ICMPError, r.open[1].ICMPErrorBy = []uint16{10}, "vxlan:42", flow.TTLExceeded, netip.MustParseAddr("10.0.0.9")
	r.Young(r.open[0])
	return r.checkpoint()
}

func TestRestoreRefuses(t *testing.T) {
	set := compiled(t, testPack, hourly)
	data := checkpointOf(t, set)
	change := func(old, new string) []byte { return bytes.Replace(data, []byte(old), []byte(new), 1) }
	for _, c := range []struct {
		name string
		data []byte
		now  int64
		want string
	}{
		{"nothing", nil, start + hour, "damaged or cut short: EOF"},
		{"other schema", change("checkpoint/2", "checkpoint/3"), start + hour, `its schema is "pcapaudit.checkpoint/3", and this version reads pcapaudit.checkpoint/2 and pcapaudit.checkpoint/1`},
		{"a byte", change("agent-1", "agent-9"), start + hour, "its content does not have the sum that it states"},
		{"more behind it", append(slices.Clone(data), '{'), start + hour, "damaged or cut short"},
		{"from the future", data, start + minute, "which is yet to come: check the clock"},
		{"a part", reseal(t, data, `"pcapaudit.audit/1"`, `"pcapaudit.audit/9"`), start + hour, "a part of its period is damaged"},
		{"an unknown key", reseal(t, data, `"at":`, `"ate":1,"at":`), start + hour, "its content is damaged"},
		{"a name", reseal(t, data, `"Name":"portal.example"`, `"Name":"`+strings.Repeat("a", 300)+`"`), start + hour, "it has the name"},
		{"an open connection", reseal(t, data, `"Outcome":1`, `"Outcome":10`), start + hour, `it has an open connection between "10.0.0.1:50001" and "10.0.0.10:22"`},
		{"a fact", reseal(t, data, `"Kind":7`, `"Kind":77`), start + hour, "it has an open connection"},
		{"more open connections than there were", reseal(t, data, `"unsaved":0`, `"unsaved":1`), start + hour, "its open connections are not those of its ledger"},
		{"times", reseal(t, data, `"until":`, `"until":5,"until_":`), start + hour, "its content is damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := begin(t, set, Options{Interval: 24 * hour})
			err := r.Restore(c.data, c.now)
			if !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			untouched(t, r)
		})
	}
	for i := range 200 {
		cut := data[:i*(len(data)-2)/200]
		if err := begin(t, set, Options{Interval: 24 * hour}).Restore(cut, start+hour); !errors.Is(err, ErrCheckpoint) {
			t.Fatalf("cut after %d bytes: %v", len(cut), err)
		}
	}
	r := begin(t, set, Options{Interval: hour})
	if err := r.Restore(data, start+hour); !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), "its periods last 24h, and now 1h is asked") {
		t.Error(err)
	}
	r = begin(t, set, Options{Interval: 24 * hour})
	r.see(documented)
	if err := r.Restore(data, start+hour); !errors.Is(err, ErrCheckpoint) {
		t.Error(err)
	}
}

// TestRestoreIsBounded restores checkpoints of which a list is longer than it may be, or an element: they are refused before more is built of them.
func TestRestoreIsBounded(t *testing.T) {
	set := compiled(t, testPack, testSite)
	many := func(n int) string { return strings.Repeat("{},", n) + "{}" }
	const state = `"at":1767322800000000001,"from":1767312000000000000,"until":1767398400000000000,"since":1`
	for _, c := range []struct{ content, want string }{
		{`{"parts":[` + many(maxParts) + `]`, "parts: more than 16 elements"},
		{`{"parts":[],"open":[` + many(20*maxOpen) + `]`, "open: more than 65536 elements"},
		{`{"open":[{"conn":{"Facts":[` + many(maxElement/3) + `]}}]`, "one of more than 1024 KiB"},
		{`{"state":{"findings":[` + many(maxStories) + `]`, "findings: more than 16384 elements"},
		{`{"state":{"expectations":[` + many(maxUses) + `]`, "expectations: more than 65536 elements"},
		{`{"state":{"names":[` + many(maxNames) + `]`, "names: more than 65536 elements"},
		{`{"state":{"controls":[` + many(maxControls) + `]`, "controls: more than 16384 elements"},
		{`{"state":{"ports":[` + many(maxPorts) + `]`, "ports: more than 65536 elements"},
		{`{"state":{"blind":[` + many(maxBlindSpans+maxWatched) + `]`, "blind: more than 512 elements"},
		{`{"state":{"blind":[],"blind":[` + many(maxBlindSpans+maxWatched) + `]`, "blind: more than 512 elements"},
		{`{"state":{` + state + `,"blind":7}}`, "7 where a list should be"},
		{`{"state":[]}`, "[ where { should be"},
		{`{"state":{` + state + `}}{}`, "something follows its end"},
	} {
		r := begin(t, set, Options{})
		if err := r.Restore(sealed(t, []byte(c.content)), start+hour); !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40s: %v, want %q", c.content, err, c.want)
		}
	}
	r := begin(t, set, Options{})
	if err := r.Monitor.Restore(nil, maxCheckpoint+1, start+hour); !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), "it has more than 256 MiB") {
		t.Error(err)
	}
}

// TestCheckpointThatIsTooLarge is not begun to be written.
func TestCheckpointThatIsTooLarge(t *testing.T) {
	mebibyte := bytes.Repeat([]byte("a"), 1<<20)
	var written bytes.Buffer
	err := seal(&written, func(w io.Writer) error { return write(w, slices.Repeat([][]byte{mebibyte}, 256)...) })
	if err == nil || !strings.Contains(err.Error(), "shorten the interval") || written.Len() > 0 {
		t.Errorf("%v, and %d bytes were written", err, written.Len())
	}
}

// untouched holds a monitor that refused a checkpoint against a new one.
func untouched(t *testing.T, r *run) {
	t.Helper()
	if len(r.parts) != 0 || r.stories.len() != 0 || r.memory.names.len() != 0 || len(r.uses) != 0 || r.now != start || r.period.From != start-3*hour {
		t.Errorf("something of it was taken: %+v", r.Counters())
	}
	r.see(documented)
	r.Due(start + 21*hour)
	if a := r.endPeriod(); a.Connections.Emitted != 1 {
		t.Errorf("ledger %+v", a.Connections)
	}
}

// reseal changes the content of a checkpoint and gives it its sum.
func reseal(t testing.TB, data []byte, old, new string) []byte {
	t.Helper()
	var e envelope
	if err := strict(data, &e); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(e.Content, []byte(old)) {
		t.Fatalf("the checkpoint has no %s", old)
	}
	return sealed(t, bytes.Replace(e.Content, []byte(old), []byte(new), 1))
}

func TestMemoryForgets(t *testing.T) {
	set := compiled(t, testPack, testSite)
	m := newMemory()
	m.announcement(announcement(start, flow.ControlSeen))
	for i := range maxPorts + 1 {
		n := announcement(start+int64(i), flow.PortAnnounced)
		n.To = netip.AddrPortFrom(n.To.Addr(), uint16(i))
		n.Peer = netip.AddrFrom4([4]byte{10, 0, 3, byte(i >> 16)})
		m.announcement(n)
	}
	c := m.controls.first()
	if m.ports.len() != maxPorts || m.ports.forgotten != 1 || !c.Lost || c.Since != start {
		t.Errorf("%d ports, %d forgotten, control %+v", m.ports.len(), m.ports.forgotten, c)
	}
	for i := range maxControls {
		n := announcement(start, flow.ControlSeen)
		n.Orig = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 7, byte(i >> 8), byte(i)}), 1)
		m.announcement(n)
	}
	m.announcement(announcement(start+hour, flow.ControlSeen))
	if c := m.control(announcement(start+hour, flow.ControlSeen)); m.controls.len() != maxControls || !c.Lost || c.Since > start+hour {
		t.Errorf("%d controls, one that came back: %+v", m.controls.len(), c)
	}
	for i := range maxNames + 10 {
		m.name(&flow.Name{At: start, Name: fmt.Sprint(i), Addr: netip.MustParseAddr("203.0.113.9")})
	}
	if m.names.len() != maxNames || m.names.forgotten != 10 {
		t.Errorf("%d names, %d forgotten", m.names.len(), m.names.forgotten)
	}
	m.teach(classify.New(set, classify.Options{}))
}

// FuzzRestore restores damaged checkpoints: one that is refused changes nothing, one that is taken can be gone on with and written again.
func FuzzRestore(f *testing.F) {
	set := compiled(f, testPack, hourly)
	data := checkpointOf(f, set)
	f.Add(data, false)
	var e envelope
	if err := strict(data, &e); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(e.Content), true)
	f.Add([]byte(`{"parts":[],"state":{"at":1767322800000000001,"interval":86400000000000,"from":1767312000000000000,"until":1767398400000000000,"since":1}}`), true)
	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		if len(data) > 1<<18 {
			t.Skip("too long")
		}
		if seal {
			data = sealed(t, data)
		}
		restoreAndGoOn(t, set, data)
	})
}

// FuzzRestoreFields restores a checkpoint of which some values have become others: each four bytes say which, and what it becomes.
func FuzzRestoreFields(f *testing.F) {
	set := compiled(f, testPack, hourly)
	r := begin(f, set, Options{Interval: 24 * hour})
	r.play(sequence(4), 0, 4)
	r.open = []*flow.Conn{r.conn(unexpected), r.conn("10.0.0.1:50000 > 203.0.113.9:8443 tcp established sni=portal.example")}
	r.open[1].Missed = flow.Missed{Followed: true, Packets: 3, Minutes: []flow.MissedMinute{{Minute: start / minute, Packets: 3}}}
	var e envelope
	if err := strict(r.checkpoint(), &e); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	for place := range byte(64) {
		f.Add([]byte{place, 0, place, 1, place, 1, 7, place})
	}
	f.Fuzz(func(t *testing.T, edits []byte) {
		if len(edits) > 64 {
			t.Skip("too many")
		}
		var content any
		d := json.NewDecoder(bytes.NewReader(e.Content))
		d.UseNumber()
		if err := d.Decode(&content); err != nil {
			t.Fatal(err)
		}
		for ; len(edits) >= 4; edits = edits[4:] {
			at := int(edits[0]) | int(edits[1])<<8
			content = edited(content, &at, edits[2], edits[3])
		}
		text, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		restoreAndGoOn(t, set, sealed(t, text))
	})
}

// edited is a JSON value with its value number at, in depth, in place of another one.
func edited(v any, at *int, kind, n byte) any {
	if *at--; *at == -1 {
		return replaced(v, kind, n)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if *at >= 0 {
				v[key] = edited(v[key], at, kind, n)
			}
		}
	case []any:
		for i := range v {
			if *at >= 0 {
				v[i] = edited(v[i], at, kind, n)
			}
		}
	}
	return v
}

func replaced(v any, kind, n byte) any {
	switch kind % 8 {
	case 0:
		return json.Number(strconv.Itoa(int(n)))
	case 1:
		return json.Number(strconv.FormatInt(math.MinInt64+int64(n), 10))
	case 2:
		return json.Number(strconv.FormatInt(math.MaxInt64-int64(n), 10))
	case 3:
		return json.Number(strconv.FormatUint(math.MaxUint64-uint64(n), 10))
	case 4:
		return strings.Repeat("x", int(n)<<4)
	case 5:
		return nil
	case 6:
		return []any{v, v}
	}
	if list, ok := v.([]any); ok {
		return append(slices.Clone(list), list...)
	}
	return v
}

// restoreAndGoOn restores what may be a checkpoint: one that is refused changes nothing, one that is taken can be gone on with and written again.
func restoreAndGoOn(t *testing.T, set *rules.Set, data []byte) {
	r := begin(t, set, Options{Interval: 24 * hour})
	if err := r.Restore(data, start+hour); err != nil {
		if !errors.Is(err, ErrCheckpoint) {
			t.Fatal(err)
		}
		untouched(t, r)
		return
	}
	r.since = r.now
	r.see(documented, unexpected, update)
	again := r.checkpoint()
	next := beginAt(t, set, r.now+second, Options{Interval: 24 * hour})
	if err := next.Restore(again, r.now+second); err != nil {
		t.Fatal(err)
	}
	if _, err := next.EndPeriod(next.capture(true)); err != nil && !strings.Contains(err.Error(), "combine the parts") {
		t.Fatal(err)
	}
	next.Tick(r.now + 3*hour)
}

// TestRestoredInAnotherZone goes on with a checkpoint whose periods were aligned to another zone: the period ends when it was to, and no time is of two periods.
func TestRestoredInAnotherZone(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Skip("no time zone database: ", err)
	}
	for _, c := range []struct {
		from, to *time.Location
		next     string
		says     bool
	}{
		{nil, paris, "2026-01-03T00:00:00Z 2026-01-03T23:00:00Z", true},
		{paris, nil, "2026-01-02T23:00:00Z 2026-01-03T00:00:00Z", true},
		{paris, paris, "2026-01-02T23:00:00Z 2026-01-03T23:00:00Z", false},
	} {
		set := compiled(t, testPack, testSite)
		before := begin(t, set, Options{Interval: 24 * hour, Zone: c.from})
		before.see(documented)
		data := before.checkpoint()
		period := before.Period()
		after := beginAt(t, set, start+hour, Options{Interval: 24 * hour, Zone: c.to})
		if err := after.Restore(data, start+hour); err != nil {
			t.Fatal(err)
		}
		if text := after.took(); after.Period() != period || strings.Contains(text, "another zone now") != c.says {
			t.Errorf("period %v, was %v: %s", after.Period(), period, text)
		}
		if after.Due(period.Until-1) || !after.Due(period.Until) {
			t.Error("it is due at another time than its end")
		}
		a := after.endPeriod()
		p := after.Period()
		if got := flow.Time(p.From).Format(time.RFC3339) + " " + flow.Time(p.Until).Format(time.RFC3339); got != c.next || a.Period.AskedUntil != flow.Stamp(p.From) {
			t.Errorf("the period until %s is followed by %s, want %s", a.Period.AskedUntil, got, c.next)
		}
	}
}

// TestReportsInAlerts holds that what to do about a finding names the report that it will be in.
func TestReportsInAlerts(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{Report: func() (string, string) { return "/srv/night.json", "written in the morning" }})
	r.see(unexpected)
	if len(r.alerts) != 1 || r.alerts[0].Finding == nil {
		t.Fatalf("%+v", r.alerts)
	}
	id := r.alerts[0].ID
	if want := "; why: pcapaudit explain /srv/night.json " + id + " (written in the morning); if it is approved: pcapaudit except /srv/night.json " + id; !strings.HasSuffix(r.alerts[0].Next, want) {
		t.Errorf("%s\nwant %s", r.alerts[0].Next, want)
	}
}
