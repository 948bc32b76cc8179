package main

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"time"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/classify/monitor"
	"pcapaudit/reports"
	"pcapaudit/reports/serve"
)

// liveServe shows a run over HTTP. Its methods run in the goroutine of the capture, unless they say otherwise; those of nil do nothing.
type liveServe struct {
	u        *ui
	server   *serve.Server
	listener net.Listener
	flags    *serveFlags
	identity *serverIdentity

	began     int64  // packet clock
	before    totals // of the parts that ended
	verdicts  [len(verdictNames)]uint64
	published time.Time
	last      totals    // when it was published
	load      float64   // bytes a second of the rings that packets take: the most of late
	audited   time.Time // when the last audit for a client was made
	cost      time.Duration
	slower    float64 // than the estimate, the last audit was
}

// verdictNames are those of classify.Judgement.
var verdictNames = [...]string{"documented", "deviation", "unexpected", "indeterminate", "excepted", "out-of-scope"}

// totals are counts since the run began.
type totals struct {
	live    []classify.LiveInterface
	packets uint64
	bytes   uint64
	classes [capture.NumClasses]uint64
	evicted uint64
}

// plus adds those of a part.
func (t totals) plus(r *capture.Result) totals {
	t.live = slices.Clone(t.live)
	for i := range r.Live {
		in := watchedFacts(&r.Live[i])
		if i == len(t.live) {
			t.live = append(t.live, classify.LiveInterface{Name: in.Name})
		}
		sum := &t.live[i]
		sum.State = in.State
		sum.Kernel += in.Kernel
		sum.Delivered += in.Delivered
		sum.Dropped += in.Dropped
		sum.Monitored += in.Monitored
		sum.Blind += in.Blind
		t.packets += in.Delivered
	}
	for i := range r.Inputs {
		t.bytes += uint64(r.Inputs[i].Read)
	}
	for c := range t.classes {
		t.classes[c] += r.Ledger.Class(capture.Class(c)).Packets
	}
	t.evicted += r.Connections.Ends[flow.EndEvicted]
	return t
}

const publishEvery = time.Second

// openServe makes the listener, while there is still a right to; nil without --listen.
func openServe(u *ui, f *serveFlags) (*liveServe, error) {
	if f.listen == "" {
		return nil, nil
	}
	s := &liveServe{u: u, flags: f, slower: 1}
	o := serve.Options{Version: thisTool.Version, Runtime: runtime.Version(), Clock: time.Now, Hosts: f.hosts}
	var err error
	if o.Token, err = f.bearer(); err != nil {
		return nil, err
	}
	if s.identity, err = f.certificate(); err != nil {
		return nil, err
	}
	if s.identity != nil {
		o.TLS = s.identity.config()
	}
	var how net.ListenConfig
	how.SetMultipathTCP(false) // which the rules of the sandbox would not hold
	if s.listener, err = how.Listen(context.Background(), "tcp", f.listen); err != nil {
		return nil, exitError{exitUsage, hint(fmt.Errorf("--listen: %w", err), "name an address of this machine and a port that is free")}
	}
	s.server = serve.New(o)
	return s, nil
}

// start begins to answer.
func (s *liveServe) start(now int64) {
	if s == nil {
		return
	}
	s.began = now
	scheme := "http"
	if s.identity != nil {
		scheme = "https"
	}
	fmt.Fprintf(s.u.err, "pcapaudit: status page at %s://%s/\n", scheme, s.listener.Addr())
	go func() {
		if err := s.server.Serve(s.listener); err != nil {
			s.u.warn("status page: %v; it answers no more, the watch goes on", err)
		}
	}()
}

// close ends what is being answered.
func (s *liveServe) close() {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.server.Close(ctx)
	s.listener.Close()
}

// alert is told each one that goes out.
func (s *liveServe) alert(a monitor.Alert) {
	if s != nil {
		s.server.Alert(a)
	}
}

// judged counts a verdict.
func (s *liveServe) judged(verdict string) {
	if s == nil {
		return
	}
	if i := slices.Index(verdictNames[:], verdict); i >= 0 {
		s.verdicts[i]++
	}
}

// part takes a part that ended.
func (s *liveServe) part(r *capture.Result) {
	if s != nil {
		s.before = s.before.plus(r)
	}
}

// show gives clients an audit, which nobody changes any more.
func (s *liveServe) show(a *classify.Audit, now int64) {
	if s != nil {
		s.server.Show(a, now)
	}
}

