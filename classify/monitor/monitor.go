// Package monitor audits without an end: it judges connections as they come, says at once what is new, gives a report for each period, and saves and restores what
// it knows. It reads no clock and no file: time is told by Tick, and what it saves is bytes.
package monitor

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/rules"
)

// Options of a Monitor.
type Options struct {
	Tool           classify.Tool
	Invocation     *classify.Invocation
	Filter         *flow.Filter   // of the packets; nil: none were left out
	Interval       int64          // of a period, ns; 0: one period until the end
	Zone           *time.Location // in which periods are aligned; nil: UTC
	HeartbeatEvery int64          // ns; 0: never

	// Alert is called from within the calls of the Monitor's methods, in an order that depends on these calls alone; nil: nobody wants to know.
	Alert func(Alert)

	// Open calls f for every connection that is open. It is asked during Tick, and only before something is told to be missing; nil: no connection is ever open.
	Open func(f func(*flow.Conn))

	// Report names the JSON report that the period will be in, as alerts have it in commands, and says how to come by it; nil: nobody knows.
	Report func() (name, how string)

	// OnJudged, if set, is called once for every connection that is observed, and during Restore for those that were open in the checkpoint. The Conn is valid during the call only.
	OnJudged func(*flow.Conn, classify.Judgement)
}

// maxAttempts bounds the findings of a period that began as an attempt without an answer. A flood makes as many as it may: they are to cost neither the memory of
// a gateway nor, at each checkpoint, its time.
const maxAttempts = 1 << 12

// Monitor is for one goroutine. Its memory is bounded by the limits named in this package; Counters says what did not fit.
//
// The packet clock is what Tick, and the other methods that take a time, told last. A time that is more than a second before it means that the clock was set back; where more than a
// minute lies between two times, nothing was watched between them.
type Monitor struct {
	set      *rules.Set
	warnings []string
	opts     Options
	now      int64
	begun    bool // something was observed, learned or ended: too late for Restore

	auditor *classify.Auditor
	verdict verdict // of the connection that is being observed
	period  classify.Span
	parts   []part // of the period, before the one that the auditor is about

	stories   recent[string, story]
	pending   map[flow.ConnID]provisional
	floods    floods
	memory    memory
	blind     blindness
	looks     looks
	uses      map[useKey]*use
	nextQuiet int64
	nextBeat  int64
	counters  Counters

	acknowledged map[string]*acknowledged // by id of the finding; none has ended
}

// verdict is what a judgement says that alerts ask for.
type verdict struct{ name, flow string }

// Counters says what was told, and what did not fit the limits.
type Counters struct {
	Alerts       map[Kind]uint64
	Connections  uint64 // observed, those that were open in a checkpoint included
	Repeated     uint64 // connections of findings that were told already
	Acknowledged uint64 // alerts that were held back, because what they are about is acknowledged
	Folded       uint64 // connections of findings that were told as a flood
	Findings     int    // that are told and not resolved
	Pending      int    // open connections of which a finding was told
	NotPending   uint64 // open connections that were not looked at because too many are pending; they are judged when they end
	Forgotten    uint64 // findings that were told and forgotten; they are told again when they are seen again
	Names        uint64 // names that auditors to come will not know
	Announced    uint64 // control services and announced ports that auditors to come will not know
	Uses         uint64 // of scheduled expectations that were not followed
	Missing      int    // scheduled expectations that are not met
	Parts        int    // of the period, the one that is being audited included
	PartsLost    uint64 // that could not be kept; their time is blind in the report
	BlindSpans   uint64 // that were joined with their neighbours
	PeriodsEnded uint64
	Ledgers      uint64 // parts of which a ledger did not balance
}

// New returns a Monitor whose first period is the one that now lies in. set.Site may be nil.
func New(set *rules.Set, warnings []string, now int64, o Options) *Monitor {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	m := &Monitor{set: set, warnings: warnings, opts: o, now: now, stories: newRecent[string, story](maxStories), pending: map[flow.ConnID]provisional{}, floods: newFloods(),
		memory: newMemory(), uses: map[useKey]*use{}, nextQuiet: now + quietPause, nextBeat: never, counters: Counters{Alerts: map[Kind]uint64{}}}
	m.blind = newBlindness(now)
	if o.HeartbeatEvery > 0 {
		m.nextBeat = now + o.HeartbeatEvery
	}
	m.period = m.periodAt(now)
	m.plan()
	m.audit()
	return m
}