// renew reads the certificate again.
func (s *liveServe) renew() {
	if s == nil || s.identity == nil {
		return
	}
	go func() {
		if err := s.identity.read(); err != nil {
			s.u.warn("%v; the certificate stays what it was", err)
		}
	}()
}

// tick publishes the state every second, and makes an audit where a client has asked for one.
func (s *liveServe) tick(l *liveRun, p *capture.Pulse) {
	if s == nil {
		return
	}
	s.server.Tick()
	now := time.Now()
	if now.Sub(s.published) >= publishEvery {
		s.publish(l, p, now)
	}
	if s.server.Asked() && now.Sub(s.audited) >= max(publishEvery, restAfter*s.cost) {
		s.audit(l, p, now)
	}
}

func (s *liveServe) publish(l *liveRun, p *capture.Pulse, now time.Time) {
	r := p.Result()
	t := s.before.plus(r)
	s.loaded(t, now)
	s.published, s.last = now, t
	n := l.mon.Counters()
	state := &serve.State{At: now, Packets: t.packets, Bytes: t.bytes, Evicted: t.evicted, Counters: n, Reloads: l.reloads, Refused: l.refused, AuditCost: s.cost}
	state.Status = reports.Status{Now: p.Now(), Since: s.began, Interfaces: t.live, Open: r.Connections.Open, Limit: r.Connections.Limit, Judged: n.Connections, Findings: n.Findings, Missing: n.Missing,
		Lost: l.alerts.dropped.Load() + l.files.dropped.Load() + l.stdout.lost.Load(), Saves: l.flags.state != "", SavedAt: l.kept.Load(), RulesRefused: l.unchanged, Held: n.Acknowledged}
	state.Status.Known, state.Status.KnownRefused = l.acks.listed()
	for c, packets := range t.classes {
		state.Classes = append(state.Classes, serve.Count{Name: capture.Class(c).String(), N: packets})
	}
	for i, name := range verdictNames {
		state.Verdicts = append(state.Verdicts, serve.Count{Name: name, N: s.verdicts[i]})
	}
	for _, measure := range l.held {
		count := serve.Count{Name: measure.Name}
		if measure.Lack == "" {
			count.N = 1
		}
		state.Confined = append(state.Confined, count)
	}
	s.server.Publish(state)
}

// What an audit costs the watch, as measured, and how much of that a client may cause. While it is made no packet is read: they wait in the rings.
const (
	perFinding   = 20 * time.Microsecond
	perOpen      = 3 * time.Microsecond // open connection
	perPacket    = 100                  // bytes of a ring that a packet takes beside its own
	leastLoad    = 8e6                  // bytes a second that may come at any time
	longestAudit = time.Second
	restAfter    = 20 // times its cost, until the next
	loadFades    = 0.98
)

// loaded measures how fast the rings fill: the highest rate, which fades.
func (s *liveServe) loaded(t totals, now time.Time) {
	if seconds := now.Sub(s.published).Seconds(); seconds > 0 && seconds < 60 {
		rate := (float64(t.bytes-s.last.bytes) + perPacket*float64(t.packets-s.last.packets)) / seconds
		s.load = max(rate, loadFades*s.load)
	}
}

// allowed is how long an audit may take: as long as a quarter of the rings lasts.
func (s *liveServe) allowed(ringBytes float64) time.Duration {
	seconds := ringBytes / 4 / max(s.load, leastLoad)
	return min(longestAudit, time.Duration(seconds*float64(time.Second)))
}

// audit makes one for those who wait, unless that might cost packets.
func (s *liveServe) audit(l *liveRun, p *capture.Pulse, now time.Time) {
	r := p.Result()
	guess := time.Duration(l.mon.Findings())*perFinding + time.Duration(r.Connections.Open)*perOpen
	if will := time.Duration(s.slower * float64(guess)); will > s.allowed(float64(l.flags.ringMiB<<20)) {
		s.server.Decline(fmt.Sprintf("No audit of now is made: with %d findings and %d open connections it would take about %v, in which packets might be lost. The last one is shown.",
			l.mon.Findings(), r.Connections.Open, will.Round(time.Millisecond)))
		return
	}
	p.EachActive(l.mon.Witness)
	a, err := l.mon.Snapshot(l.facts(r))
	l.broken(err)
	a.Warnings = append(a.Warnings, l.losses()...)
	s.audited = time.Now()
	s.cost = s.audited.Sub(now)
	if guess > time.Millisecond {
		s.slower = max(1, float64(s.cost)/float64(guess))
	}
	s.server.Show(a, p.Now())
}