// audit begins a part of the period.
func (m *Monitor) audit() {
	o := classify.Options{Tool: m.opts.Tool, Invocation: m.opts.Invocation, Warnings: m.warnings, Filter: m.opts.Filter, Period: m.period, Since: m.blind.clear(m.now),
		Scheduled: m.followed(), Attempts: maxAttempts, OnJudged: m.judged}
	m.auditor = classify.New(m.set, o)
	m.memory.teach(m.auditor)
}

func (m *Monitor) judged(c *flow.Conn, j classify.Judgement) {
	m.verdict = verdict{j.Verdict, j.Flow}
	if m.opts.OnJudged != nil {
		m.opts.OnJudged(c, j)
	}
}

const (
	clockSlack   = int64(time.Second) // how far a time may lie before the packet clock without meaning that the clock was set back
	longestPause = int64(time.Minute) // between two times that are told; in a longer one nothing was watched
)

// advance moves the packet clock.
func (m *Monitor) advance(now int64) {
	switch was := m.now; {
	case now < was-clockSlack:
		m.setBack(now)
		m.raise(Alert{ID: hashID("clock"), Kind: KindBlind, Severity: severities[medium], Text: "the clock was set back by " + words(was-now)})
	case now-was > longestPause:
		m.now = now
		m.blind.add(classify.Span{From: was, Until: now})
		m.raise(Alert{ID: hashID("clock"), Kind: KindBlind, Severity: severities[medium], Since: was, Text: "nothing was watched for " + words(now-was) + ": the program did not run, or the clock was set ahead"})
	default:
		m.now = max(was, now)
	}
}

// setBack has the packet clock go on at an earlier time. What was to happen at some time happens no later than if it began now; the times of what was seen are not after it.
func (m *Monitor) setBack(now int64) {
	m.now = now
	m.nextQuiet = min(m.nextQuiet, now+quietPause)
	if m.opts.HeartbeatEvery > 0 {
		m.nextBeat = min(m.nextBeat, now+m.opts.HeartbeatEvery)
	}
	m.floods.setBack(now)
	for s := range m.stories.all() {
		s.Seen = min(s.Seen, now)
	}
	for _, u := range m.uses {
		u.Seen, u.Missed = min(u.Seen, now), min(u.Missed, now)
	}
	m.blind.setBack(now)
	m.plan()
	m.looks.again = now
}

// LearnName takes a name as it is seen. It keeps nothing of n but its strings.
func (m *Monitor) LearnName(n *flow.Name) {
	m.begun = true
	m.memory.name(n)
	m.auditor.LearnName(n)
}

// LearnAnnouncement takes what a control conversation told. It keeps nothing of n.
func (m *Monitor) LearnAnnouncement(n *flow.Announcement) {
	m.begun = true
	m.memory.announcement(n)
	m.auditor.LearnAnnouncement(n)
}

// unanswered is the key under which failed attempts of an originator are folded.
func unanswered(c *flow.Conn) floodKey {
	return floodKey{c.Orig.Addr(), "unexpected", severities[low]}
}

// Young takes an open connection of which the outcome is known. What it is may still change; Observe has the last word.
func (m *Monitor) Young(c *flow.Conn) {
	m.begun = true
	if attempt(c.Outcome) {
		if w, _ := m.floods.folding(unanswered(c)); w != nil {
			return // it is judged and counted when it ends
		}
	}
	if len(m.pending) >= maxPending {
		m.counters.NotPending++
		return
	}
	f, ok := m.auditor.Preview(c)
	if !ok || guessed(&f, c) {
		return
	}
	bytes := c.OrigBytes + c.RespBytes
	s, folded := m.tell(&f, c, 1, bytes)
	if folded {
		m.pending[c.ID] = provisional{severity: severityRank(f.Severity)}
		return
	}
	s.open++
	m.pending[c.ID] = provisional{id: f.ID, bytes: bytes}
}

// guessed is true for a finding that says no more than that it is not known who opened the connection: after a start every running session is such a one.
func guessed(f *classify.Finding, c *flow.Conn) bool {
	return f.Verdict == "indeterminate" && c.KnownBy.Uncertain()
}

// Observe judges a connection that was emitted. It keeps nothing of c.
func (m *Monitor) Observe(c *flow.Conn) {
	m.begun = true
	m.counters.Connections++
	m.auditor.Observe(c)
	p, told := m.pending[c.ID]
	delete(m.pending, c.ID)
	switch m.verdict.name {
	case "documented", "excepted", "out-of-scope":
		if told && p.id != "" {
			m.retract(&p, strings.TrimSpace(strings.ReplaceAll(m.verdict.name, "-", " ")+" "+m.verdict.flow))
		}
		return
	case "unexpected":
		if !told && attempt(c.Outcome) && m.foldedUnseen(c) {
			return
		}
	}
	f, ok := m.auditor.Preview(c)
	if !ok {
		return
	}
	bytes := c.OrigBytes + c.RespBytes
	switch {
	case told && p.id == "" && severityRank(f.Severity) >= p.severity:
		m.counters.Repeated++ // it was counted when it was folded
	case told && p.id == f.ID:
		if s := m.stories.get(f.ID); s != nil {
			s.open = max(s.open-1, 0)
		}
		m.tell(&f, c, 0, bytes-min(bytes, p.bytes))
	default:
		if told && p.id != "" {
			m.retract(&p, f.Verdict)
		}
		if !guessed(&f, c) {
			m.tell(&f, c, 1, bytes)
		}
	}
}

// foldedUnseen counts a failed attempt in the flood that goes on, where there is one.
func (m *Monitor) foldedUnseen(c *flow.Conn) bool {
	w, all := m.floods.folding(unanswered(c))
	if w == nil {
		return false
	}
	m.floods.fold(w, c, all, service(c), m.now)
	m.counters.Folded++
	return true
}

// service gives "tcp/9877", "icmp type 8", "esp".
func service(c *flow.Conn) string {
	switch {
	case c.Proto.IsICMP():
		return c.Proto.String() + " type " + strconv.Itoa(int(c.ICMPType))
	case c.Proto.HasPorts():
		return c.Proto.String() + "/" + strconv.Itoa(int(c.Resp.Port()))
	}
	return c.Proto.String()
}

// Witness takes a connection that is open when a part ends, and had packets both ways in it. It is called for each of them before EndPeriod, Reload and Snapshot.
func (m *Monitor) Witness(c *flow.Conn) {
	m.begun = true
	m.auditor.Witness(c)
	if p, told := m.pending[c.ID]; told {
		if s := m.stories.get(p.id); s != nil {
			m.seen(s)
		}
	}
}

// Tick moves the packet clock and tells what time brings: floods, findings gone quiet, expectations, the heartbeat.
func (m *Monitor) Tick(now int64) {
	m.advance(now)
	for _, a := range m.floods.tick(m.now) {
		m.raise(a)
	}
	m.quiet()
	m.overdue()
	m.lapsed()
	if m.now >= m.nextBeat {
		m.nextBeat = m.now + m.opts.HeartbeatEvery
		m.beat()
	}
}

// beat says that the monitor is alive, and what it does not see.
func (m *Monitor) beat() {
	n := m.Counters()
	text := fmt.Sprintf("watching: %s judged, %s open, %s missing", plural(n.Connections, "connection"), plural(uint64(n.Findings), "finding"), plural(uint64(n.Missing), "scheduled expectation"))
	if list := m.blind.list(); len(list) > 0 {
		text += "; blind: " + strings.Join(list, ", ")
	}
	m.raise(Alert{Kind: KindHeartbeat, Severity: severities[info], Text: text, Connections: n.Connections})
}

// Counters gives a copy.
func (m *Monitor) Counters() Counters {
	n := m.counters
	n.Alerts = map[Kind]uint64{}
	for k, v := range m.counters.Alerts {
		n.Alerts[k] = v
	}
	for s := range m.stories.all() {
		if !s.Resolved {
			n.Findings++
		}
	}
	for _, u := range m.uses {
		if u.Missing {
			n.Missing++
		}
	}
	n.Pending, n.Forgotten, n.Parts, n.BlindSpans = len(m.pending), m.stories.forgotten, len(m.parts)+1, m.blind.joined
	n.Names, n.Announced = m.memory.names.forgotten, m.memory.controls.forgotten+m.memory.ports.forgotten
	return n
}

// hashID is 16 hex digits that stand for what an alert is about, where that is no finding.
func hashID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatUint(n, 10) + " " + noun + "s"
}

// words gives a time span as "1h", "12m30s", "469ms": to the second, the millisecond where it is shorter than one, or the microsecond.
func words(ns int64) string {
	d := time.Duration(ns)
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= unit {
			d = d.Round(unit)
			break
		}
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
